import { copyBytes } from '../../internal/bytes.ts';
import { Channel } from '../../internal/channel.ts';
import type { ServerAddress } from '../../raft/configuration.ts';
import type { SimNetwork } from './network.ts';
import type { SimProcess } from './virtual-clock.ts';

/** From where to where something goes. */
export interface Route {
  readonly network: SimNetwork;
  readonly from: ServerAddress;
  readonly to: ServerAddress;
}

const WINDOW_CHUNKS = 2;

/**
 * The bytes behind an InstallSnapshot request: chunks in order, one acknowledged before the next.
 * The receiver's reader throws when the sender dies or gives up.
 */
export class SnapshotStream {
  readonly #route: Route;
  readonly #sender: SimProcess;
  readonly #patienceMs: number;
  readonly #chunks = new Channel<Uint8Array>(WINDOW_CHUNKS);
  #receiver: SimProcess | null = null;
  #stopped = false;
  #isReset = false;
  #complete = false;
  #waiting: (() => void) | null = null;
  readonly #opened: Promise<void>;

  /** @param patienceMs after which the receiver gives up */
  constructor(route: Route, sender: SimProcess, patienceMs: number) {
    this.#route = route;
    this.#sender = sender;
    this.#patienceMs = patienceMs;
    this.#opened = new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  /** Sends `data` to its end, or until it is stopped. */
  async pump(data: AsyncIterable<Uint8Array>): Promise<void> {
    await this.#opened;
    for await (const chunk of data) {
      if (this.#stopped) return;
      await this.#sendChunk(copyBytes(chunk));
    }
    if (!this.#stopped) await this.#sendChunk(null);
  }

  /** The connection is gone: the receiver's reader ends in the middle. */
  reset(): void {
    this.#isReset = true;
    this.stop();
    this.#receiver?.deliver(0, () => this.#chunks.close());
  }

  /** The sender no longer sends. */
  stop(): void {
    this.#stopped = true;
    this.#waiting?.();
  }

  /** The receiver's end; called inside its process. */
  open(receiver: SimProcess): AsyncIterable<Uint8Array> {
    this.#receiver = receiver;
    receiver.setTimer(this.#patienceMs, () => this.#chunks.close());
    const wake = this.#waiting;
    this.#sender.deliver(0, () => wake?.());
    return this.#read();
  }

  async *#read(): AsyncGenerator<Uint8Array, void> {
    yield* this.#chunks;
    if (!this.#complete) throw new Error('the connection ended inside a snapshot: unexpected EOF');
  }

  /** Resolves in the sender when the receiver has taken the chunk; `null` is the end. */
  #sendChunk(chunk: Uint8Array | null): Promise<void> {
    const { network, from, to } = this.#route;
    return new Promise((resolve) => {
      this.#waiting = resolve;
      const acknowledge = (): void => void this.#sender.deliver(0, resolve);
      const accept = (): void => {
        if (chunk === null) {
          this.#complete = true;
          this.#chunks.close();
          acknowledge();
          return;
        }
        this.#chunks.send(chunk).then(acknowledge, () => {});
      };
      const arrive = (): void => {
        if (!this.#isReset) this.#receiver?.deliver(0, accept);
      };
      if (network.chunkBreaks()) network.reset(to);
      network.carry(from, to, arrive, false);
    });
  }
}
