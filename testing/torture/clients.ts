import { setTimeout as sleep } from 'node:timers/promises';
import { type Random, randomInteger } from '../../internal/random.ts';
import type { Cluster } from '../../interop/suite/cluster.ts';
import type { Line } from '../../interop/suite/peer-process.ts';
import type { KeyValueInput, KeyValueOperation, KeyValueOutput } from '../check/index.ts';
import { Chapters } from './chapters.ts';

/** Shorter than a pause: a client that waits for a paused leader comes to the next one. */
const ASK_LIMIT_MS = 2000;
const KEYS = 3;
/** So long a key is written: few operations of unknown outcome fall on one key. */
const KEY_LIFE_MS = 3000;
/** So many lives longer it is read: what is lost in an outage is missed after it. */
const LIVES_READ = 10;
const VALUES = 5;
/** How often a client leaves a leader that serves it, and may find one that was deposed. */
const ROAMING = 0.05;

/** What a node says when a command was certainly not appended. */
const REFUSALS = [
  'node is not the leader',
  'leadership transfer in progress',
  'timed out enqueuing operation',
];

function lifeNow(): number {
  return Math.floor(performance.now() / KEY_LIFE_MS);
}

/** What an answer of a peer says of an operation. */
export function outputOf({ op }: KeyValueInput, { response, value }: Line): KeyValueOutput {
  if (op === 'get') return typeof value === 'string' ? value : null;
  const fields = new Map(Object.entries(response ?? {}));
  const found = fields.get({ set: 'prev', delete: 'prev', append: 'value', cas: 'ok' }[op]);
  return typeof found === 'string' || typeof found === 'boolean' ? found : null;
}

/** True when an operation that failed like this may have happened. */
export function mayHaveHappened({ op }: KeyValueInput, error: string): boolean {
  const isRefused = REFUSALS.some((refusal) => error.startsWith(refusal));
  return op !== 'get' && !isRefused && !error.endsWith('does not run');
}

/** Clients of a cluster that write and read without end, and remember what they were told. */
export class Clients {
  /** How many operations were answered. */
  answered = 0;
  /** How many may have happened, or not. */
  unknown = 0;
  readonly #cluster: Cluster;
  readonly #random: Random;
  readonly #chapters = new Chapters(() => performance.now());
  readonly #firstLife = lifeNow();
  readonly #running: Promise<void>[];
  #isOver = false;

  constructor(cluster: Cluster, random: Random, count = 6) {
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

  /** What was asked and answered, but for what {@link Clients.forget} has forgotten. */
  history(): KeyValueOperation[] {
    return this.#chapters.operations();
  }

  /** Forgets the keys that nobody reads any more. */
  forget(): void {
    this.#chapters.forgetBefore(lifeNow() - LIVES_READ);
  }

  #draw(onlyReads: boolean): { readonly life: number; readonly input: KeyValueInput } {
    const random = this.#random;
    const now = lifeNow();
    const first = Math.max(now - LIVES_READ, this.#firstLife);
    const kind = onlyReads ? 0 : randomInteger(random, 0, 9);
    const isLookingBack = kind <= 3 && random.next() < 0.5;
    const life = isLookingBack ? randomInteger(random, first, now) : now;
    const key = `${life}-${randomInteger(random, 1, KEYS)}`;
    const text = () => `${randomInteger(random, 1, VALUES)}`;
    const draw = (): KeyValueInput => {
      if (kind <= 3) return { op: 'get', key };
      if (kind <= 5) return { op: 'set', key, value: text() };
      if (kind <= 7) return { op: 'append', key, value: text() };
      if (kind === 8) return { op: 'delete', key };
      return { op: 'cas', key, from: random.next() < 0.3 ? null : text(), to: text() };
    };
    return { life, input: draw() };
  }

  async #run(): Promise<void> {
    let leader: string | undefined;
    let isUnsure = false;
    while (!this.#isOver) {
      await sleep(randomInteger(this.#random, 5, 25));
      if (this.#random.next() < ROAMING) leader = undefined;
      const ids = this.#cluster.running();
      leader ??= ids[randomInteger(this.#random, 0, ids.length - 1)];
      if (leader === undefined) continue;
      const outcome = await this.#ask(leader, isUnsure);
      if (outcome !== 'answered') leader = undefined;
      // Who does not know what became of a write reads before writing again: while nobody leads,
      // outcomes that nobody knows would else pile up, and the history could not be judged.
      isUnsure = outcome === 'unknown' || (isUnsure && outcome === 'refused');
    }
  }

  async #ask(id: string, onlyReads: boolean): Promise<'answered' | 'refused' | 'unknown'> {
    const { life, input } = this.#draw(onlyReads);
    const asked = this.#chapters.begin(life, input);
    try {
      asked.answered(outputOf(input, await this.#send(id, input)));
      this.answered += 1;
      return 'answered';
    } catch (error) {
      if (!mayHaveHappened(input, error instanceof Error ? error.message : `${error}`)) {
        asked.didNotHappen();
        return 'refused';
      }
      asked.gaveUp();
      this.unknown += 1;
      return 'unknown';
    }
  }

  #send(id: string, input: KeyValueInput): Promise<Line> {
    const peer = this.#cluster.peer(id);
    const { key } = input;
    if (input.op !== 'get') {
      const cmd = input.op === 'delete' ? { op: 'del', key } : input;
      return peer.ask('apply', { cmd, timeout: 1000 }, ASK_LIMIT_MS);
    }
    // Go has one way to read what is certain, we have two.
    const isIndexed = peer.kind === 'ts' && this.#random.next() < 0.5;
    return peer.ask('get', { key, mode: isIndexed ? 'index' : 'linear' }, ASK_LIMIT_MS);
  }
}
