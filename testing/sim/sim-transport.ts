import { utf8, utf8ToString } from '../../internal/bytes.ts';
import { Channel } from '../../internal/channel.ts';
import { newDeferred } from '../../internal/deferred.ts';
import type { ServerAddress, ServerID } from '../../raft/configuration.ts';
import { asError, ErrTransportShutdown } from '../../raft/errors.ts';
import {
  type AppendEntriesRequest,
  AppendEntriesResponse,
  type InstallSnapshotRequest,
  InstallSnapshotResponse,
  isHeartbeat,
  type RequestPreVoteRequest,
  RequestPreVoteResponse,
  type RequestVoteRequest,
  RequestVoteResponse,
  type RPCReply,
  type RPCRequest,
  type TimeoutNowRequest,
  TimeoutNowResponse,
} from '../../raft/messages.ts';
import {
  type AppendPipeline,
  RPC,
  type RPCResponse,
  type Transport,
  type WithClose,
  type WithPreVote,
} from '../../raft/transport.ts';
import { copyReply, copyRequest } from './copy-message.ts';
import type { Endpoint, SimNetwork } from './network.ts';
import { SimPipeline } from './sim-pipeline.ts';
import { SnapshotStream } from './snapshot-stream.ts';
import type { SimProcess } from './virtual-clock.ts';

const CONSUMER_CAPACITY = 64;

/** A snapshot may take this many times as long as another request. */
export const SNAPSHOT_PATIENCE = 5;

function unexpected(reply: RPCReply): Error {
  return new Error(`a reply of another kind came: ${reply.kind}`);
}

/** The transport of one process on the simulated network. */
export class SimTransport implements Transport, WithPreVote, WithClose, Endpoint {
  /** The process whose calls these are. */
  readonly process: SimProcess;
  readonly #network: SimNetwork;
  readonly #address: ServerAddress;
  readonly #timeoutMs: number;
  readonly #consumer = new Channel<RPC>(CONSUMER_CAPACITY);
  #heartbeatHandler: ((rpc: RPC) => void) | null = null;
  #closed = false;

  /** @param timeoutMs virtual time after which an unanswered request fails */
  constructor(network: SimNetwork, process: SimProcess, address: ServerAddress, timeoutMs: number) {
    this.#network = network;
    this.process = process;
    this.#address = address;
    this.#timeoutMs = timeoutMs;
    network.listen(address, this);
  }

  consumer(): Channel<RPC> {
    return this.#consumer;
  }

  localAddr(): ServerAddress {
    return this.#address;
  }

  encodePeer(_id: ServerID, addr: ServerAddress): Uint8Array {
    return utf8(addr);
  }

  decodePeer(bytes: Uint8Array): ServerAddress {
    return utf8ToString(bytes);
  }

  setHeartbeatHandler(handler: ((rpc: RPC) => void) | null): void {
    this.#heartbeatHandler = handler;
  }

