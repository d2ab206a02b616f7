import type { Clock } from '../../internal/clock.ts';
import { isPromiseLike } from '../../internal/deferred.ts';
import { describe } from '../arguments.ts';
import type { Configuration } from '../configuration.ts';
import { asError, RaftError } from '../errors.ts';
import {
  isMonotonicStore,
  isRangeReading,
  isTailReplacing,
  type Log,
  type LogStore,
  type MaybePromise,
  type MonotonicLogStore,
  type RangeReadingLogStore,
  type TailReplacingLogStore,
} from '../log.ts';
import type { OpenSnapshot, SnapshotMeta, SnapshotSink, SnapshotStore } from '../snapshot.ts';
import { type AtomicStableStore, isAtomicStable, type StableStore } from '../stable.ts';
import type { Transport } from '../transport.ts';
import { timedOut, Watchdog } from './watchdog.ts';

/** How long an answer may take. */
export interface Patience {
  readonly clock: Clock;
  readonly limitMs: number;
}

function garbage(call: string, expected: string, answer: unknown): RaftError {
  const text = `expected ${call} of the store to give ${expected}, got ${describe(answer)}`;
  return new RaftError('ERR_STORE_ANSWER', text);
}

function integer(call: string, answer: unknown): number {
  if (Number.isSafeInteger(answer) && Number(answer) >= 0) return Number(answer);
  throw garbage(call, 'a whole number from 0 to 2^53 - 1', answer);
}

function isBytesOrNull(value: unknown): boolean {
  return value === null || value instanceof Uint8Array;
}

function entry(call: string, index: number, answer: unknown): asserts answer is Log {
  if (typeof answer === 'object' && answer !== null) {
    const log: Partial<Record<keyof Log, unknown>> = answer;
    const isWhole =
      Number.isSafeInteger(log.term) &&
      Number.isSafeInteger(log.type) &&
      isBytesOrNull(log.data) &&
      isBytesOrNull(log.extensions) &&
      log.appendedAt instanceof Date;
    if (log.index === index && isWhole) return;
    if (isWhole) throw garbage(call, `entry ${index}`, `entry ${describe(log.index)}`);
  }
  throw garbage(call, `entry ${index}`, answer);
}

function entries(call: string, first: number, last: number, answer: unknown): Log[] {
  if (!Array.isArray(answer)) throw garbage(call, 'a list of entries', answer);
  const found: Log[] = [];
  for (const [i, log] of answer.entries()) {
    entry(call, first + i, log);
    found.push(log);
  }
  if (found.length > 0 && found.length <= last - first + 1) return found;
  throw garbage(call, `1 to ${last - first + 1} entries`, found.length);
}

/** Rejects when `promise` is not settled in time. */
function inTime<T>(call: string, { clock, limitMs }: Patience, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const watchdog = new Watchdog(clock, limitMs, ({ what }, ageMs) => {
      reject(timedOut(what, ageMs));
    });
    watchdog.begin(call);
    promise.then(resolve, reject).finally(() => watchdog.close());
  });
}

/** Calls a store; what it answers goes through `check`, and must come in time where that is set. */
function asked<T>(
  call: string,
  patience: Patience | null,
  ask: () => unknown,
  check: (answer: unknown) => T,
): MaybePromise<T> {
  const answer = ask();
  if (!isPromiseLike(answer)) return check(answer);
  const checked = Promise.resolve(answer).then(check);
  return patience === null ? checked : inTime(call, patience, checked);
}

/** What a log store throws at start, with a code and the name of the call. */
function unreadable(call: string, thrown: unknown): Error {
  if (thrown instanceof RaftError) return thrown;
  const cause = asError(thrown);
  return new RaftError('ERR_STORE_READ', `${call} failed: ${cause.message}`, { cause });
}

/**
 * A user's log store, of which nothing is believed: every answer is looked at before a rule sees
 * it, because a wrong one could make a node forget what it has promised.
 */
class CheckedLogs implements LogStore, MonotonicLogStore {
  readonly replaceTail?: TailReplacingLogStore['replaceTail'];
  readonly getLogRange?: RangeReadingLogStore['getLogRange'];
  readonly #store: LogStore;
  readonly #patience: Patience | null;

  constructor(store: LogStore, patience: Patience | null) {
    this.#store = store;
    this.#patience = patience;
    if (isTailReplacing(store)) this.replaceTail = (from, logs) => store.replaceTail(from, logs);
    if (isRangeReading(store)) {
      this.getLogRange = (first, last, maxBytes) => {
        const call = `getLogRange(${first}, ${last})`;
        const read = () => store.getLogRange(first, last, maxBytes);
        return this.#read(call, read, (answer) => entries(call, first, last, answer));
      };
    }
  }

  isMonotonic(): boolean {
    return isMonotonicStore(this.#store);
  }

  firstIndex(): MaybePromise<number> {
    const call = 'firstIndex()';
    return this.#read(
      call,
      () => this.#store.firstIndex(),
      (answer) => integer(call, answer),
    );
  }

