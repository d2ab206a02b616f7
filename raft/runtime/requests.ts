import { checkIndex, checkString } from '../arguments.ts';
import { type ReloadableConfig, reloadableOf, validateConfig } from '../config.ts';
import type {
  ConfigurationChange,
  ConfigurationChangeCommand,
  ServerAddress,
  ServerID,
} from '../configuration.ts';
import type { MainInput, Proposal, Ticket } from '../core/input.ts';
import type { RestoredMeta } from '../core/restore.ts';
import {
  ErrEnqueueTimeout,
  ErrRaftShutdown,
  ErrUnsupportedProtocol,
  RaftError,
} from '../errors.ts';
import {
  EntryFuture,
  type Future,
  type IndexFuture,
  SettableFuture,
  WithoutResponse,
} from '../future.ts';
import { LogType } from '../log.ts';
import { abortedBy, giveUpOn, limitsOf, type Timeout } from '../timeout.ts';
import { EntryWaiter } from './effects.ts';
import type { Waiter } from './ledger.ts';
import { readAt, readTimedOut } from './linear-reader.ts';
import { type ChangeRequest, EntryProposal } from './main-lane.ts';
import type { NodeRunner } from './node-runner.ts';
import { SharedQuestion } from './shared-question.ts';

/**
 * The way of a caller's request into the main lane: what is refused at the door gets its answer
 * here, everything else gets a future that the rules will settle.
 */
export class Requests {
  readonly #runner: NodeRunner;
  readonly #verifications: SharedQuestion<void>;
  readonly #reads: SharedQuestion<number>;

