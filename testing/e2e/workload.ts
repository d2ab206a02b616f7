import { setTimeout as sleep } from 'node:timers/promises';
import type { KvClient } from '../../examples/kv/client.ts';
import type { KvRecord } from '../../examples/kv/load.ts';
import { type Random, randomInteger } from '../../internal/random.ts';
import { check } from './harness.ts';

const WRITERS = 8;
const READERS = 2;
const PAUSE_MS = 3;

/**
 * Clients that write without end, each write under a key of its own, and clients that read what was
 * acknowledged: a linear read that misses such a key is stale.
 */
export class Workload {
  /** Every write that was acknowledged. */
  readonly acknowledged: KvRecord[] = [];
  /** How many linear reads were answered. */
  reads = 0;
  readonly #client: KvClient;
  readonly #random: Random;
  readonly #stop = new AbortController();
  #running: Promise<void>[] = [];
  #paused = false;
  #underWay = 0;
  #next = 0;
  #problem: Error | null = null;

  constructor(client: KvClient, random: Random) {
    this.#client = client;
    this.#random = random;
  }

  /** Starts the clients. */
  start(): void {
    const repeat = async (act: () => Promise<void>) => {
      while (!this.#stop.signal.aborted && this.#problem === null) await this.#once(act);
    };
    this.#running = [
      ...Array.from({ length: WRITERS }, () => repeat(() => this.#write())),
      ...Array.from({ length: READERS }, () => repeat(() => this.#read())),
    ];
  }

  /** Lets no client begin anything, and waits until each has its answer. */
  async pause(): Promise<void> {
    this.#paused = true;
    while (this.#underWay > 0 && this.#problem === null) await sleep(PAUSE_MS);
    this.#throwProblem();
  }

  resume(): void {
    this.#paused = false;
  }

  /** Waits until `count` more writes were acknowledged. @throws when a client found a mistake */
  async acknowledge(count: number): Promise<void> {
    const goal = this.acknowledged.length + count;
    while (this.acknowledged.length < goal && this.#problem === null) await sleep(PAUSE_MS);
    this.#throwProblem();
  }

  /** Ends the clients, whatever they are doing. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await Promise.all(this.#running);
  }

  async #once(act: () => Promise<void>): Promise<void> {
    await sleep(PAUSE_MS);
    if (this.#paused) return;
    this.#underWay += 1;
    try {
      await act();
    } catch (error) {
      if (!this.#stop.signal.aborted) {
        this.#problem ??= error instanceof Error ? error : new Error(String(error));
      }
    } finally {
      this.#underWay -= 1;
    }
  }

  async #write(): Promise<void> {
    const at = this.#next;
    this.#next += 1;
    const value = Buffer.alloc(randomInteger(this.#random, 0, 200), at % 251);
    const record = { key: `key-${at}`, value };
    await this.#client.put(record.key, value, this.#stop.signal);
    this.acknowledged.push(record);
  }

  async #read(): Promise<void> {
    // The newest are the ones a stale leader would not know.
    const back = randomInteger(this.#random, 1, 20);
    const record = this.acknowledged.at(-back);
    if (record === undefined) return;
    const found = await this.#client.get(record.key, this.#stop.signal);
    check(found !== undefined, `stale linear read: ${record.key} was acknowledged, got nothing`);
    this.reads += 1;
  }

  #throwProblem(): void {
    if (this.#problem !== null) throw this.#problem;
  }
}
