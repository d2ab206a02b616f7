import { setTimeout as sleep } from 'node:timers/promises';
import { type Random, randomInteger } from '../../internal/random.ts';
import type { Cluster } from '../../interop/suite/cluster.ts';
import type { Line } from '../../interop/suite/peer-process.ts';
import type { KeyValueInput, KeyValueOperation, KeyValueOutput } from '../check/index.ts';

const ASK_LIMIT_MS = 3000;
const KEYS = 3;
/** So long a key is in use: few operations of unknown outcome fall on one key. */
const KEY_LIFE_MS = 1000;
const VALUES = 5;

/** What a node says when a command was certainly not appended. */
const REFUSALS = [
  'node is not the leader',
  'leadership transfer in progress',
  'timed out enqueuing operation',
];

function outputOf({ op }: KeyValueInput, { response, value }: Line): KeyValueOutput {
  if (op === 'get') return typeof value === 'string' ? value : null;
  const fields = new Map(Object.entries(response ?? {}));
  const found = fields.get({ set: 'prev', delete: 'prev', append: 'value', cas: 'ok' }[op]);
  return typeof found === 'string' || typeof found === 'boolean' ? found : null;
}

/** Clients of a cluster that write and read without end, and remember what they were told. */
export class Clients {
  /** Everything that was asked and may have happened. */
  readonly history: KeyValueOperation[] = [];
  /** How many were answered. */
  answered = 0;
  readonly #cluster: Cluster;
  readonly #random: Random;
  readonly #running: Promise<void>[];
  #isOver = false;

  constructor(cluster: Cluster, random: Random, count = 5) {
    this.#cluster = cluster;
    this.#random = random;
    this.#running = Array.from({ length: count }, () => this.#run());
  }

  /** Waits until so many more operations were answered. @throws Error when nothing moves */
  async progress(count: number, limitMs = 60_000): Promise<void> {
    const [goal, endMs] = [this.answered + count, performance.now() + limitMs];
    while (this.answered < goal) {
      if (performance.now() > endMs) {
        throw new Error(`fewer than ${count} operations were answered in ${limitMs} ms`);
      }
      await sleep(20);
    }
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await Promise.all(this.#running);
  }

  #draw(): KeyValueInput {
    const random = this.#random;
    const life = Math.floor(performance.now() / KEY_LIFE_MS);
    const key = `${life}-${randomInteger(random, 1, KEYS)}`;
    const text = () => `${randomInteger(random, 1, VALUES)}`;
    const kind = randomInteger(random, 0, 9);
    if (kind <= 3) return { op: 'get', key };
    if (kind <= 5) return { op: 'set', key, value: text() };
    if (kind <= 7) return { op: 'append', key, value: text() };
    if (kind === 8) return { op: 'delete', key };
    return { op: 'cas', key, from: random.next() < 0.3 ? null : text(), to: text() };
  }

  async #run(): Promise<void> {
    let leader: string | undefined;
    while (!this.#isOver) {
      await sleep(randomInteger(this.#random, 5, 25));
      leader ??= await this.#cluster.leaderNow();
      if (leader !== undefined && !(await this.#ask(leader))) leader = undefined;
    }
  }

  /** False when another node may know better. */
  async #ask(id: string): Promise<boolean> {
    const input = this.#draw();
    const calledAt = performance.now();
    try {
      const line = await this.#send(id, input);
      this.answered += 1;
      const output = outputOf(input, line);
      this.history.push({ input, calledAt, answer: { at: performance.now(), output } });
      return true;
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      const happened = !REFUSALS.some((refusal) => text.startsWith(refusal));
      if (input.op !== 'get' && happened && !text.endsWith('does not run')) {
        this.history.push({ input, calledAt, answer: null });
      }
      return false;
    }
  }

  #send(id: string, input: KeyValueInput): Promise<Line> {
    const peer = this.#cluster.peer(id);
    const { key } = input;
    if (input.op === 'get') return peer.ask('get', { key, mode: 'linear' }, ASK_LIMIT_MS);
    const cmd = input.op === 'delete' ? { op: 'del', key } : input;
    return peer.ask('apply', { cmd, timeout: 1000 }, ASK_LIMIT_MS);
  }
}
