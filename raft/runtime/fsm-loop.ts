import { assert } from '../../internal/assert.ts';
import type { Clock } from '../../internal/clock.ts';
import { isPromiseLike } from '../../internal/deferred.ts';
import { RingBuffer } from '../../internal/ring-buffer.ts';
import { describe } from '../arguments.ts';
import { decodeConfiguration } from '../configuration-codec.ts';
import { asError, ErrNothingNewToSnapshot, ErrRaftShutdown, RaftError } from '../errors.ts';
import {
  checkSnapshot,
  type FSM,
  type FSMSnapshot,
  isBatchingFSM,
  isConfigurationStore,
} from '../fsm.ts';
import { type Log, LogType } from '../log.ts';
import type { Logger } from '../logger.ts';
import type { OpenSnapshot } from '../snapshot.ts';
import type { Entries } from './entries.ts';
import type { InFlightEntries } from './ledger.ts';
import { restoreFsm } from './restore-fsm.ts';
import { silentTelemetry, type Telemetry } from './telemetry.ts';

/** Batches that may wait for the FSM before the main lane is made to wait. Go: `fsmMutateCh`. */
const MAX_WAITING_BATCHES = 128;
/** Bytes of entries that are read for one batch. */
const BATCH_BYTES = 4 * 1024 * 1024;
/** The FSM gives the turn away after this time, so that heartbeats and reads are not held up. */
const SLICE_MS = 5;

/** What the FSM loop needs from its node. */
export interface FsmLoopOptions {
  readonly fsm: FSM;
  readonly entries: Entries;
  readonly inFlight: InFlightEntries;
  readonly clock: Clock;
  readonly maxBatch: number;
  /** What the FSM holds at the start. */
  readonly appliedIndex: number;
  /** The FSM has finished something: there may be room for more. */
  readonly onProgress: () => void;
  readonly onFatal: (error: Error) => void;
  readonly telemetry?: Telemetry;
  readonly log?: Logger;
}

/** A picture of the FSM, and the last entry in it. */
export interface Capture {
  readonly index: number;
  readonly term: number;
  readonly snapshot: FSMSnapshot;
}

/** Work other than applying, which has the FSM to itself. */
interface Errand {
  /** Everything handed over before goes first. */
  readonly after: number;
  readonly run: () => Promise<void>;
  readonly drop: (error: Error) => void;
}

interface IndexWaiter {
  readonly index: number;
  readonly wake: () => void;
  readonly fail: (error: Error) => void;
}

/**
 * The one caller of the FSM: applies what is committed, in order and without a gap, restores and
 * takes pictures in between. Go: `runFSM`.
 */
export class FsmLoop {
  readonly #o: FsmLoopOptions;
  readonly #telemetry: Telemetry;
  /** Everything up to here was handed over. */
  #handedTo: number;
  /** The FSM has finished everything up to here. */
  #finished: number;
  /** The last entry that a snapshot would contain; 0 until this process applied one. */
  #lastIndex = 0;
  #lastTerm = 0;
  readonly #errands = new RingBuffer<Errand>();
  #indexWaiters: IndexWaiter[] = [];
  #roomWaiters: (() => void)[] = [];
  #running = false;
  #sliceStartMs = 0;
  #stopped: Error | null = null;
  #doneWaiters: (() => void)[] = [];

  constructor(options: FsmLoopOptions) {
    this.#o = options;
    this.#handedTo = options.appliedIndex;
    this.#finished = options.appliedIndex;
    this.#telemetry = options.telemetry ?? silentTelemetry();
    this.#telemetry.fsmThreadSaturation.sleeping();
  }

  /** Index up to which the FSM has finished. */
  get finishedIndex(): number {
    return this.#finished;
  }

