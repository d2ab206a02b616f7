import { type Channel, ChannelClosedError } from '../internal/channel.ts';
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
  /** The reply; `null` is Go's nil. */
  readonly response: RPCReply | null;
  /** Why there is no reply, or what the sender should know beside it; `null` when all is well. */
  readonly error: Error | null;
}

/** The end of a channel that values are put into. Go: `chan<- T`. */
export type SendChannel<T> = Pick<Channel<T>, 'send' | 'trySend'>;

/**
 * A request that arrived, and the way to answer it. Go: `RPC`.
 *
 * @example
 * ```ts
 * import { AppendEntriesResponse, RPC, TimeoutNowRequest, TimeoutNowResponse } from 'quorate';
 *
 * const rpc = new RPC(new TimeoutNowRequest(), null, ({ response, error }) => {
 *   if (error !== null || response?.kind !== 'TimeoutNowResponse') throw new Error('not so');
 * });
 * rpc.respond(new TimeoutNowResponse(), null);
 * rpc.respond(new AppendEntriesResponse({}), null); // too late: only the first answer counts
 * ```
 */
export class RPC {
  /** The request. */
  readonly command: RPCRequest;
  /**
   * The snapshot's bytes; set only for InstallSnapshot. It must be read to its end or abandoned.
   */
  readonly reader: AsyncIterable<Uint8Array> | null;
  readonly #answer: (answer: RPCResponse) => void;
  #answered = false;
  #respChan: SendChannel<RPCResponse> | null = null;

  /**
   * @param command the request
   * @param reader the snapshot's bytes, `null` unless the request is an InstallSnapshot
   * @param answer takes the answer; called at most once
   */
  constructor(
    command: RPCRequest,
    reader: AsyncIterable<Uint8Array> | null,
    answer: (answer: RPCResponse) => void,
  ) {
    this.command = command;
    this.reader = reader;
    this.#answer = answer;
  }

  /**
   * Where the answer goes, as {@link RPC.respond} does it. It takes one: after it, and after a
   * `respond`, `trySend` gives false and `send` rejects with `ChannelClosedError`.
   * Go: `RPC.RespChan`.
   */
  get respChan(): SendChannel<RPCResponse> {
    this.#respChan ??= {
      trySend: (answer) => this.#tryAnswer(answer),
      send: async (answer) => {
        if (!this.#tryAnswer(answer)) throw new ChannelClosedError();
      },
    };
    return this.#respChan;
  }

  /**
   * Answers; only the first answer counts. Go: `RPC.Respond`.
   *
   * @param response the reply, or `null`
   * @param error its text goes to the sender; `null` when all is well
   */
  respond(response: RPCReply | null, error: Error | null): void {
    this.#tryAnswer({ response, error });
  }

  #tryAnswer(answer: RPCResponse): boolean {
    if (this.#answered) return false;
    this.#answered = true;
    this.#answer(answer);
    return true;
  }
}

/**
 * How nodes talk. A call resolves with the peer's reply or rejects; it settles within the
 * transport's own timeout. Go: `Transport`.
 */
