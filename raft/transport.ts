import type { Channel } from '../internal/channel.ts';
import type { ServerAddress, ServerID } from './configuration.ts';
import type {
  AppendEntriesRequest,
  AppendEntriesResponse,
  InstallSnapshotRequest,
  InstallSnapshotResponse,
  RequestPreVoteRequest,
  RequestPreVoteResponse,
  RequestVoteRequest,
  RequestVoteResponse,
  RPCReply,
  RPCRequest,
  TimeoutNowRequest,
  TimeoutNowResponse,
} from './messages.ts';

/** What goes back to the sender of a request: a reply, an error, or both. Go: `RPCResponse`. */
export interface RPCResponse {
  readonly response: RPCReply | null;
  readonly error: Error | null;
}

/** A request that arrived, and the way to answer it. Go: `RPC`. */
export class RPC {
  readonly command: RPCRequest;
  /**
   * The snapshot's bytes; set only for InstallSnapshot. It must be read to its end or abandoned.
   */
  readonly reader: AsyncIterable<Uint8Array> | null;
  readonly #answer: (answer: RPCResponse) => void;
  #answered = false;

  constructor(
    command: RPCRequest,
    reader: AsyncIterable<Uint8Array> | null,
    answer: (answer: RPCResponse) => void,
  ) {
    this.command = command;
    this.reader = reader;
    this.#answer = answer;
  }

  /** Answers; only the first call counts. Go: `RPC.Respond`. */
  respond(response: RPCReply | null, error: Error | null): void {
    if (this.#answered) return;
    this.#answered = true;
    this.#answer({ response, error });
  }
}

/**
 * How nodes talk. A call resolves with the peer's reply or rejects; it settles within the
 * transport's own timeout. Go: `Transport`.
 */
export interface Transport {
  /** Requests from peers. */
  consumer(): Channel<RPC>;
  /** The address that peers know this node by. */
  localAddr(): ServerAddress;
  /** Opens a pipeline, or throws `ErrPipelineReplicationNotSupported`. */
  appendEntriesPipeline(id: ServerID, target: ServerAddress): Promise<AppendPipeline>;
  appendEntries(
    id: ServerID,
    target: ServerAddress,
    args: AppendEntriesRequest,
  ): Promise<AppendEntriesResponse>;
  requestVote(
    id: ServerID,
    target: ServerAddress,
    args: RequestVoteRequest,
  ): Promise<RequestVoteResponse>;
  /** Sends the request and exactly `args.size` bytes of `data`. */
  installSnapshot(
    id: ServerID,
    target: ServerAddress,
    args: InstallSnapshotRequest,
    data: AsyncIterable<Uint8Array>,
  ): Promise<InstallSnapshotResponse>;
  /** The bytes that stand for a peer's address in messages. */
  encodePeer(id: ServerID, addr: ServerAddress): Uint8Array;
  /** The address that {@link Transport.encodePeer} made bytes of. */
  decodePeer(bytes: Uint8Array): ServerAddress;
  /**
   * Heartbeats go to `handler` at once instead of the consumer; may be ignored. `null` takes it
   * back.
   */
  setHeartbeatHandler(handler: ((rpc: RPC) => void) | null): void;
  timeoutNow(
    id: ServerID,
    target: ServerAddress,
    args: TimeoutNowRequest,
  ): Promise<TimeoutNowResponse>;
}

/** Optional ability: can ask for pre-votes. Go: `WithPreVote`. */
export interface WithPreVote {
  requestPreVote(
    id: ServerID,
    target: ServerAddress,
    args: RequestPreVoteRequest,
  ): Promise<RequestPreVoteResponse>;
}

/** Optional ability: can be closed; a node that shuts down does so. Go: `WithClose`. */
export interface WithClose {
  close(): Promise<void>;
}

/** Optional ability: is connected by hand, for tests. Go: `WithPeers`. */
export interface WithPeers {
  connect(peer: ServerAddress, transport: Transport): void;
  disconnect(peer: ServerAddress): void;
  disconnectAll(): void;
}

/** A transport for tests, connected by hand. Go: `LoopbackTransport`. */
export interface LoopbackTransport extends Transport, WithPeers, WithClose, WithPreVote {}

/** True when `transport` can ask for pre-votes. */
export function supportsPreVote(transport: Transport): transport is Transport & WithPreVote {
  return 'requestPreVote' in transport && typeof transport.requestPreVote === 'function';
}

/** True when `transport` can be closed. */
export function supportsClose(transport: Transport): transport is Transport & WithClose {
  return 'close' in transport && typeof transport.close === 'function';
}

/**
 * Sends AppendEntries without waiting for the one before; replies come in order. Closing it fails
 * what is in flight with `ErrPipelineShutdown`. Go: `AppendPipeline`.
 */
export interface AppendPipeline {
  /**
   * Sends; resolves once the request is on its way and a further one may follow (back-pressure).
   */
  appendEntries(args: AppendEntriesRequest): Promise<AppendFuture>;
  /** The futures whose replies have come, in the order of the requests. */
  consumer(): Channel<AppendFuture>;
  close(): Promise<void>;
}

/** One request of a pipeline. Go: `AppendFuture`. */
export interface AppendFuture {
  /** Waits for the reply; `null` when it came, else why not. */
  error(): Promise<Error | null>;
  /** When the request was sent. */
  start(): Date;
  request(): AppendEntriesRequest;
  /** The reply; throws before it has come. */
  response(): AppendEntriesResponse;
}

/** Looks up the address of a server at the moment of dialling. Go: `ServerAddressProvider`. */
export interface ServerAddressProvider {
  serverAddr(id: ServerID): ServerAddress | Promise<ServerAddress>;
}
