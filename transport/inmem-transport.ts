import { copyBytes, utf8, utf8ToString } from '../internal/bytes.ts';
import type { Channel } from '../internal/channel.ts';
import { type Clock, systemClock, type TimerHandle } from '../internal/clock.ts';
import { type Random, randomInteger, systemRandom } from '../internal/random.ts';
import type { ServerAddress, ServerID } from '../raft/configuration.ts';
import { ErrPipelineShutdown, ErrTransportShutdown, RaftError } from '../raft/errors.ts';
import {
  AppendEntriesRequest,
  AppendEntriesResponse,
  type InstallSnapshotRequest,
  InstallSnapshotResponse,
  type RequestPreVoteRequest,
  RequestPreVoteResponse,
  type RequestVoteRequest,
  RequestVoteResponse,
  type RPCReply,
  type RPCRequest,
  type TimeoutNowRequest,
  TimeoutNowResponse,
} from '../raft/messages.ts';
import {
  type AppendPipeline,
  type LoopbackTransport,
  RPC,
  type RPCResponse,
  type Transport,
} from '../raft/transport.ts';
import { exactly } from './exact-bytes.ts';
import { Inbox } from './inbox.ts';
import { type AppendDone, BoundedPipeline } from './pipeline.ts';

/** Requests that wait at a transport before its senders have to. */
const CONSUMER_CAPACITY = 16;
/** Requests of one pipeline that may be in flight. */
const PIPELINE_CAPACITY = 16;
/** Go's send timeout, in milliseconds. */
const DEFAULT_TIMEOUT_MS = 500;
/** A snapshot and a handing-over of leadership may take this many times as long. */
const SLOW_CALL_FACTOR = 10;

/** Beyond Go: what a simulation sets. */
export interface InmemTransportOptions {
  /** Where time comes from. Default: the machine. */
  readonly clock?: Clock;
  /** Requests that wait at the consumer before senders have to; 0 or more. Default 16. */
  readonly consumerCapacity?: number;
}

interface Call {
  fail(error: Error): void;
}

/** Bytes of an entry are copied: a store or an FSM that changes them must not reach its peers. */
function detached(request: RPCRequest): RPCRequest {
  if (!(request instanceof AppendEntriesRequest) || request.entries === null) return request;
  const entries = request.entries.map((entry) => ({
    ...entry,
    data: entry.data === null ? null : copyBytes(entry.data),
    extensions: entry.extensions === null ? null : copyBytes(entry.extensions),
  }));
  return new AppendEntriesRequest({ ...request, entries });
}

/**
 * A transport between nodes of one process, connected by hand with {@link InmemTransport.connect}.
 * Routes lead one way. Sending and answering may each take the full timeout, and ten times it for
 * `installSnapshot` and `timeoutNow`.
 *
 * A call rejects with the peer's error, `ErrTransportShutdown`, or a `RaftError`:
 * `ERR_PEER_UNREACHABLE` for a peer that is not connected, `ERR_TRANSPORT_TIMEOUT` for one that
 * takes or answers nothing in time, `ERR_UNEXPECTED_RESPONSE`. Go: `InmemTransport`.
 */
export class InmemTransport implements LoopbackTransport {
  readonly #localAddr: ServerAddress;
  readonly #timeoutMs: number;
  readonly #clock: Clock;
  readonly #inbox: Inbox;
  readonly #peers = new Map<ServerAddress, InmemTransport>();
  readonly #pipelines = new Map<AppendPipeline, ServerAddress>();
  readonly #calls = new Set<Call>();

  constructor(localAddr: ServerAddress, timeoutMs: number, options: InmemTransportOptions = {}) {
    this.#localAddr = localAddr;
    this.#timeoutMs = timeoutMs;
    this.#clock = options.clock ?? systemClock;
    this.#inbox = new Inbox(options.consumerCapacity ?? CONSUMER_CAPACITY);
  }

  consumer(): Channel<RPC> {
    return this.#inbox;
  }

  localAddr(): ServerAddress {
    return this.#localAddr;
  }

  /**
   * Does nothing: heartbeats take the way of all requests here.
   * Go: `InmemTransport.SetHeartbeatHandler`.
   */
  setHeartbeatHandler(_handler: ((rpc: RPC) => void) | null): void {}

