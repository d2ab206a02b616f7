import type { Clock } from '../../internal/clock.ts';
import { RingBuffer } from '../../internal/ring-buffer.ts';
import type { Vote } from '../core/effect.ts';
import { asError, RaftError } from '../errors.ts';
import { isTailReplacing, type Log, type LogStore, type MaybePromise } from '../log.ts';
import {
  isAtomicStable,
  KEY_CURRENT_TERM,
  KEY_LAST_VOTE_CANDIDATE,
  KEY_LAST_VOTE_TERM,
  type StableStore,
} from '../stable.ts';
import { sizeOf } from './entries.ts';
import { silentTelemetry, type Telemetry } from './telemetry.ts';
import { timedOut, Watchdog, type Watched } from './watchdog.ts';

/** A write that waits for its turn. */
interface Job {
  /** What it is, for the error that names what was in the way. */
  readonly what: string;
  /** Set for appends alone: neighbouring appends become one write. */
  readonly entries: Log[] | null;
  readonly perform: (job: Job) => MaybePromise<void>;
  readonly done: (() => void)[];
  readonly failed: ((error: Error) => void)[];
}

/** Entries that are deleted in one write. */
const DELETE_CHUNK = 4096;

/** The stores that a node writes to. */
export interface Stores {
  readonly logs: LogStore;
  readonly stable: StableStore;
}

/**
 * The one way to the disk (rule 1): log tail, term and vote go through a single queue, one write at
 * a time. The first failure is the last write: what is queued behind it is not performed, and
 * nobody is told that it was. A disk that failed once is not to be trusted with the next fsync.
 */
export class StoreWriter {
  readonly #stores: Stores;
  /** Watches the write that is under way; readers of the same disk may be watched by it too. */
  readonly watchdog: Watchdog;
  readonly #onFailure: (error: Error) => void;
  readonly #telemetry: Telemetry;
  readonly #queue = new RingBuffer<Job>();
  #active: Job | null = null;
  #watched: Watched | null = null;
  #failure: Error | null = null;
  #durableIndex: number;
  #pendingBytes = 0;
  #compactTo = 0;
  #compactSinceMs = 0;
  #compactedLast = false;
  #idleWaiters: (() => void)[] = [];

