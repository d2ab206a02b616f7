import type { TimerHandle } from '../internal/clock.ts';
import { ServerConnection, type ServerContext } from './server-connection.ts';
import type { StreamConnection, StreamLayer } from './stream-layer.ts';

/** Wait after the first failure to accept a connection, in milliseconds; doubled each time. */
const FIRST_RETRY_MS = 5;
const LAST_RETRY_MS = 1000;

/** Accepts connections of a stream layer and serves each of them. */
export class Server {
  readonly #layer: StreamLayer;
  readonly #context: ServerContext;
  readonly #connections = new Map<StreamConnection, ServerConnection>();
  #isClosed = false;
  #endWait: () => void = () => {};

  constructor(layer: StreamLayer, context: ServerContext) {
    this.#layer = layer;
    this.#context = context;
    void this.#listen();
  }

  /** Lets every connection answer what it was asked, and closes it. */
  drainConnections(): void {
    for (const connection of this.#connections.values()) connection.drain();
  }

  /** Stops listening and closes every connection; resolves when nothing is left. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#endWait();
    await this.#layer.close();
    const closing = [...this.#connections];
    for (const [, connection] of closing) connection.destroy();
    await Promise.all(closing.map(([stream]) => stream.closed));
  }

  async #listen(): Promise<void> {
    let retryMs = 0;
    while (!this.#isClosed) {
      try {
        const stream = await this.#layer.accept();
        if (this.#isClosed) stream.destroy();
        else this.#serve(stream);
        retryMs = 0;
      } catch (error) {
        if (this.#isClosed) return;
        this.#context.logger.error({ error }, 'failed to accept connection');
        retryMs = retryMs === 0 ? FIRST_RETRY_MS : Math.min(retryMs * 2, LAST_RETRY_MS);
        await this.#wait(retryMs);
      }
    }
  }

  #serve(stream: StreamConnection): void {
    this.#context.logger.debug(
      { 'local-address': this.#layer.addr(), 'remote-address': stream.remoteAddress },
      'accepted connection',
    );
    this.#connections.set(stream, new ServerConnection(stream, this.#context));
    void stream.closed.then(() => this.#connections.delete(stream));
  }

  #wait(delayMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer: TimerHandle = this.#context.clock.setTimer(delayMs, resolve);
      this.#endWait = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}