  encodePeer(_id: ServerID, addr: ServerAddress): Uint8Array {
    return utf8(addr);
  }

  decodePeer(bytes: Uint8Array): ServerAddress {
    return utf8ToString(bytes);
  }

  /**
   * Opens a way to `peer`; throws a `TypeError` when it leads to no `InmemTransport`.
   * Go: `InmemTransport.Connect`.
   */
  connect(peer: ServerAddress, transport: Transport): void {
    if (!(transport instanceof InmemTransport)) {
      throw new TypeError(
        `expected an InmemTransport to connect ${peer} to, got another transport`,
      );
    }
    if (!this.#inbox.closed) this.#peers.set(peer, transport);
  }

  /**
   * Closes the way to `peer` and the pipelines that use it; what is queued there is still answered.
   * Go: `InmemTransport.Disconnect`.
   */
  disconnect(peer: ServerAddress): void {
    this.#peers.delete(peer);
    for (const [pipeline, target] of this.#pipelines) {
      if (target === peer) void pipeline.close();
    }
  }

  disconnectAll(): void {
    this.#peers.clear();
    for (const pipeline of this.#pipelines.keys()) void pipeline.close();
  }

  /**
   * Ends everything: calls under way reject with `ErrTransportShutdown`, the consumer is closed.
   * Go: `InmemTransport.Close`.
   */
  async close(): Promise<void> {
    this.disconnectAll();
    for (const call of this.#calls) call.fail(ErrTransportShutdown);
    this.#inbox.close();
  }

  async appendEntriesPipeline(_id: ServerID, target: ServerAddress): Promise<AppendPipeline> {
    const peer = this.#peer(target);
    const calls = new Set<Call>();
    const pipeline = new BoundedPipeline(
      {
        send: (args, done) => this.#pipelined(peer, args, calls, done),
        close: () => {
          this.#pipelines.delete(pipeline);
          for (const call of calls) call.fail(ErrPipelineShutdown);
        },
      },
      { maxInFlight: PIPELINE_CAPACITY, timeoutMs: this.#timeoutMs, clock: this.#clock },
    );
    this.#pipelines.set(pipeline, target);
    return pipeline;
  }

  async appendEntries(
    _id: ServerID,
    target: ServerAddress,
    args: AppendEntriesRequest,
  ): Promise<AppendEntriesResponse> {
    const response = await this.#call(target, args, null, this.#timeoutMs);
    return expected(response, AppendEntriesResponse);
  }

  async requestVote(
    _id: ServerID,
    target: ServerAddress,
    args: RequestVoteRequest,
  ): Promise<RequestVoteResponse> {
    const response = await this.#call(target, args, null, this.#timeoutMs);
    return expected(response, RequestVoteResponse);
  }

  async requestPreVote(
    _id: ServerID,
    target: ServerAddress,
    args: RequestPreVoteRequest,
  ): Promise<RequestPreVoteResponse> {
    const response = await this.#call(target, args, null, this.#timeoutMs);
    return expected(response, RequestPreVoteResponse);
  }

  async installSnapshot(
    _id: ServerID,
    target: ServerAddress,
    args: InstallSnapshotRequest,
    data: AsyncIterable<Uint8Array>,
  ): Promise<InstallSnapshotResponse> {
    const state = exactly(args.size, data);
    const response = await this.#call(target, args, state, SLOW_CALL_FACTOR * this.#timeoutMs);
    return expected(response, InstallSnapshotResponse);
  }

  async timeoutNow(
    _id: ServerID,
    target: ServerAddress,
    args: TimeoutNowRequest,
  ): Promise<TimeoutNowResponse> {
    const response = await this.#call(target, args, null, SLOW_CALL_FACTOR * this.#timeoutMs);
    return expected(response, TimeoutNowResponse);
  }

  #peer(target: ServerAddress): InmemTransport {
    if (this.#inbox.closed) throw ErrTransportShutdown;
    const peer = this.#peers.get(target);
    if (peer === undefined || peer.#inbox.closed) {
      throw new RaftError('ERR_PEER_UNREACHABLE', `failed to connect to peer: ${target}`);
    }
    return peer;
  }

  #call(
    target: ServerAddress,
    args: RPCRequest,
    reader: AsyncIterable<Uint8Array> | null,
    timeoutMs: number,
  ): Promise<RPCReply | null> {
    const peer = this.#peer(target);
    return new Promise((resolve, reject) => {
      this.#exchange(peer, args, reader, {
        timeoutMs,
        sendTimeoutText: 'send timed out',
        sent: () => {},
        done: ({ error, response }) => (error === null ? resolve(response) : reject(error)),
      });
    });
  }

  #pipelined(
    peer: InmemTransport,
    args: AppendEntriesRequest,
    calls: Set<Call>,
    done: AppendDone,
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      const call = this.#exchange(peer, args, null, {
        timeoutMs: this.#timeoutMs,
        sendTimeoutText: 'command enqueue timeout',
        sent: resolve,
        done: ({ error, response }) => {
          calls.delete(call);
          if (error !== null) reject(error); // of no effect once it was sent
          if (response === null || response instanceof AppendEntriesResponse) {
            done(error, response ?? new AppendEntriesResponse({}));
          } else done(error ?? unexpected(AppendEntriesResponse, response), null);
        },
      });
      calls.add(call);
    });
  }

  /** Puts a request into a peer's consumer and waits for its answer, each within the time. */
  #exchange(
    peer: InmemTransport,
    args: RPCRequest,
    reader: AsyncIterable<Uint8Array> | null,
    exchange: Exchange,
  ): Call {
    let timer: TimerHandle | undefined;
    let withdraw = (): void => {};
    const finish = (answer: RPCResponse): void => {
      if (!this.#calls.delete(call)) return;
      timer?.cancel();
      withdraw();
      exchange.done(answer);
    };
    const call: Call = { fail: (error) => finish({ response: null, error }) };
    const expireWith = (text: string): void => {
      timer?.cancel();
      if (exchange.timeoutMs === 0) return;
      timer = this.#clock.setTimer(exchange.timeoutMs, () =>
        call.fail(new RaftError('ERR_TRANSPORT_TIMEOUT', text)),
      );
    };
    this.#calls.add(call);
    expireWith(exchange.sendTimeoutText);
    withdraw = peer.#inbox.deliver(new RPC(detached(args), reader, finish), () => {
      expireWith('command timed out');
      exchange.sent();
    });
    return call;
  }
}

