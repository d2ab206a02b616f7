import type { Channel } from '../internal/channel.ts';
import { checkBytes, checkTimeout } from './arguments.ts';
import { type Config, validateConfig } from './config.ts';
import {
  Configuration,
  type ConfigurationChange,
  ConfigurationChangeCommand,
  type ServerAddress,
  type ServerID,
} from './configuration.ts';
import type { MainInput, Ticket } from './core/input.ts';
import { describeNode } from './core/node.ts';
import {
  asError,
  ErrEnqueueTimeout,
  ErrRaftShutdown,
  ErrUnsupportedProtocol,
  RaftError,
} from './errors.ts';
import type { FSM } from './fsm.ts';
import {
  type ApplyFuture,
  type ConfigurationFuture,
  EntryFuture,
  type Future,
  type IndexFuture,
  KnownConfiguration,
  SettableFuture,
  type SnapshotFuture,
  WithoutResponse,
} from './future.ts';
import { type LogStore, LogType } from './log.ts';
import type { LeaderInfo, LogInput, RaftNode } from './node.ts';
import type { ObservationSink } from './observation.ts';
import { EntryWaiter } from './runtime/effects.ts';
import type { Waiter } from './runtime/ledger.ts';
import { LinearReader } from './runtime/linear-reader.ts';
import { EntryProposal } from './runtime/main-lane.ts';
import { NodeRunner } from './runtime/node-runner.ts';
import { statsOf } from './runtime/stats.ts';
import type { SnapshotStore } from './snapshot.ts';
import type { StableStore } from './stable.ts';
import type { RaftState } from './state.ts';
import type { Transport } from './transport.ts';

/** One node of a cluster. Made by {@link newRaft}. Go: `Raft`. */
export class Raft implements RaftNode {
  readonly #runner: NodeRunner;

  private constructor(runner: NodeRunner) {
    this.#runner = runner;
  }

  /** @internal Use {@link newRaft}. */
  static async start(
    config: Config,
    fsm: FSM,
    logs: LogStore,
    stable: StableStore,
    snaps: SnapshotStore,
    trans: Transport,
  ): Promise<Raft> {
    let raft: Raft | undefined;
    const runner = await NodeRunner.start({ config, fsm, logs, stable, snaps, trans }, () => raft);
    raft = new Raft(runner);
    return raft;
  }

  /**
   * Proposes a command. The future gives what the FSM returned, once a quorum holds the command and
   * this node has applied it. The bytes are taken at the call: the buffer may be reused (§5.3).
   *
   * @param timeout milliseconds until the command must have been accepted by the main lane, 0 to
   * wait
   *   for ever; it does not bound the commit
   * @returns fails with `ErrNotLeader`, `ErrLeadershipLost`, `ErrEnqueueTimeout`, `ErrRaftShutdown`
   * or
   *   `ErrLeadershipTransferInProgress`. Go: `Raft.Apply`
   */
  apply(command: Uint8Array, timeout = 0): ApplyFuture {
    checkBytes('command', command);
    return this.#propose(LogType.LogCommand, command.slice(), null, timeout);
  }

