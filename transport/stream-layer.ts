import type { ServerAddress } from '../raft/configuration.ts';

/** Learns what happens to a {@link StreamConnection}. */
export interface StreamHandler {
  /** Bytes came; they are the handler's to keep. */
  received(chunk: Uint8Array): void;
  /** The peer will send no more, but may still read. */
  ended(): void;
  /** What was written has left: more may be written. */
  drained(): void;
  /** The connection broke and is closing. */
  failed(error: Error): void;
}

/** A connection that carries bytes both ways. A TLS socket can be one as well as a TCP socket. */
export interface StreamConnection {
  /** This end, as `host:port`. */
  readonly localAddress: ServerAddress;
  /** The other end, as `host:port`. */
  readonly remoteAddress: ServerAddress;
  /** Resolves, never rejects, when the connection holds no resources any more. */
  readonly closed: Promise<void>;
  /** Starts the flow of bytes; called once. `handler` hears nothing more after `destroy`. */
  start(handler: StreamHandler): void;
  /** Sends bytes, which must not change any more; false asks to wait for `drained`. */
  write(chunk: Uint8Array): boolean;
  /** Sends several chunks with fewer system calls than as many calls of `write`. */
  writeMany?(chunks: readonly Uint8Array[]): boolean;
  /** Stops the flow of bytes until `resume`; what is under way may still come. */
  pause(): void;
  /** Lets the flow of bytes go on after `pause`. */
  resume(): void;
  /** Closes once what was written has left. */
  end(): void;
  /** Closes at once. */
  destroy(): void;
}

/** What a `NetworkTransport` stands on. Go: `StreamLayer`, with the listener that it embeds. */
export interface StreamLayer {
  /**
   * The next connection that comes in; rejects when accepting failed and after `close`.
   * Go: `StreamLayer.Accept`.
   */
  accept(): Promise<StreamConnection>;
  /** Where peers reach this layer. Go: `StreamLayer.Addr`. */
  addr(): ServerAddress;
  /**
   * Stops listening and resolves when no more comes in; connections are not touched.
   * Go: `StreamLayer.Close`.
   */
  close(): Promise<void>;
  /**
   * Opens a connection; rejects with the system's error, or when the time is over.
   * Go: `StreamLayer.Dial`.
   *
   * @param timeout limit in milliseconds; 0 for the system's own
   * @param signal gives up when aborted
   */
  dial(address: ServerAddress, timeout: number, signal?: AbortSignal): Promise<StreamConnection>;
}

/** Sends chunks, which must not change any more; false asks to wait for `drained`. */
export function writeAll(
  stream: Pick<StreamConnection, 'write' | 'writeMany'>,
  chunks: readonly Uint8Array[],
): boolean {
  const [only] = chunks;
  if (chunks.length === 1 && only !== undefined) return stream.write(only);
  if (stream.writeMany !== undefined) return stream.writeMany(chunks);
  let isWritable = true;
  for (const chunk of chunks) isWritable = stream.write(chunk) && isWritable;
  return isWritable;
}
