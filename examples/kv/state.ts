import { type CowMap, newCowMap } from '../../snapshot/cow-map.ts';
import { PairKind, StateHash } from './state-hash.ts';

/** The state as it was at one index, while the state itself goes on. */
export interface StatePicture {
  /** Index of the last command that is in it. */
  readonly index: number;
  /** Number of records. */
  readonly size: number;
  readonly hash: string;
  readonly members: ReadonlyMap<string, string>;
  /** Every record, in no particular order. */
  records(): Iterable<[string, Uint8Array]>;
  /** Gives up the picture; every picture must be released once. */
  release(): void;
}

/** Records and members, with a hash that is kept as they change. */
export class KvState {
  /** Index of the last command that was applied. */
  index: number;
  readonly #records: CowMap<string, Uint8Array>;
  readonly #members = new Map<string, string>();
  readonly #hash = new StateHash();

  constructor(records: CowMap<string, Uint8Array>, index: number) {
    this.#records = records;
    this.index = index;
  }

  /** Number of records. */
  get size(): number {
    return this.#records.size;
  }

  get hash(): string {
    return this.#hash.toString();
  }

  /** HTTP addresses by member id. */
  get members(): ReadonlyMap<string, string> {
    return this.#members;
  }

  get(key: string): Uint8Array | undefined {
    return this.#records.get(key);
  }

  /** Stores a copy of `value`; true when the key had one before. */
  set(key: string, value: Uint8Array): boolean {
    const existed = this.#forgetHash(key);
    // A copy, because the value may be a small view into a large buffer that it would keep alive.
    const owned = Buffer.from(value);
    this.#records.set(key, owned);
    this.#hash.toggle(PairKind.Record, key, owned);
    return existed;
  }

  /** Forgets a record; true when there was one. */
  delete(key: string): boolean {
    return this.#forgetHash(key) && this.#records.delete(key);
  }

  /** Learns or, with `null`, forgets where a member serves HTTP; true when it was known. */
  setMember(id: string, http: string | null): boolean {
    const known = this.#members.get(id);
    if (known !== undefined) this.#hash.toggle(PairKind.Member, id, Buffer.from(known));
    if (http === null) {
      this.#members.delete(id);
    } else {
      this.#members.set(id, http);
      this.#hash.toggle(PairKind.Member, id, Buffer.from(http));
    }
    return known !== undefined;
  }

  /** Takes a picture in constant time, the few members apart. */
  picture(): StatePicture {
    const open = this.#records.snapshot();
    return {
      index: this.index,
      size: this.size,
      hash: this.hash,
      members: new Map(this.#members),
      records: () => open,
      release: () => open.release(),
    };
  }

  #forgetHash(key: string): boolean {
    const old = this.#records.get(key);
    if (old === undefined) return false;
    this.#hash.toggle(PairKind.Record, key, old);
    return true;
  }
}

/** An empty state as of `index`. */
export function newKvState(index: number): KvState {
  return new KvState(newCowMap(), index);
}
