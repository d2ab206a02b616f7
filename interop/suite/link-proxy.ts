import { connect, createServer, type Server, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { freeAddress } from './ports.ts';

/** What a link does to the bytes that cross it. */
export type LinkState =
  | 'open'
  /** Connections are torn down, and new ones at once. */
  | 'cut'
  /** Connections stay, and nothing crosses any more. */
  | 'stalled';

/** One direction of one connection, from its first byte on. */
export interface Recording {
  readonly direction: 'requests' | 'replies';
  readonly chunks: Uint8Array[];
}

function portOf(address: string): number {
  return Number(address.slice(address.lastIndexOf(':') + 1));
}

/** Stands in the way from one node to another, and carries, delays or loses what is sent. */
export class LinkProxy {
  /** Where to dial instead of the target. */
  readonly address: string;
  readonly #target: string;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #state: LinkState = 'open';
  #delayMs = 0;
  #isRecording = false;
  /** What was recorded. */
  readonly recordings: Recording[] = [];

  private constructor(address: string, target: string) {
    this.address = address;
    this.#target = target;
    this.#server = createServer({ noDelay: true }, (socket) => this.#join(socket));
  }

  static async open(target: string): Promise<LinkProxy> {
    const proxy = new LinkProxy(await freeAddress(), target);
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject);
      proxy.#server.listen(portOf(proxy.address), '127.0.0.1', resolve);
    });
    return proxy;
  }

  /** Changes what happens to bytes, those of open connections as well. */
  set(state: LinkState, delayMs = 0): void {
    this.#state = state;
    this.#delayMs = delayMs;
    for (const socket of this.#sockets) {
      if (state === 'cut') socket.destroy();
      else if (state === 'stalled') socket.pause();
      else socket.resume();
    }
  }

  /** Keeps a copy of everything that crosses on connections from now on. */
  record(): void {
    this.#isRecording = true;
  }

  async close(): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #join(from: Socket): void {
    if (this.#state === 'cut') {
      from.destroy();
      return;
    }
    const to = connect({ host: '127.0.0.1', port: portOf(this.#target), noDelay: true });
    this.#carry(from, to, this.#recorder('requests'));
    this.#carry(to, from, this.#recorder('replies'));
  }

  #recorder(direction: Recording['direction']): (bytes: Uint8Array) => void {
    if (!this.#isRecording) return () => {};
    const recording: Recording = { direction, chunks: [] };
    this.recordings.push(recording);
    return (bytes) => recording.chunks.push(Buffer.from(bytes));
  }

  #carry(from: Socket, to: Socket, record: (bytes: Uint8Array) => void): void {
    this.#sockets.add(from);
    const over = () => {
      this.#sockets.delete(from);
      to.destroy();
    };
    from.on('error', over).on('close', over);
    // What came first goes first, also when the delay has become shorter meanwhile.
    let passed = Promise.resolve();
    from.on('data', (bytes) => {
      record(bytes);
      const dueMs = performance.now() + this.#delayMs;
      passed = passed.then(() => this.#pass(from, to, bytes, dueMs));
    });
    if (this.#state === 'stalled') from.pause();
  }
  async #pass(from: Socket, to: Socket, bytes: Uint8Array, dueMs: number): Promise<void> {
    const leftMs = dueMs - performance.now();
    if (leftMs > 0) await sleep(leftMs);
    if (!to.writable || to.write(bytes)) return;
    from.pause();
    to.once('drain', () => {
      if (this.#state === 'open') from.resume();
    });
  }
}
