import { createRequire } from 'node:module';
import type { Transferable } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { describe } from '../../raft/arguments.ts';
import { asError, RaftError } from '../../raft/errors.ts';
import type { FileWorkers, StateFile } from '../state-file.ts';
import type { Outcome, Task, Told } from './tasks.ts';

/** A thread that has nothing to do ends after this time. */
const IDLE_MS = 2_000;
/** Every node of a process may write one snapshot and read another one. */
const MAX_THREADS = 4;
/** A snapshot can wait for the loop. Elsewhere than on Linux all threads of a process share it. */
const NICENESS = process.platform === 'linux' ? 10 : 0;

/** What a thread runs is named in package.json: sources, built and packed code find the same. */
function threadFile(): string {
  return createRequire(import.meta.url).resolve('#snapshot-thread');
}

/** How many threads work on snapshots, and how much they may take. */
export interface SnapshotWorkersInit {
  /** Threads at most, 1 or more; more tasks wait. Default: 4. They start when they are needed. */
  readonly maxThreads?: number;
  /**
   * Heap of a thread in MiB, 16 or more; one that needs more is ended, and its snapshot fails with
   * `ERR_SNAPSHOT_WORKER`. Default: what Node gives to a thread.
   */
  readonly maxHeapMiB?: number;
}

function checkInit(name: string, value: number | undefined, least: number): void {
  if (value === undefined || (Number.isSafeInteger(value) && value >= least)) return;
  const text = `expected ${name} to be an integer from ${least}, got ${describe(value)}`;
  throw new RaftError('ERR_INVALID_ARGUMENT', text);
}

function failed(cause: Error): RaftError {
  const text = `the worker thread of a snapshot failed: ${cause.message}`;
  return new RaftError('ERR_SNAPSHOT_WORKER', text, { cause });
}

/** Our own errors keep their codes; what Node said there is the cause. */
function errorOf({ code, message }: Extract<Outcome, { ok: false }>): RaftError {
  if (code?.startsWith('ERR_SNAPSHOT') || code === 'ERR_MALFORMED_SNAPSHOT') {
    return new RaftError(code, message);
  }
  if (code === 'ERR_INVALID_ARGUMENT') return new RaftError(code, message);
  return failed(Object.assign(new Error(message), code === null ? {} : { code }));
}

/**
 * Threads that encode, decode, write and verify snapshots: a pool of piscina. An idle one ends by
 * itself, and none of them keeps the process alive.
 */
export class SnapshotWorkers implements FileWorkers {
  readonly #init: SnapshotWorkersInit;
  readonly #running = new Set<(error: Error) => void>();
  #pool: Piscina | null = null;
  #closed = false;

  /** Throws `ERR_INVALID_ARGUMENT` for a bad number. No thread is started before it is needed. */
  constructor(init: SnapshotWorkersInit = {}) {
    checkInit('maxThreads', init.maxThreads, 1);
    checkInit('maxHeapMiB', init.maxHeapMiB, 16);
    this.#init = init;
  }

  /** See {@link FileWorkers.checksumOf}. Rejects with a `RaftError` (`ERR_SNAPSHOT_WORKER`). */
  checksumOf(path: string): Promise<Omit<StateFile, 'path'>> {
    return this.run({ kind: 'checksum', path });
  }

  /**
   * Has a thread do something. Aborting `signal` ends the thread.
   *
   * @internal
   */
  async run(task: Task, transferList: Transferable[] = [], signal?: AbortSignal): Promise<Told> {
    if (this.#closed) throw failed(new Error('its pool is closed'));
    const outcome = await this.#orFailure((settle) => {
      const options = { filename: threadFile(), transferList, ...(signal && { signal }) };
      this.#start().run(task, options).then(settle.resolve, settle.reject);
    }, signal);
    if (outcome.ok) return outcome.told;
    throw errorOf(outcome);
  }

  /**
   * Ends all threads; what they were doing fails with `ERR_SNAPSHOT_WORKER`, as does what is asked
   * for later. Resolves when they are gone.
   */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#pool?.destroy();
  }

  #start(): Piscina {
    if (this.#pool !== null) return this.#pool;
    const { maxThreads = MAX_THREADS, maxHeapMiB } = this.#init;
    const pool = new Piscina({
      minThreads: 0,
      maxThreads,
      idleTimeout: IDLE_MS,
      niceIncrement: NICENESS,
      // With atomics a thread sleeps in them, and what its ports still owe is not delivered.
      atomics: 'disabled',
      ...(maxHeapMiB !== undefined && {
        resourceLimits: { maxOldGenerationSizeMb: maxHeapMiB },
      }),
    });
    this.#pool = pool;
    pool.on('error', (error) => {
      // A thread that fails before it has taken its task leaves that task waiting for ever. One
      // whose task has failed with it may say so a second time, when others work already.
      if (pool.threads.length > 0) return;
      for (const fail of this.#running) fail(asError(error));
    });
    return pool;
  }

  async #orFailure(
    start: (settle: {
      resolve: (outcome: Outcome) => void;
      reject: (error: Error) => void;
    }) => void,
    signal: AbortSignal | undefined,
  ): Promise<Outcome> {
    let fail = (_: Error) => {};
    try {
      return await new Promise<Outcome>((resolve, reject) => {
        fail = reject;
        this.#running.add(fail);
        start({ resolve, reject });
      });
    } catch (thrown) {
      if (signal?.aborted) throw asError(signal.reason);
      throw failed(asError(thrown));
    } finally {
      this.#running.delete(fail);
    }
  }
}

let shared: SnapshotWorkers | undefined;

/** The threads of whoever brings none of his own. */
export function sharedWorkers(): SnapshotWorkers {
  shared ??= new SnapshotWorkers();
  return shared;
}