  /**
   * @param durableIndex last index of the log as start-up found it
   * @param limitMs a write that takes longer than this is taken for a dead disk
   */
  constructor(
    stores: Stores,
    clock: Clock,
    durableIndex: number,
    limitMs: number,
    onFailure: (error: Error) => void,
    telemetry = silentTelemetry(),
  ) {
    this.#stores = stores;
    this.watchdog = new Watchdog(clock, limitMs, (watched, ageMs) => this.#giveUp(watched, ageMs));
    this.#durableIndex = durableIndex;
    this.#onFailure = onFailure;
    this.#telemetry = telemetry;
  }

  /** The log is on the disk up to here. */
  get durableIndex(): number {
    return this.#durableIndex;
  }

  /** Bytes of entries that are not on the disk yet. */
  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  /** Appends behind everything queued. `done` is called when the entries are on the disk. */
  append(entries: readonly Log[], done: () => void, failed: (error: Error) => void): void {
    for (const entry of entries) this.#pendingBytes += sizeOf(entry);
    const newest = this.#queue.at(this.#queue.length - 1);
    if (newest !== undefined && newest.entries !== null) {
      for (const entry of entries) newest.entries.push(entry);
      newest.done.push(done);
      newest.failed.push(failed);
      return;
    }
    this.#enqueue({
      what: 'append',
      entries: [...entries],
      perform: (job) => this.#stores.logs.storeLogs(job.entries ?? []),
      done: [done],
      failed: [failed],
    });
  }

  /** Like {@link append}, as a promise. */
  appendAndWait(entries: readonly Log[]): Promise<void> {
    return new Promise((done, failed) => this.append(entries, done, failed));
  }

  /** Deletes from `from` on and stores `entries` there, in one write where the store can. */
  replaceTail(from: number, lastIndex: number, entries: readonly Log[]): Promise<void> {
    const { logs } = this.#stores;
    const last = entries.at(-1)?.index ?? from - 1;
    return this.#run('replaceTail', async () => {
      this.#durableIndex = Math.min(this.#durableIndex, from - 1);
      if (isTailReplacing(logs)) {
        if (lastIndex >= from + DELETE_CHUNK) await this.#deleteTail(from + DELETE_CHUNK);
        await logs.replaceTail(from, entries);
      } else {
        await this.#deleteTail(from);
        await logs.storeLogs(entries);
      }
      this.#durableIndex = last;
    });
  }

  /**
   * Saves term and vote (rule 9): atomically where the store can, else in the order that is safe at
   * every crash point. The term comes first; a candidate without its term means nothing.
   */
  persistHardState(term: number, vote: Vote | null): Promise<void> {
    const { stable } = this.#stores;
    return this.#run('persistHardState', async () => {
      if (isAtomicStable(stable)) {
        await stable.setMany([
          { key: KEY_CURRENT_TERM, value: term },
          ...(vote === null
            ? []
            : [
                { key: KEY_LAST_VOTE_CANDIDATE, value: vote.candidate },
                { key: KEY_LAST_VOTE_TERM, value: vote.term },
              ]),
        ]);
        return;
      }
      await stable.setUint64(KEY_CURRENT_TERM, term);
      if (vote === null) return;
      await stable.set(KEY_LAST_VOTE_CANDIDATE, vote.candidate);
      await stable.setUint64(KEY_LAST_VOTE_TERM, vote.term);
    });
  }

  /** Deletes the whole log. */
  dropLog(): Promise<void> {
    const { logs } = this.#stores;
    return this.#run('dropLog', async () => {
      const startMs = this.#telemetry.nowMs();
      this.#compactTo = 0;
      await this.#deleteTail(await logs.firstIndex());
      this.#durableIndex = 0;
      this.#telemetry.took('raft.removeOldLogs', startMs);
    });
  }

  /**
   * Deletes everything from `from` on, the last entries first, in chunks that the watchdog takes
   * for writes of their own: a long log is no dead disk. A crash in between leaves a log without
   * its end, never one without its beginning.
   */
  async #deleteTail(from: number): Promise<void> {
    const { logs } = this.#stores;
    for (let last = await logs.lastIndex(); last > 0 && last >= from; ) {
      if (this.#failure !== null) throw this.#failure;
      await logs.deleteRange(Math.max(from, last - DELETE_CHUNK + 1), last);
      if (this.#watched !== null) this.watchdog.progress(this.#watched);
      const left = await logs.lastIndex();
      if (left >= last) {
        throw new RaftError('ERR_STORE_FAILED', `entry ${last} is still there after its deletion`);
      }
      last = left;
    }
  }

  /** Resolves once the log is on the disk up to `index`; undefined when it is already. */
  untilDurable(index: number): Promise<void> | undefined {
    if (this.#failure !== null) return Promise.reject(this.#failure);
    if (index <= this.#durableIndex) return undefined;
    return this.#run('awaitDurable', () => {});
  }

  /** The head up to `upTo` may go. It goes in ascending chunks between other writes (rule 12). */
  compact(upTo: number): void {
    if (this.#compactTo === 0) this.#compactSinceMs = this.#telemetry.nowMs();
    this.#compactTo = Math.max(this.#compactTo, upTo);
    this.#next();
  }

  /** Resolves once nothing is being written. */
  idle(): Promise<void> {
    if (this.#active === null) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  /** What is being written at the moment, for the error that a shutdown ends with. */
  get activeWrite(): string | null {
    return this.#active?.what ?? null;
  }

  /** Performs nothing more; a write that is under way is left to end. */
  close(reason: Error): void {
    this.#latch(reason);
  }

  #run(what: string, work: () => MaybePromise<void>): Promise<void> {
    return new Promise((done, failed) => {
      this.#enqueue({ what, entries: null, perform: work, done: [done], failed: [failed] });
    });
  }

  #enqueue(job: Job): void {
    if (this.#failure !== null) {
      tell(job, this.#failure);
      return;
    }
    this.#queue.push(job);
    this.#next();
  }

  #next(): void {
    if (this.#active !== null || this.#failure !== null) return;
    const job = this.#takeTurn();
    if (job === undefined) return;
    this.#active = job;
    const watched = this.watchdog.begin(job.what);
    this.#watched = watched;
    void this.#perform(job, watched);
  }

  /** Compaction and the queue take turns: neither waits for ever for the other. */
  #takeTurn(): Job | undefined {
    const compaction = this.#compactedLast ? undefined : this.#compactionJob();
    const job = compaction ?? this.#queue.shift() ?? this.#compactionJob();
    this.#compactedLast = job?.what === 'compactLog';
    return job;
  }

  async #perform(job: Job, watched: Watched): Promise<void> {
    try {
      await job.perform(job);
      this.watchdog.end(watched);
    } catch (error) {
      this.watchdog.end(watched);
      this.#active = null;
      if (this.#failure === null) this.#fail(job, writeFailed(job.what, asError(error)));
      else tell(job, this.#failure);
      this.#wakeIdle();
      return;
    }
    this.#active = null;
    if (this.#failure !== null) tell(job, this.#failure);
    else this.#finish(job);
    this.#next();
    this.#wakeIdle();
  }

  #finish(job: Job): void {
    if (job.entries !== null) {
      for (const entry of job.entries) this.#pendingBytes -= sizeOf(entry);
      this.#durableIndex = job.entries.at(-1)?.index ?? this.#durableIndex;
    }
    for (const done of job.done) done();
  }

  /** Deletes one chunk of the head, unless that is done. */
  #compactionJob(): Job | undefined {
    const upTo = this.#compactTo;
    if (upTo === 0) return undefined;
    const { logs } = this.#stores;
    const perform = async (): Promise<void> => {
      const first = await logs.firstIndex();
      const end = Math.min(upTo, first + DELETE_CHUNK - 1);
      if (first > 0 && end >= first) await logs.deleteRange(first, end);
      if ((first === 0 || end >= upTo || end < first) && this.#compactTo === upTo) {
        this.#compactTo = 0;
        this.#telemetry.took('raft.compactLogs', this.#compactSinceMs);
      }
    };
    return { what: 'compactLog', entries: null, perform, done: [], failed: [] };
  }

  #fail(job: Job, error: Error): void {
    this.#latch(error);
    tell(job, error);
    this.#onFailure(error);
  }

  #latch(error: Error): void {
    if (this.#failure !== null) return;
    this.#failure = error;
    this.watchdog.close();
    for (let job = this.#queue.shift(); job !== undefined; job = this.#queue.shift()) {
      tell(job, error);
    }
  }

  #wakeIdle(): void {
    if (this.#active !== null) return;
    for (const wake of this.#idleWaiters.splice(0)) wake();
  }

  #giveUp(watched: Watched, ageMs: number): void {
    const error = timedOut(watched.what, ageMs);
    if (this.#active !== null && this.#watched === watched) return this.#fail(this.#active, error);
    this.#latch(error);
    this.#onFailure(error);
  }
}

/** Tells those who wait for a write that it failed: once, though a hung one may end later. */
function tell(job: Job, error: Error): void {
  for (const failed of job.failed.splice(0)) failed(error);
}

function writeFailed(what: string, cause: Error): RaftError {
  return new RaftError('ERR_STORE_FAILED', `${what} failed: ${cause.message}`, { cause });
}