  /** Batches that wait (Go's `fsm_pending`). */
  get pendingBatches(): number {
    return Math.ceil((this.#handedTo - this.#finished) / this.#o.maxBatch);
  }

  /**
   * Hands over everything up to `upTo`. Answers with a promise when the caller must wait for room.
   */
  handOver(upTo: number): Promise<void> | undefined {
    assert(upTo > this.#handedTo, () => `handed over up to ${this.#handedTo} already, got ${upTo}`);
    this.#handedTo = upTo;
    this.#start();
    if (this.#stopped !== null || this.pendingBatches <= MAX_WAITING_BATCHES) return undefined;
    return new Promise((resolve) => this.#roomWaiters.push(resolve));
  }

  /** Resolves when the FSM has finished `index`; undefined when it has already. */
  untilFinished(index: number): Promise<void> | undefined {
    if (index <= this.#finished) return undefined;
    if (this.#stopped !== null) return Promise.reject(this.#stopped);
    return new Promise((wake, fail) => this.#indexWaiters.push({ index, wake, fail }));
  }

  /** Replaces the FSM's state by a snapshot, behind everything handed over so far. */
  restore(index: number, term: number, open: () => Promise<OpenSnapshot>): Promise<void> {
    return this.#errand(this.#handedTo, async () => {
      const { fsm, clock, log } = this.#o;
      const told = { telemetry: this.#telemetry, clock, ...(log && { log }) };
      await restoreFsm(fsm, await open(), told);
      this.#handedTo = index;
      this.#lastIndex = index;
      this.#lastTerm = term;
      this.#finish(index);
    });
  }

  /** Takes a picture of the state between two batches. */
  capture(): Promise<Capture> {
    return this.#errand(0, async () => {
      if (this.#lastIndex === 0) throw ErrNothingNewToSnapshot;
      const [index, term] = [this.#lastIndex, this.#lastTerm];
      const startMs = this.#telemetry.nowMs();
      try {
        const snapshot = checkSnapshot(await this.#o.fsm.snapshot());
        this.#telemetry.took('raft.fsm.snapshot', startMs);
        return { index, term, snapshot };
      } catch (error) {
        const cause = asError(error);
        throw new RaftError('ERR_SNAPSHOT', `failed to start snapshot: ${cause.message}`, {
          cause,
        });
      }
    });
  }

  /** Applies nothing more. Resolves when the call that is under way has returned. */
  stop(reason: Error): Promise<void> {
    this.#stopped ??= reason;
    for (const { fail } of this.#indexWaiters.splice(0)) fail(ErrRaftShutdown);
    for (const wake of this.#roomWaiters.splice(0)) wake();
    for (let e = this.#errands.shift(); e !== undefined; e = this.#errands.shift()) {
      e.drop(ErrRaftShutdown);
    }
    if (!this.#running) return Promise.resolve();
    return new Promise((resolve) => this.#doneWaiters.push(resolve));
  }

  #errand<T>(after: number, work: () => Promise<T>): Promise<T> {
    if (this.#stopped !== null) return Promise.reject(ErrRaftShutdown);
    return new Promise((resolve, drop) => {
      const run = (): Promise<void> => work().then(resolve, drop);
      this.#errands.push({ after, run, drop });
      this.#start();
    });
  }

  #start(): void {
    if (this.#running || this.#stopped !== null) return;
    this.#running = true;
    this.#telemetry.fsmThreadSaturation.working();
    void this.#run();
  }

  async #run(): Promise<void> {
    try {
      // A turn of the micro-task queue: what is handed over in the same breath becomes one batch.
      await null;
      this.#sliceStartMs = this.#o.clock.monotonicMs();
      while (this.#stopped === null) {
        const errand = this.#errands.at(0);
        if (errand !== undefined && errand.after <= this.#finished) {
          this.#errands.shift();
          await errand.run();
        } else if (this.#finished < this.#handedTo) {
          const pending = this.#applyBatch();
          if (pending !== undefined) await pending;
        } else {
          break;
        }
        if (this.#sliceIsOver()) await this.#yield();
      }
    } catch (error) {
      this.#stopped ??= asError(error);
      this.#o.onFatal(asError(error));
    } finally {
      this.#running = false;
      this.#telemetry.fsmThreadSaturation.sleeping();
      for (const wake of this.#doneWaiters.splice(0)) wake();
    }
  }

  #sliceIsOver(): boolean {
    return this.#o.clock.monotonicMs() - this.#sliceStartMs >= SLICE_MS;
  }

  /** Gives the turn away, so that heartbeats and reads are not held up (rule 14). */
  async #yield(): Promise<void> {
    await new Promise<void>((resume) => this.#o.clock.afterIO(resume));
    this.#sliceStartMs = this.#o.clock.monotonicMs();
  }

  /** Applies the next batch; a promise when the store or the FSM needs time. */
  #applyBatch(): Promise<void> | undefined {
    const first = this.#finished + 1;
    const last = Math.min(this.#handedTo, this.#finished + this.#o.maxBatch);
    const logs = this.#o.entries.read(first, last, BATCH_BYTES);
    if (!isPromiseLike(logs)) return this.#apply(logs);
    return Promise.resolve(logs).then((read) => this.#apply(read));
  }

  #apply(logs: readonly Log[]): Promise<void> | undefined {
    const expected = this.#finished + 1;
    assert(
      logs[0]?.index === expected,
      () => `the FSM needs entry ${expected} next, got ${logs[0]?.index}`,
    );
    for (const log of logs) checkType(log);
    const { fsm } = this.#o;
    if (isBatchingFSM(fsm)) {
      const wanted = logs.filter((log) => isCommand(log) || isConfiguration(log));
      if (wanted.length === 0) return this.#finishBatch(logs, [], []);
      const startMs = this.#telemetry.nowMs();
      const finish = (results: readonly unknown[]): undefined => {
        this.#telemetry.took('raft.fsm.applyBatch', startMs);
        this.#telemetry.instruments['raft.fsm.applyBatchNum'].record(logs.length);
        return this.#finishBatch(logs, wanted, results);
      };
      const results = fsm.applyBatch(wanted);
      return isPromiseLike(results) ? Promise.resolve(results).then(finish) : finish(results);
    }
    return this.#applyFrom(logs, 0);
  }

  #finishBatch(
    logs: readonly Log[],
    wanted: readonly Log[],
    results: readonly unknown[],
  ): undefined {
    const count = Array.isArray(results) ? results.length : describe(results);
    if (count !== wanted.length) {
      throw new RaftError(
        'ERR_FSM_RESPONSES',
        `invalid number of responses: expected ${wanted.length}, got ${count}`,
      );
    }
    let next = 0;
    for (const log of logs) {
      const isWanted = log === wanted[next];
      const response = isWanted && isCommand(log) ? results[next] : undefined;
      if (isWanted) next += 1;
      this.#advance(log, response, isWanted || log.type === LogType.LogBarrier);
    }
    this.#finish(this.#finished);
    return undefined;
  }

  /**
   * Applies one by one, and stays synchronous as long as the FSM does and its time slice lasts.
   */
  #applyFrom(logs: readonly Log[], start: number): Promise<void> | undefined {
    const { clock } = this.#o;
    let nowMs = clock.monotonicMs();
    for (let at = start; at < logs.length; at += 1) {
      const log = logs[at];
      if (log === undefined || this.#stopped !== null) break;
      if (nowMs - this.#sliceStartMs >= SLICE_MS)
        return this.#yield().then(() => this.#applyFrom(logs, at));
      const startMs = nowMs;
      const response = this.#applyOne(log);
      if (isPromiseLike(response)) {
        return Promise.resolve(response).then((value) => {
          this.#measure(log, clock.monotonicMs() - startMs);
          this.#advance(log, value, this.#marksSnapshot(log));
          return this.#applyFrom(logs, at + 1);
        });
      }
      // The end of one is the beginning of the next: the clock is read once an entry.
      nowMs = clock.monotonicMs();
      this.#measure(log, nowMs - startMs);
      this.#advance(log, response, this.#marksSnapshot(log));
    }
    this.#finish(this.#finished);
    return undefined;
  }

  #measure(log: Log, durationMs: number): void {
    const { instruments } = this.#telemetry;
    if (isCommand(log)) instruments['raft.fsm.apply'].record(durationMs);
    else if (isConfiguration(log) && isConfigurationStore(this.#o.fsm)) {
      instruments['raft.fsm.store_config'].record(durationMs);
    }
  }

  #applyOne(log: Log): unknown {
    const { fsm } = this.#o;
    if (isCommand(log)) return fsm.apply(log);
    if (isConfiguration(log) && isConfigurationStore(fsm)) {
      const stored = fsm.storeConfiguration(
        log.index,
        decodeConfiguration(log.data ?? new Uint8Array()),
      );
      return isPromiseLike(stored) ? stored.then(() => undefined) : undefined;
    }
    return undefined;
  }

  /** True for an entry that a snapshot taken after it would be said to contain, as in Go. */
  #marksSnapshot(log: Log): boolean {
    if (isConfiguration(log)) return isConfigurationStore(this.#o.fsm);
    return isCommand(log) || log.type === LogType.LogBarrier;
  }

  #advance(log: Log, response: unknown, marksSnapshot: boolean): void {
    assert(log.index === this.#finished + 1, () => `entry ${log.index} after ${this.#finished}`);
    this.#finished = log.index;
    if (marksSnapshot) {
      this.#lastIndex = log.index;
      this.#lastTerm = log.term;
    }
    this.#o.inFlight.take(log.index)?.applied(response);
  }

  #finish(index: number): void {
    this.#finished = index;
    if (this.#indexWaiters.length > 0) {
      const ready = this.#indexWaiters.filter((waiter) => waiter.index <= index);
      this.#indexWaiters = this.#indexWaiters.filter((waiter) => waiter.index > index);
      for (const { wake } of ready) wake();
    }
    if (this.#roomWaiters.length > 0 && this.pendingBatches <= MAX_WAITING_BATCHES) {
      for (const wake of this.#roomWaiters.splice(0)) wake();
    }
    this.#o.onProgress();
  }
}

/** An entry of a type that is to come: passing it over would be a state of its own. */
function checkType({ index, type }: Log): void {
  if (type >= LogType.LogCommand && type <= LogType.LogConfiguration) return;
  throw new RaftError('ERR_LOG_TYPE', `unrecognized log type: ${type}, of entry ${index}`);
}

function isCommand(log: Log): boolean {
  return log.type === LogType.LogCommand;
}

function isConfiguration(log: Log): boolean {
  return log.type === LogType.LogConfiguration;
}