/** One request on its way to a peer. */
interface Exchange {
  /** Limit for sending and again for the answer, in milliseconds; 0 for none. */
  readonly timeoutMs: number;
  readonly sendTimeoutText: string;
  readonly sent: () => void;
  readonly done: (answer: RPCResponse) => void;
}

/** The response that a call asks for; a peer that answers with none has nothing but zero values. */
function expected<T extends RPCReply>(
  response: RPCReply | null,
  kind: new (fields: Record<string, never>) => T,
): T {
  if (response === null) return new kind({});
  if (response instanceof kind) return response;
  throw unexpected(kind, response);
}

function unexpected(kind: { readonly name: string }, response: RPCReply): RaftError {
  return new RaftError(
    'ERR_UNEXPECTED_RESPONSE',
    `expected a ${kind.name} from the peer, got a ${response.kind}`,
  );
}

/** A name that no other transport has: 16 random bytes as 8-4-4-4-12. Go: `NewInmemAddr`. */
export function newInmemAddr(random: Random = systemRandom): ServerAddress {
  let hex = '';
  for (let i = 0; i < 16; i += 1)
    hex += randomInteger(random, 0, 255).toString(16).padStart(2, '0');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join('-');
}

/**
 * A transport in memory and its address, which is made up when `addr` is empty.
 * Go: `NewInmemTransport`.
 */
export function newInmemTransport(
  addr: ServerAddress = '',
  options: InmemTransportOptions = {},
): [ServerAddress, InmemTransport] {
  return newInmemTransportWithTimeout(addr, DEFAULT_TIMEOUT_MS, options);
}

/**
 * A transport in memory that waits `timeout` milliseconds for a peer, 0 for ever.
 * Go: `NewInmemTransportWithTimeout`.
 */
export function newInmemTransportWithTimeout(
  addr: ServerAddress,
  timeout: number,
  options: InmemTransportOptions = {},
): [ServerAddress, InmemTransport] {
  const address = addr === '' ? newInmemAddr() : addr;
  return [address, new InmemTransport(address, timeout, options)];
}