  async appendEntriesPipeline(_id: ServerID, target: ServerAddress): Promise<AppendPipeline> {
    if (this.#closed) throw ErrTransportShutdown;
    return new SimPipeline(this.#network, this.process, this.#address, target, this.#timeoutMs);
  }

  async appendEntries(
    _id: ServerID,
    target: ServerAddress,
    args: AppendEntriesRequest,
  ): Promise<AppendEntriesResponse> {
    const reply = await this.#call(target, args);
    if (reply instanceof AppendEntriesResponse) return reply;
    throw unexpected(reply);
  }

  async requestVote(
    _id: ServerID,
    target: ServerAddress,
    args: RequestVoteRequest,
  ): Promise<RequestVoteResponse> {
    const reply = await this.#call(target, args);
    if (reply instanceof RequestVoteResponse) return reply;
    throw unexpected(reply);
  }

  async requestPreVote(
    _id: ServerID,
    target: ServerAddress,
    args: RequestPreVoteRequest,
  ): Promise<RequestPreVoteResponse> {
    const reply = await this.#call(target, args);
    if (reply instanceof RequestPreVoteResponse) return reply;
    throw unexpected(reply);
  }

  async timeoutNow(
    _id: ServerID,
    target: ServerAddress,
    args: TimeoutNowRequest,
  ): Promise<TimeoutNowResponse> {
    const reply = await this.#call(target, args);
    if (reply instanceof TimeoutNowResponse) return reply;
    throw unexpected(reply);
  }

  async installSnapshot(
    _id: ServerID,
    target: ServerAddress,
    args: InstallSnapshotRequest,
    data: AsyncIterable<Uint8Array>,
  ): Promise<InstallSnapshotResponse> {
    const patienceMs = this.#timeoutMs * SNAPSHOT_PATIENCE;
    const route = { network: this.#network, from: this.#address, to: target };
    const stream = new SnapshotStream(route, this.process, patienceMs);
    const reply = await this.#call(target, args, stream, data);
    if (reply instanceof InstallSnapshotResponse) return reply;
    throw unexpected(reply);
  }

  receive(rpc: RPC): void {
    if (this.#closed) return;
    const handler = this.#heartbeatHandler;
    if (handler !== null && isHeartbeat(rpc.command)) handler(rpc);
    else this.#consumer.send(rpc).catch(() => {});
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#network.unlisten(this.#address, this);
    this.#consumer.close();
  }

  /** Sends a request, and the bytes behind it if there are any. */
  #call(
    target: ServerAddress,
    request: RPCRequest,
    stream: SnapshotStream | null = null,
    data: AsyncIterable<Uint8Array> | null = null,
  ): Promise<RPCReply> {
    if (this.#closed) return Promise.reject(ErrTransportShutdown);
    const { promise, resolve, reject } = newDeferred<RPCReply>();
    const patienceMs = stream === null ? this.#timeoutMs : this.#timeoutMs * SNAPSHOT_PATIENCE;
    const timer = this.process.setTimer(patienceMs, () => {
      disconnect();
      stream?.stop();
      reject(new Error(`dial tcp ${target}: i/o timeout`));
    });
    let isReset = false;
    const disconnect = this.#network.connect(this.#address, target, () => {
      isReset = true;
      stream?.reset();
      const error = new Error(`read tcp ${target}: connection reset by peer`);
      this.process.deliver(0, () => settle({ response: null, error }));
    });
    const settle = ({ response, error }: RPCResponse): void => {
      disconnect();
      timer.cancel();
      stream?.stop();
      if (response !== null && error === null) resolve(response);
      else reject(error ?? new Error('neither a reply nor an error came'));
    };
    const copy = copyRequest(request);
    this.#network.watcher.requestSent(this.#address, target, copy);
    const arrive = (): void => {
      if (!isReset) this.#arrive(target, copy, stream, settle);
    };
    this.#network.carry(this.#address, target, arrive, stream === null);
    if (stream !== null && data !== null) {
      stream.pump(data).catch((error: unknown) => {
        settle({ response: null, error: asError(error) });
      });
    }
    return promise;
  }

  /** The request has reached the other side. */
  #arrive(
    target: ServerAddress,
    request: RPCRequest,
    stream: SnapshotStream | null,
    settle: (answer: RPCResponse) => void,
  ): void {
    const goBack = (answer: RPCResponse): void => {
      const arriveBack = (): void => void this.process.deliver(0, () => settle(answer));
      this.#network.carry(target, this.#address, arriveBack, false);
    };
    const endpoint = this.#network.endpointAt(target);
    if (endpoint === undefined) {
      goBack({ response: null, error: new Error(`dial tcp ${target}: connection refused`) });
      return;
    }
    endpoint.process.deliver(0, () => {
      const reader = stream?.open(endpoint.process) ?? null;
      const rpc = new RPC(request, reader, ({ response, error }) => {
        if (!endpoint.process.isAlive) return;
        const copy = response === null ? null : copyReply(response);
        if (copy !== null && error === null) {
          this.#network.watcher.replySent(target, this.#address, request, copy);
        }
        goBack({ response: copy, error: error === null ? null : new Error(error.message) });
      });
      endpoint.receive(rpc);
    });
  }
}
