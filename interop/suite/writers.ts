import { setTimeout as sleep } from 'node:timers/promises';
import type { Cluster } from './cluster.ts';

const APPLY_LIMIT_MS = 8000;
const RETRY_MS = 10;

/** Clients that write without end, each write under a key of its own. */
export class Writers {
  /** Every write that was acknowledged. */
  readonly acknowledged = new Map<string, string>();
  /** The longest time in milliseconds in which nothing was acknowledged. */
  longestPauseMs = 0;
  readonly #cluster: Cluster;
  readonly #running: Promise<void>[];
  #lastMs = performance.now();
  #isOver = false;
  #leader: string | undefined;

  constructor(cluster: Cluster, clients = 4) {
    this.#cluster = cluster;
    this.#running = Array.from({ length: clients }, (_, client) => this.#write(client));
  }

  /** Forgets the longest pause so far, and gives it. */
  takePauseMs(): number {
    const taken = this.longestPauseMs;
    this.longestPauseMs = 0;
    return taken;
  }

  /** Waits until so many more writes were acknowledged. */
  async acknowledge(count: number): Promise<void> {
    const goal = this.acknowledged.size + count;
    const endMs = performance.now() + 60_000;
    while (this.acknowledged.size < goal) {
      if (performance.now() > endMs) throw new Error('nothing is acknowledged any more');
      await sleep(RETRY_MS);
    }
  }

  /** Lets every client finish what it does. */
  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running);
  }

  /** @throws Error when an acknowledged write is not in the state of a node */
  async check(id: string): Promise<void> {
    const { data } = await this.#cluster.ask(id, 'dump');
    const held = new Map(Object.entries(data ?? {}));
    const lost = [...this.acknowledged].filter(([key, value]) => held.get(key) !== value);
    if (lost.length > 0) throw new Error(`${id} lost ${lost.length}: ${lost.slice(0, 5).join()}`);
  }

  async #write(client: number): Promise<void> {
    for (let at = 0; !this.#isOver; at += 1) {
      const [key, value] = [`c${client}-${at}`, `${at}`];
      while (!(await this.#put(key, value))) {
        if (this.#isOver) return;
        await sleep(RETRY_MS);
        this.#leader = await this.#cluster.leaderNow();
      }
      const nowMs = performance.now();
      this.longestPauseMs = Math.max(this.longestPauseMs, nowMs - this.#lastMs);
      this.#lastMs = nowMs;
      this.acknowledged.set(key, value);
      await sleep(2);
    }
  }

  async #put(key: string, value: string): Promise<boolean> {
    if (this.#leader === undefined) return false;
    const cmd = { op: 'set', key, value };
    try {
      const peer = this.#cluster.peer(this.#leader);
      await peer.ask('apply', { cmd, timeout: 1000 }, APPLY_LIMIT_MS);
      return true;
    } catch {
      return false;
    }
  }
}