  /** Like {@link Raft.apply}, with extensions beside the command. Go: `Raft.ApplyLog`. */
  applyLog({ data = null, extensions = null }: LogInput, timeout = 0): ApplyFuture {
    if (data !== null) checkBytes('data', data);
    if (extensions !== null) checkBytes('extensions', extensions);
    return this.#propose(
      LogType.LogCommand,
      data?.slice() ?? null,
      extensions?.slice() ?? null,
      timeout,
    );
  }

  /**
   * Waits until everything that was committed before it has been applied here. Fails as
   * {@link Raft.apply} does. Go: `Raft.Barrier`.
   *
   * @param timeout milliseconds until it must have been accepted, 0 to wait for ever
   */
  barrier(timeout = 0): Future {
    return new WithoutResponse(this.#propose(LogType.LogBarrier, null, null, timeout));
  }

  /**
   * Asks a quorum of the voters whether this node still leads, by requests that are sent after the
   * call (thesis §6.4). Fails with `ErrNotLeader`, `ErrLeadershipLost` or `ErrRaftShutdown`.
   * Go: `Raft.VerifyLeader`.
   */
  verifyLeader(): Future {
    const future = new SettableFuture<void>();
    this.#request(future, (ticket) => ({ kind: 'verify', ticket }));
    return future;
  }

  /**
   * Makes the next read of the local FSM linearizable: resolves, with the index that was reached,
   * once this node has proved its leadership after the call and the FSM has finished everything
   * that was committed at the call (thesis §6.4). Costs no log entry. Beyond Go.
   *
   * @param timeout milliseconds for the whole, 0 to wait for ever; then `ERR_READ_TIMEOUT`
   */
  readIndex(timeout = 0): Future<number> {
    checkTimeout(timeout);
    const future = new SettableFuture<number>();
    const reader = new LinearReader(this.#runner, future, timeout);
    this.#ask(reader, (ticket) => ({ kind: 'readIndex', ticket }));
    return future;
  }

  /**
   * The latest configuration, committed or not, and the index at which it was written. Never waits.
   * Go: `Raft.GetConfiguration`.
   */
  getConfiguration(): ConfigurationFuture {
    const { latest, latestIndex } = this.#runner.node.configurations;
    return new KnownConfiguration(latest.clone(), latestIndex);
  }

  /**
   * Writes the very first configuration of a cluster. Fails with `ErrCantBootstrap` when this node
   * has any state, `ErrNotVoter` when the configuration gives it no vote. Go:
   * `Raft.BootstrapCluster`.
   */
  bootstrapCluster(configuration: Configuration): Future {
    const future = new SettableFuture<void>();
    const copy = new Configuration(configuration.servers).clone();
    this.#request(future, (ticket) => ({ kind: 'bootstrap', configuration: copy, ticket }));
    return future;
  }

  /**
   * Adds a voter, or makes a nonvoter one; of a voter only the address changes (§6). The future's
   * index is that of the new configuration. Go: `Raft.AddVoter`.
   *
   * @param prevIndex when above 0, refused unless the latest configuration has this index
   * @param timeout milliseconds until the leader must have accepted the change, 0 to wait for ever
   */
  addVoter(id: ServerID, address: ServerAddress, prevIndex = 0, timeout = 0): IndexFuture {
    const command = ConfigurationChangeCommand.AddVoter;
    return this.#change(2, { command, serverID: id, serverAddress: address, prevIndex }, timeout);
  }

  /** Adds a server that receives the log and counts for nothing. Go: `Raft.AddNonvoter`. */
  addNonvoter(id: ServerID, address: ServerAddress, prevIndex = 0, timeout = 0): IndexFuture {
    const command = ConfigurationChangeCommand.AddNonvoter;
    return this.#change(3, { command, serverID: id, serverAddress: address, prevIndex }, timeout);
  }

  /** Takes a server's vote; demoting the leader ends its leadership. Go: `Raft.DemoteVoter`. */
  demoteVoter(id: ServerID, prevIndex = 0, timeout = 0): IndexFuture {
    const command = ConfigurationChangeCommand.DemoteVoter;
    return this.#change(3, { command, serverID: id, serverAddress: '', prevIndex }, timeout);
  }

  /** Removes a server; removing the leader ends its leadership. Go: `Raft.RemoveServer`. */
  removeServer(id: ServerID, prevIndex = 0, timeout = 0): IndexFuture {
    const command = ConfigurationChangeCommand.RemoveServer;
    return this.#change(2, { command, serverID: id, serverAddress: '', prevIndex }, timeout);
  }

  /**
   * Hands the leadership to the voter that needs the fewest entries (thesis §3.10). Resolves once
   * this node leads no more. Go: `Raft.LeadershipTransfer`.
   */
  leadershipTransfer(): Future {
    return this.#transfer(null);
  }

  /** Hands the leadership to one server. Go: `Raft.LeadershipTransferToServer`. */
  leadershipTransferToServer(id: ServerID, address: ServerAddress): Future {
    return this.#transfer({ id, address });
  }

  /**
   * Takes a snapshot now, on any node. Fails with `ErrNothingNewToSnapshot` when this process has
   * applied no command yet. Go: `Raft.Snapshot`.
   */
  snapshot(): SnapshotFuture {
    return this.#runner.snapshots.take();
  }

  /**
   * Stops the node and closes its transport; the stores stay open. Resolves when no write is under
   * way any more, or rejects naming the one that still is. Go: `Raft.Shutdown`.
   */
  shutdown(): Future {
    const future = new SettableFuture<void>();
    this.#runner.shutdown().then(
      () => future.succeed(undefined),
      (error: unknown) => future.fail(asError(error)),
    );
    return future;
  }

  /** What the node is. Go: `Raft.State`. */
  state(): RaftState {
    return this.#runner.published.role;
  }

  /** The leader's address, empty when unknown. Deprecated as in Go by `leaderWithID`. */
  leader(): ServerAddress {
    return this.#runner.published.leaderAddress;
  }

  /** The leader as far as this node knows, both parts empty when it knows none. */
  leaderWithID(): LeaderInfo {
    const { leaderAddress, leaderID } = this.#runner.published;
    return { address: leaderAddress, id: leaderID };
  }

  /** Gets true on gaining and false on losing leadership; one slot, newest wins. Go: `LeaderCh`. */
  leaderCh(): Channel<boolean> {
    return this.#runner.leaderCh;
  }

  /** Numbers for people, as strings, under hashicorp's keys. Go: `Raft.Stats`. */
  stats(): Record<string, string> {
    const { node, published, fsm, clock } = this.#runner;
    const { pendingBatches } = fsm;
    return statsOf({ node, published, pendingBatches, nowMs: clock.monotonicMs() });
  }

  /** When the leader was last heard, `null` for never. Go: `Raft.LastContact`. */
  lastContact(): Date | null {
    const { node, clock } = this.#runner;
    if (node.lastContactMs === undefined) return null;
    const agoMs = clock.monotonicMs() - node.lastContactMs;
    return new Date(clock.wallTime().getTime() - agoMs);
  }

  /** The last index in the log or in a snapshot. Go: `Raft.LastIndex`. */
  lastIndex(): number {
    return this.#runner.published.lastIndex;
  }

  /** The last index known to be committed. Go: `Raft.CommitIndex`. */
  commitIndex(): number {
    return this.#runner.published.commitIndex;
  }

  /** The last index handed to the FSM. Go: `Raft.AppliedIndex`. */
  appliedIndex(): number {
    return this.#runner.published.lastApplied;
  }

  /** The current term. Go: `Raft.CurrentTerm`. */
  currentTerm(): number {
    return this.#runner.published.term;
  }

  /** Tells `observer` what happens from now on. Go: `Raft.RegisterObserver`. */
  registerObserver(observer: ObservationSink): void {
    this.#runner.observers.register(observer);
  }

  /** Tells `observer` nothing more. Go: `Raft.DeregisterObserver`. */
  deregisterObserver(observer: ObservationSink): void {
    this.#runner.observers.deregister(observer);
  }

  /** Why the node stopped by itself; `null` while it has not. Beyond Go, which panics. */
  get fatal(): Error | null {
    return this.#runner.fatal;
  }

  /** `Node at 127.0.0.1:7001 [Leader]`. Go: `Raft.String`. */
  toString(): string {
    return describeNode(this.#runner.node.self.address, this.state());
  }

  /** Shuts down: `await using raft = await newRaft(...)`. Beyond Go. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }

  #propose(
    type: LogType,
    data: Uint8Array | null,
    extensions: Uint8Array | null,
    timeout: number,
  ): EntryFuture {
    checkTimeout(timeout);
    const future = new EntryFuture();
    const runner = this.#runner;
    if (runner.isStopped) future.refused(ErrRaftShutdown);
    else {
      const deadlineMs = this.#deadline(timeout);
      runner.main.propose(new EntryProposal(type, data, extensions, future, deadlineMs));
    }
    return future;
  }

  #deadline(timeout: number): number {
    return timeout > 0 ? this.#runner.clock.monotonicMs() + timeout : 0;
  }

  #change(minimumVersion: number, change: ConfigurationChange, timeout: number): IndexFuture {
    checkTimeout(timeout);
    const future = new EntryFuture();
    const runner = this.#runner;
    if (runner.node.config.protocolVersion < minimumVersion) future.refused(ErrUnsupportedProtocol);
    else if (runner.isStopped) future.refused(ErrRaftShutdown);
    else {
      runner.main.proposeChange({
        deadlineMs: this.#deadline(timeout),
        sizeBytes: 0,
        refuse: (error) => future.refused(error),
        admit: () => {
          const ticket = runner.ledger.open(new EntryWaiter(future));
          return { kind: 'changeConfiguration', change, ticket };
        },
      });
    }
    return new WithoutResponse(future);
  }

  #transfer(target: { id: ServerID; address: ServerAddress } | null): Future {
    const future = new SettableFuture<void>();
    const { node, log } = this.#runner;
    if (node.config.protocolVersion < 3) future.fail(ErrUnsupportedProtocol);
    else if (target?.id === node.self.id) {
      const error = new RaftError('ERR_TRANSFER_TO_SELF', 'cannot transfer leadership to itself');
      log.info({}, error.message);
      future.fail(error);
    } else {
      this.#runner.main.flush();
      this.#request(future, (ticket) => ({ kind: 'transfer', target, ticket }));
    }
    return future;
  }

  /** Posts a request whose answer is only that it was done. */
  #request(future: SettableFuture<void>, input: (ticket: Ticket) => MainInput): void {
    const settle = (): void => void future.succeed(undefined);
    const fail = (error: Error): void => void future.fail(error);
    this.#ask({ settle, fail }, input);
  }

  #ask(waiter: Waiter, input: (ticket: Ticket) => MainInput): void {
    const runner = this.#runner;
    if (runner.isStopped) waiter.fail(ErrRaftShutdown);
    else if (runner.ledger.isFull) waiter.fail(ErrEnqueueTimeout);
    else runner.post(input(runner.ledger.open(waiter)));
  }
}

/**
 * Starts a node on its stores; it continues where it stopped. A node that was neither bootstrapped
 * nor added to a cluster waits quietly. Go: `NewRaft`.
 *
 * @param conf see {@link defaultConfig}; checked, and not kept
 * @param fsm the state machine; its newest snapshot is given to it before anything else
 * @param logs where the log lives
 * @param stable where term and vote live; may be the same object as `logs`
 * @param snaps where snapshots live
 * @param trans how this node talks to others
 * @returns the node; rejects with a `RaftError` that says what is wrong with config or stores
 */
export async function newRaft(
  conf: Config,
  fsm: FSM,
  logs: LogStore,
  stable: StableStore,
  snaps: SnapshotStore,
  trans: Transport,
): Promise<Raft> {
  validateConfig(conf);
  return Raft.start({ ...conf }, fsm, logs, stable, snaps, trans);
}