  constructor(runner: NodeRunner) {
    this.#runner = runner;
    this.#verifications = new SharedQuestion<void>(
      runner,
      (ticket) => ({ kind: 'verify', ticket }),
      () => undefined,
    );
    this.#reads = new SharedQuestion(
      runner,
      (ticket) => ({ kind: 'readIndex', ticket }),
      (index) => readAt(runner.fsm, Number(index)),
    );
  }

  /** Asks for a place in the log. The bytes are kept, not copied. */
  propose({ type, data, extensions }: Proposal, timeout: Timeout): EntryFuture {
    this.#count(type === LogType.LogBarrier ? 'raft.barrier' : 'raft.apply');
    const { timeoutMs, signal } = limitsOf(timeout);
    const future = new EntryFuture();
    if (!this.#isRefused(future, signal)) {
      const deadlineMs = this.#deadline(timeoutMs);
      const proposal = new EntryProposal(type, data, extensions, future, deadlineMs);
      this.#runner.main.propose(proposal);
      if (signal !== undefined) this.#withdrawOn(signal, proposal);
    }
    return future;
  }

  #withdrawOn(signal: AbortSignal, proposal: EntryProposal): void {
    const { future } = proposal;
    giveUpOn(signal, future, (error) => {
      future.abandon(error);
      if (!future.isTaken) this.#runner.main.withdraw(proposal);
    });
  }

  /** Asks for a change of the configuration, which `minimumVersion` of the protocol knows. */
  change(minimumVersion: number, change: ConfigurationChange, timeout: Timeout): IndexFuture {
    checkString('id', change.serverID);
    checkString('address', change.serverAddress);
    checkIndex('prevIndex', change.prevIndex);
    const { timeoutMs, signal } = limitsOf(timeout);
    const future = new EntryFuture();
    const runner = this.#runner;
    if (runner.node.config.protocolVersion < minimumVersion) future.refused(ErrUnsupportedProtocol);
    else if (!this.#isRefused(future, signal)) {
      const request: ChangeRequest = {
        deadlineMs: this.#deadline(timeoutMs),
        sizeBytes: 0,
        get hasLeft() {
          return future.isSettled;
        },
        refuse: (error) => future.refused(error),
        admit: () => {
          future.taken();
          const ticket = runner.ledger.open(new EntryWaiter(future));
          return { kind: 'changeConfiguration', change, ticket };
        },
      };
      runner.main.proposeChange(request);
      giveUpOn(signal, future, (error) => {
        future.abandon(error);
        if (!future.isTaken) runner.main.withdrawChange(request);
      });
    }
    return new WithoutResponse(future);
  }

  /** Asks for a change of a cluster whose servers have no names but their addresses. */
  changePeer(command: ConfigurationChangeCommand, address: ServerAddress): Future {
    checkString('peer', address);
    const change = { command, serverID: address, serverAddress: address, prevIndex: 0 };
    if (this.#runner.node.config.protocolVersion > 2) return failed(ErrUnsupportedProtocol);
    return this.change(1, change, 0);
  }

  /**
   * Takes over what may change of the config, or throws and changes nothing. What the rules read
   * goes to them through their lane.
   */
  reload(wanted: ReloadableConfig): void {
    const { config } = this.#runner.parts;
    const reloaded = reloadableOf(wanted);
    validateConfig({ ...config, ...reloaded });
    Object.assign(config, reloaded);
    this.#runner.post({
      kind: 'reloadConfig',
      heartbeatTimeoutMs: reloaded.heartbeatTimeout,
      electionTimeoutMs: reloaded.electionTimeout,
      trailingLogs: reloaded.trailingLogs,
    });
  }

  /** Asks to hand the leadership to `target`, or to whom the rules choose. */
  transfer(target: { id: ServerID; address: ServerAddress } | null): Future {
    if (target !== null) {
      checkString('id', target.id);
      checkString('address', target.address);
    }
    const { node, log } = this.#runner;
    if (node.config.protocolVersion < 3) return failed(ErrUnsupportedProtocol);
    if (target?.id === node.self.id) {
      const error = new RaftError('ERR_TRANSFER_TO_SELF', 'cannot transfer leadership to itself');
      log.info({}, error.message);
      return failed(error);
    }
    this.#runner.main.flush();
    return this.ask((ticket) => ({ kind: 'transfer', target, ticket }));
  }

  /** Asks for an index to read at, and waits until the FSM has reached it. */
  readIndex(timeout: Timeout): Future<number> {
    const { timeoutMs, signal } = limitsOf(timeout);
    const future = new SettableFuture<number>();
    if (timeoutMs > 0) {
      const late = (): void => void future.fail(readTimedOut(timeoutMs));
      const limit = this.#runner.clock.setTimer(timeoutMs, late);
      future.whenSettled(() => limit.cancel());
    }
    giveUpOn(signal, future, (error) => future.fail(error));
    if (!future.isSettled) this.#reads.ask(future);
    return future;
  }

  /** Asks for the state of the cluster to be replaced; what `meta` says was checked before. */
  restore(
    meta: RestoredMeta,
    reader: AsyncIterable<Uint8Array>,
    timeout: Timeout,
  ): WithoutResponse {
    this.#count('raft.restore');
    const { timeoutMs, signal } = limitsOf(timeout);
    const future = new EntryFuture();
    const runner = this.#runner;
    if (this.#isRefused(future, signal)) return new WithoutResponse(future);
    if (runner.ledger.isFull) future.refused(ErrEnqueueTimeout);
    else {
      runner.main.flush();
      const ticket = runner.restores.open(reader, future, timeoutMs);
      runner.post({ kind: 'restore', meta, ticket });
      giveUpOn(signal, future, (error) => {
        runner.ledger.fail(ticket, error);
        // Once it waits for its entry nobody stands behind the ticket any more.
        future.lost(error);
      });
    }
    return new WithoutResponse(future);
  }

  /** Asks a quorum whether this node still leads. */
  verifyLeader(): Future {
    this.#count('raft.verify_leader');
    const future = new SettableFuture<void>();
    this.#verifications.ask(future);
    return future;
  }

  /** Posts a request whose answer is only that it was done. */
  ask(input: (ticket: Ticket) => MainInput): Future {
    const future = new SettableFuture<void>();
    const settle = (): void => void future.succeed(undefined);
    const fail = (error: Error): void => void future.fail(error);
    this.#post({ settle, fail }, input);
    return future;
  }

  #post(waiter: Waiter, input: (ticket: Ticket) => MainInput): void {
    const runner = this.#runner;
    if (runner.isStopped) waiter.fail(ErrRaftShutdown);
    else if (runner.ledger.isFull) waiter.fail(ErrEnqueueTimeout);
    else runner.post(input(runner.ledger.open(waiter)));
  }

  /** True when nothing is to be appended: the node has stopped, or its caller gave up before. */
  #isRefused(future: EntryFuture, signal: AbortSignal | undefined): boolean {
    if (this.#runner.isStopped) future.refused(ErrRaftShutdown);
    else if (signal?.aborted === true) future.refused(abortedBy(signal));
    return future.isSettled;
  }

  #deadline(timeoutMs: number): number {
    return timeoutMs > 0 ? this.#runner.clock.monotonicMs() + timeoutMs : 0;
  }

  #count(call: 'raft.apply' | 'raft.barrier' | 'raft.verify_leader' | 'raft.restore'): void {
    this.#runner.telemetry.instruments[call].add(1);
  }
}

function failed(error: Error): Future {
  const future = new SettableFuture<void>();
  future.fail(error);
  return future;
}
