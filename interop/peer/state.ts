import { createHash } from 'node:crypto';
import type { Configuration } from '../../raft/configuration.ts';
import type { BatchingFSM, ConfigurationStore, FSM, FSMSnapshot } from '../../raft/fsm.ts';
import { type Log, LogType } from '../../raft/log.ts';
import { type CowMap, newCowMap } from '../../snapshot/cow-map.ts';
import { persistLines, readLines } from './snapshot-lines.ts';

const FOLD_START = 2166136261;
const FOLD_PRIME = 16777619;
const NO_BYTES = new Uint8Array();

/** What a state was at one index, beside its keys. */
export interface StateNumbers {
  readonly index: number;
  readonly count: number;
  /** Of every JSON command, in hex. */
  readonly hash: string;
  readonly fold: number;
  readonly bulk: number;
}

const strictText = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** The fields of a command; none when it is not a JSON object. */
function fieldsOf(data: Uint8Array): Map<string, unknown> {
  try {
    const value: unknown = JSON.parse(strictText.decode(data));
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return new Map(Object.entries(value));
    }
  } catch {
    // The command is bad; its answer says so.
  }
  return new Map();
}

/** What commands change: a map, and a memory of every command there was. */
export class State implements FSM {
  #index = 0;
  #count = 0;
  #hash = Buffer.alloc(32);
  #fold = FOLD_START;
  #bulk = 0;
  #data: CowMap<string, string> = newCowMap();
  /** Index of the last configuration that was told, 0 when none was. */
  configIndex = 0;

  get(key: string): string | null {
    return this.#data.get(key) ?? null;
  }

  describe(): object {
    const { index, count, hash, fold } = this.#numbers();
    const { configIndex } = this;
    return { index, count, hash, fold, size: this.#data.size, configIndex };
  }

  dump(): object {
    return Object.fromEntries(this.#data);
  }

  /** Runs one command. Raw bytes are counted and folded; all else is JSON, also when it is bad. */
  apply(log: Log): unknown {
    const data = log.data ?? NO_BYTES;
    this.#index = log.index;
    this.#count += 1;
    if (data[0] === 0) {
      const mixed = (this.#fold ^ (data.length + (data.at(-1) ?? 0))) >>> 0;
      this.#fold = Math.imul(mixed, FOLD_PRIME) >>> 0;
      return null;
    }
    const numbers = Buffer.alloc(16);
    numbers.writeBigUInt64BE(BigInt(log.index), 0);
    numbers.writeBigUInt64BE(BigInt(log.term), 8);
    this.#hash = createHash('sha256').update(this.#hash).update(numbers).update(data).digest();
    return this.#run(fieldsOf(data)) ?? { error: 'bad command' };
  }

  snapshot(): FSMSnapshot {
    const numbers = this.#numbers();
    const open = this.#data.snapshot();
    return {
      persist: (sink) => persistLines(sink, numbers, open.size, open),
      release: () => open.release(),
    };
  }

  /** Takes the whole snapshot, or changes nothing. */
  async restore(reader: AsyncIterable<Uint8Array>): Promise<void> {
    const { numbers, data } = await readLines(reader);
    this.#index = numbers.index;
    this.#count = numbers.count;
    this.#hash = Buffer.from(numbers.hash, 'hex');
    this.#fold = numbers.fold;
    this.#bulk = numbers.bulk;
    this.#data = data;
  }

  #numbers(): StateNumbers {
    return {
      index: this.#index,
      count: this.#count,
      hash: this.#hash.toString('hex'),
      fold: this.#fold,
      bulk: this.#bulk,
    };
  }

  #run(fields: ReadonlyMap<string, unknown>): object | undefined {
    const op = fields.get('op');
    if (op === 'bulk') return this.#setBulk(fields.get('bytes'));
    const key = fields.get('key');
    if (typeof key !== 'string') return undefined;
    const prev = this.get(key);
    if (op === 'del') {
      this.#data.delete(key);
      return { prev };
    }
    if (op === 'cas') return this.#compareAndSet(key, fields);
    const value = fields.get('value');
    if (typeof value !== 'string') return undefined;
    if (op === 'set') {
      this.#data.set(key, value);
      return { prev };
    }
    if (op !== 'append') return undefined;
    const longer = (prev ?? '') + value;
    this.#data.set(key, longer);
    return { value: longer };
  }

  #setBulk(bytes: unknown): object | undefined {
    if (typeof bytes !== 'number' || !Number.isSafeInteger(bytes) || bytes < 0) return undefined;
    this.#bulk = bytes;
    return { bytes };
  }

  #compareAndSet(key: string, fields: ReadonlyMap<string, unknown>): object | undefined {
    const from = fields.get('from') ?? null;
    const to = fields.get('to');
    if (typeof to !== 'string' || (from !== null && typeof from !== 'string')) return undefined;
    const ok = this.get(key) === from;
    if (ok) this.#data.set(key, to);
    return { ok, value: this.get(key) };
  }
}

class BatchingState extends State implements BatchingFSM {
  applyBatch(logs: readonly Log[]): unknown[] {
    return logs.map((log) => (log.type === LogType.LogCommand ? this.apply(log) : undefined));
  }
}

class ConfigState extends State implements ConfigurationStore {
  storeConfiguration(index: number, _configuration: Configuration): void {
    this.configIndex = index;
  }
}

/** The state machine that `--fsm` names. */
export function newState(kind: string): State {
  if (kind === 'plain') return new State();
  if (kind === 'batching') return new BatchingState();
  if (kind === 'configstore') return new ConfigState();
  throw new Error(`--fsm must be plain, batching or configstore, got "${kind}"`);
}
