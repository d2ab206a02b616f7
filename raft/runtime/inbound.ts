import { utf8ToString } from '../../internal/bytes.ts';
import type { Channel } from '../../internal/channel.ts';
import { HeldReader } from '../../internal/held-reader.ts';
import type { MainInput, Ticket } from '../core/input.ts';
import type { NodeState } from '../core/node.ts';
import { asError, ErrUnsupportedProtocol, RaftError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import {
  AppendEntriesRequest,
  AppendEntriesResponse,
  InstallSnapshotRequest,
  isHeartbeat,
  ProtocolVersionMax,
  ProtocolVersionMin,
  RequestPreVoteRequest,
  RequestVoteRequest,
  type RPCReply,
  type RPCRequest,
  TimeoutNowRequest,
} from '../messages.ts';
import { RaftState } from '../state.ts';
import type { RPC } from '../transport.ts';
import type { Published } from './lanes.ts';
import type { Ledger, Waiter } from './ledger.ts';
import type { SnapshotReceiver } from './snapshot-receiver.ts';
import { silentTelemetry, type Telemetry } from './telemetry.ts';

/** What the inbound side needs from its node. */
export interface InboundOptions {
  readonly node: NodeState;
  readonly ledger: Ledger;
  readonly receiver: SnapshotReceiver;
  readonly published: () => Published;
  readonly nowMs: () => number;
  readonly post: (input: MainInput) => void;
  /** A promise while the main lane has as many inputs waiting as it may. */
  readonly untilRoom: () => Promise<void> | undefined;
  readonly isStopped: () => boolean;
  /** When the main lane began to handle what it answers at the moment. */
  readonly stepStartedMs?: () => number;
  readonly telemetry?: Telemetry;
}

/** An RPC as somebody who waits for an answer. */
class RpcWaiter implements Waiter {
  readonly #rpc: RPC;
  readonly #log: Logger;
  readonly #letGo: () => void;

  /** `letGo` is called when the answer is known: nothing more of the request is wanted. */
  constructor(rpc: RPC, log: Logger, letGo: () => void) {
    this.#rpc = rpc;
    this.#log = log;
    this.#letGo = letGo;
  }

  settle(value: unknown): void {
    this.#respond(value as RPCReply, null);
  }

  fail(error: Error): void {
    this.#respond(null, error);
  }

  #respond(reply: RPCReply | null, error: Error | null): void {
    try {
      this.#letGo();
      this.#rpc.respond(reply, error);
    } catch (thrown) {
      this.#log.error({ error: asError(thrown) }, 'failed to respond');
    }
  }
}

/** Turns what the transport brings into inputs, heartbeats of a known leader on the fast path. */
export class Inbound {
  readonly #o: InboundOptions;
  readonly #telemetry: Telemetry;

  constructor(options: InboundOptions) {
    this.#o = options;
    this.#telemetry = options.telemetry ?? silentTelemetry();
  }

  /** Takes requests until the channel ends; everything that is ready is taken in one go. */
  async run(consumer: Channel<RPC>): Promise<void> {
    for (;;) {
      const first = await consumer.receive();
      if (first.done === true) return;
      this.take(first.value);
      for (let more = consumer.tryReceive(); more !== undefined; more = consumer.tryReceive()) {
        this.take(more.value);
      }
      if (this.#o.isStopped()) return;
      const crowded = this.#o.untilRoom();
      if (crowded !== undefined) await crowded;
    }
  }

  /** Takes one request. A node that has stopped answers nothing (rule 1). */
  take(rpc: RPC): void {
    const { command } = rpc;
    if (this.#o.isStopped()) return;
    if (isHeartbeat(command) && this.#answerFast(command, rpc)) return;
    const version = command.rpcHeader.protocolVersion;
    const oldest = Math.max(ProtocolVersionMin, this.#o.node.config.protocolVersion - 1);
    if (version < oldest || version > ProtocolVersionMax) {
      if (rpc.reader !== null) void new HeldReader(rpc.reader).release();
      rpc.respond(null, ErrUnsupportedProtocol);
      return;
    }
    const { receiver, node } = this.#o;
    const waiter = new RpcWaiter(rpc, node.log, () => {
      receiver.release(ticket);
      this.#answered(command, this.#o.stepStartedMs?.() ?? 0);
    });
    const ticket: Ticket = this.#o.ledger.open(waiter);
    const input = inputOf(command, ticket);
    if (input === null) {
      node.log.error({ command: typeof command }, 'got unexpected command');
      this.#o.ledger.fail(ticket, new RaftError('ERR_UNEXPECTED_COMMAND', 'unexpected command'));
      return;
    }
    if (rpc.reader !== null) receiver.expect(ticket, rpc.reader);
    this.#o.post(input);
  }

  /**
   * A heartbeat of the current term from the known leader changes nothing but the last contact, so
   * it is answered at once, whatever the main lane waits for. All others go there (upstream #695).
   */
  #answerFast(request: AppendEntriesRequest, rpc: RPC): boolean {
    const { node } = this.#o;
    const { term, role, leaderAddress, leaderID, lastIndex } = this.#o.published();
    if (role !== RaftState.Follower || request.term !== term || leaderAddress === '') return false;
    const { addr, id, protocolVersion } = request.rpcHeader;
    const sender = node.self.decodePeer(
      (addr !== null && addr.length > 0 ? addr : request.leader) ?? new Uint8Array(),
    );
    if (sender !== leaderAddress || utf8ToString(id) !== leaderID) return false;
    if (protocolVersion > ProtocolVersionMax) return false;
    // The main lane may be on its way to another term or leader, not yet published.
    if (node.currentTerm !== term || node.role !== role || node.leaderAddress !== leaderAddress) {
      return false;
    }
    const startMs = this.#o.nowMs();
    node.lastContactMs = startMs;
    const rpcHeader = node.self.header;
    rpc.respond(
      new AppendEntriesResponse({ rpcHeader, term, lastLog: lastIndex, success: true }),
      null,
    );
    this.#answered(request, startMs);
    return true;
  }

  #answered(request: RPCRequest, startMs: number): void {
    if (request instanceof AppendEntriesRequest) {
      this.#telemetry.took('raft.rpc.appendEntries', startMs);
      if (isHeartbeat(request)) this.#telemetry.took('raft.rpc.processHeartbeat', startMs);
    } else if (request instanceof InstallSnapshotRequest) {
      this.#telemetry.took('raft.rpc.installSnapshot', startMs);
    } else if (!(request instanceof TimeoutNowRequest)) {
      this.#telemetry.took('raft.rpc.requestVote', startMs);
    }
  }
}

/** The input that a request is to the rules; null for something that is no request. */
function inputOf(request: RPCRequest, ticket: number): MainInput | null {
  if (request instanceof AppendEntriesRequest) return { kind: 'appendEntries', request, ticket };
  if (request instanceof RequestVoteRequest) return { kind: 'requestVote', request, ticket };
  if (request instanceof RequestPreVoteRequest) return { kind: 'requestPreVote', request, ticket };
  if (request instanceof InstallSnapshotRequest) {
    return { kind: 'installSnapshot', request, ticket };
  }
  if (request instanceof TimeoutNowRequest) return { kind: 'timeoutNow', request, ticket };
  return null;
}