export interface Transport {
  /** Requests from peers; the same channel at every call. Go: `Transport.Consumer`. */
  consumer(): Channel<RPC>;
  /** The address that peers know this node by. Go: `Transport.LocalAddr`. */
  localAddr(): ServerAddress;
  /**
   * Opens a pipeline. Go: `Transport.AppendEntriesPipeline`.
   *
   * Rejects with `ErrPipelineReplicationNotSupported` when this transport has none, and with the
   * transport's own error when the peer cannot be reached.
   */
  appendEntriesPipeline(id: ServerID, target: ServerAddress): Promise<AppendPipeline>;
  /**
   * Sends entries, or a heartbeat (§5.3). Go: `Transport.AppendEntries`.
   *
   * Rejects with the peer's error, or with the transport's own when there is no answer.
   */
  appendEntries(
    id: ServerID,
    target: ServerAddress,
    args: AppendEntriesRequest,
  ): Promise<AppendEntriesResponse>;
  /**
   * Asks for a vote (§5.2). Go: `Transport.RequestVote`.
   *
   * Rejects as {@link Transport.appendEntries} does.
   */
  requestVote(
    id: ServerID,
    target: ServerAddress,
    args: RequestVoteRequest,
  ): Promise<RequestVoteResponse>;
  /**
   * Sends the request and exactly `args.size` bytes of `data` (§7).
   * Go: `Transport.InstallSnapshot`.
   *
   * Rejects as {@link Transport.appendEntries} does. When `data` is longer or shorter, or fails,
   * the receiver's reader fails, and so does the call.
   */
  installSnapshot(
    id: ServerID,
    target: ServerAddress,
    args: InstallSnapshotRequest,
    data: AsyncIterable<Uint8Array>,
  ): Promise<InstallSnapshotResponse>;
  /** The bytes that stand for a peer's address in messages. Go: `Transport.EncodePeer`. */
  encodePeer(id: ServerID, addr: ServerAddress): Uint8Array;
  /** The address that `encodePeer` made bytes of. Go: `Transport.DecodePeer`. */
  decodePeer(bytes: Uint8Array): ServerAddress;
  /**
   * Heartbeats go to `handler` at once instead of the consumer; may be ignored. `null` takes it
   * back. Go: `Transport.SetHeartbeatHandler`.
   */
  setHeartbeatHandler(handler: ((rpc: RPC) => void) | null): void;
  /**
   * Tells a server to stand for election now (thesis 3.10). Go: `Transport.TimeoutNow`.
   *
   * Rejects as {@link Transport.appendEntries} does.
   */
  timeoutNow(
    id: ServerID,
    target: ServerAddress,
    args: TimeoutNowRequest,
  ): Promise<TimeoutNowResponse>;
}

/** Optional ability: can ask for pre-votes. Go: `WithPreVote`. */
export interface WithPreVote {
  /**
   * Asks whether a vote would be given (thesis 9.6). Go: `WithPreVote.RequestPreVote`.
   *
   * Rejects as {@link Transport.appendEntries} does.
   */
  requestPreVote(
    id: ServerID,
    target: ServerAddress,
    args: RequestPreVoteRequest,
  ): Promise<RequestPreVoteResponse>;
}

/** Optional ability: can be closed; a node that shuts down does so. Go: `WithClose`. */
export interface WithClose {
  /** Ends everything; resolves when nothing is left of it. Go: `WithClose.Close`. */
  close(): Promise<void>;
}

/** Optional ability: is connected by hand, for tests. Go: `WithPeers`. */
export interface WithPeers {
  /** Opens a way to `peer`, which leads to `transport`. Go: `WithPeers.Connect`. */
  connect(peer: ServerAddress, transport: Transport): void;
  /** Closes the way to `peer`. Go: `WithPeers.Disconnect`. */
  disconnect(peer: ServerAddress): void;
  /** Closes every way. Go: `WithPeers.DisconnectAll`. */
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
   * Go: `AppendPipeline.AppendEntries`.
   *
   * Rejects with `ErrPipelineShutdown` after `close`, and with the transport's own error when the
   * peer is lost or takes nothing within the time.
   */
  appendEntries(args: AppendEntriesRequest): Promise<AppendFuture>;
  /**
   * The futures whose replies have come, in the order of the requests.
   * Go: `AppendPipeline.Consumer`.
   */
  consumer(): Channel<AppendFuture>;
  /** Ends it; may be called more than once. Go: `AppendPipeline.Close`. */
  close(): Promise<void>;
}

/** One request of a pipeline. Go: `AppendFuture`. */
export interface AppendFuture {
  /**
   * Waits for the reply; `null` when it came, else why not. Never rejects. The future itself cannot
   * be awaited, or a promise of it would wait for the reply. Go: `AppendFuture.Error`.
   */
  error(): Promise<Error | null>;
  /** When the request was sent. Go: `AppendFuture.Start`. */
  start(): Date;
  /** What was sent. Go: `AppendFuture.Request`. */
  request(): AppendEntriesRequest;
  /**
   * The reply. Go: `AppendFuture.Response`.
   *
   * Throws before it has come, and when none came.
   */
  response(): AppendEntriesResponse;
}

/** Looks up the address of a server at the moment of dialling. Go: `ServerAddressProvider`. */
export interface ServerAddressProvider {
  /**
   * Where `id` is now; throws or rejects when that is not known, and then the address of the
   * configuration is used. Go: `ServerAddressProvider.ServerAddr`.
   */
  serverAddr(id: ServerID): ServerAddress | Promise<ServerAddress>;
}