  lastIndex(): MaybePromise<number> {
    const call = 'lastIndex()';
    return this.#read(
      call,
      () => this.#store.lastIndex(),
      (answer) => integer(call, answer),
    );
  }

  getLog(index: number): MaybePromise<Log> {
    const call = `getLog(${index})`;
    const read = () => this.#store.getLog(index);
    return this.#read(call, read, (answer) => {
      entry(call, index, answer);
      return answer;
    });
  }

  storeLog(log: Log): MaybePromise<void> {
    return this.storeLogs([log]);
  }

  storeLogs(logs: readonly Log[]): MaybePromise<void> {
    if (this.#patience === null) return this.#store.storeLogs(logs);
    return asked(
      'storeLogs()',
      this.#patience,
      () => this.#store.storeLogs(logs),
      () => {},
    );
  }

  deleteRange(min: number, max: number): MaybePromise<void> {
    return this.#store.deleteRange(min, max);
  }

  #read<T>(call: string, read: () => unknown, check: (answer: unknown) => T): MaybePromise<T> {
    // Later, whoever reads says what for.
    if (this.#patience === null) return asked(call, null, read, check);
    try {
      const answer = asked(call, this.#patience, read, check);
      if (!isPromiseLike(answer)) return answer;
      return Promise.resolve(answer).catch((thrown: unknown) => {
        throw unreadable(call, thrown);
      });
    } catch (thrown) {
      throw unreadable(call, thrown);
    }
  }
}

/** The same for a stable store. What it throws is left as it is: a missing key may be an error. */
class CheckedStable implements StableStore {
  readonly setMany?: AtomicStableStore['setMany'];
  readonly #store: StableStore;
  readonly #patience: Patience | null;

  constructor(store: StableStore, patience: Patience | null) {
    this.#store = store;
    this.#patience = patience;
    if (isAtomicStable(store)) this.setMany = (writes) => store.setMany(writes);
  }

  get(key: Uint8Array): MaybePromise<Uint8Array> {
    return asked(
      'get()',
      this.#patience,
      () => this.#store.get(key),
      (answer) => {
        if (answer instanceof Uint8Array) return answer;
        throw garbage('get()', 'bytes', answer);
      },
    );
  }

  getUint64(key: Uint8Array): MaybePromise<number> {
    const read = () => this.#store.getUint64(key);
    return asked('getUint64()', this.#patience, read, (answer) => integer('getUint64()', answer));
  }

  set(key: Uint8Array, value: Uint8Array): MaybePromise<void> {
    return this.#store.set(key, value);
  }

  setUint64(key: Uint8Array, value: number): MaybePromise<void> {
    if (this.#patience === null) return this.#store.setUint64(key, value);
    const write = () => this.#store.setUint64(key, value);
    return asked('setUint64()', this.#patience, write, () => {});
  }
}

function has(value: unknown, ...methods: PropertyKey[]): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return methods.every((method) => typeof Reflect.get(value, method) === 'function');
}

function isMeta(value: unknown): value is SnapshotMeta {
  if (typeof value !== 'object' || value === null) return false;
  const { id, index, term, size, version }: Partial<SnapshotMeta> = value;
  const numbers = [index, term, size, version];
  return typeof id === 'string' && numbers.every((number) => Number.isSafeInteger(number));
}

/** The same for a snapshot store. Opening one reads all of it, which may take any time. */
class CheckedSnapshots implements SnapshotStore {
  readonly #store: SnapshotStore;
  readonly #patience: Patience | null;

  constructor(store: SnapshotStore, patience: Patience | null) {
    this.#store = store;
    this.#patience = patience;
  }

  create(
    version: number,
    index: number,
    term: number,
    configuration: Configuration,
    configurationIndex: number,
    trans: Transport,
  ): MaybePromise<SnapshotSink> {
    const sink = this.#store.create(version, index, term, configuration, configurationIndex, trans);
    return asked(
      'create()',
      null,
      () => sink,
      (answer) => {
        if (has(answer, 'write', 'close', 'cancel', 'id')) return answer as SnapshotSink;
        throw garbage('create()', 'a snapshot sink', answer);
      },
    );
  }

  list(): MaybePromise<SnapshotMeta[]> {
    return asked(
      'list()',
      this.#patience,
      () => this.#store.list(),
      (answer) => {
        if (Array.isArray(answer) && answer.every(isMeta)) return answer;
        throw garbage('list()', 'a list of snapshots', answer);
      },
    );
  }

  open(id: string): MaybePromise<OpenSnapshot> {
    return asked(
      `open(${id})`,
      null,
      () => this.#store.open(id),
      (answer) => {
        const { meta, reader }: Partial<OpenSnapshot> = Object(answer);
        if (isMeta(meta) && has(reader, Symbol.asyncIterator)) return answer as OpenSnapshot;
        throw garbage(`open(${id})`, 'a snapshot and its reader', answer);
      },
    );
  }
}

/** The stores of a node. */
interface Stores {
  readonly logs: LogStore;
  readonly stable: StableStore;
  readonly snaps: SnapshotStore;
}

/**
 * Makes of a user's stores such that only answer what can be believed; else they fail with
 * `ERR_STORE_ANSWER`, whose text says what was expected and what came.
 *
 * @param patience where answers must come in time, else `ERR_STORE_TIMEOUT`; while a node runs its
 *   watchdog sees to that
 */
export function checkedStores(
  stores: Stores,
  patience: Patience | null = null,
): Stores & { readonly isOneStore: boolean } {
  return {
    isOneStore: Object.is(stores.logs, stores.stable),
    logs: new CheckedLogs(stores.logs, patience),
    stable: new CheckedStable(stores.stable, patience),
    snaps: new CheckedSnapshots(stores.snaps, patience),
  };
}
