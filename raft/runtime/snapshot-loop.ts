import type { Clock, TimerHandle } from '../../internal/clock.ts';
import type { Random } from '../../internal/random.ts';
import type { Configuration } from '../configuration.ts';
import { randomTimeoutMs } from '../core/timeouts.ts';
import { asError, ErrNothingNewToSnapshot, ErrRaftShutdown, RaftError } from '../errors.ts';
import { SettableFuture, type SnapshotFuture } from '../future.ts';
import type { Logger } from '../logger.ts';
import {
  type OpenSnapshot,
  type SnapshotSink,
  type SnapshotStore,
  SnapshotVersionMax,
} from '../snapshot.ts';
import type { Transport } from '../transport.ts';
import type { Capture, FsmLoop } from './fsm-loop.ts';
import { silentTelemetry, type Telemetry } from './telemetry.ts';

/** The membership that a snapshot is stamped with. */
export interface SnapshotConfiguration {
  readonly configuration: Configuration;
  readonly configurationIndex: number;
}

/** What the snapshot loop needs from its node. */
export interface SnapshotLoopOptions {
  readonly clock: Clock;
  readonly random: Random;
  readonly log: Logger;
  readonly fsm: FsmLoop;
  readonly snaps: SnapshotStore;
  readonly trans: Transport;
  readonly intervalMs: () => number;
  /** True when enough entries came since the last snapshot. */
  readonly isWorthwhile: () => boolean;
  /** The committed membership, from the main lane. */
  readonly configuration: () => Promise<SnapshotConfiguration>;
  /** A snapshot was written: the main lane may forget the head of the log. */
  readonly onTaken: (index: number, term: number) => void;
  readonly telemetry?: Telemetry;
}

/** The future of a snapshot that a user asked for. */
export class TakenSnapshot extends SettableFuture<void> implements SnapshotFuture {
  #open: (() => Promise<OpenSnapshot>) | null = null;

  taken(open: () => Promise<OpenSnapshot>): void {
    this.#open = open;
    this.succeed(undefined);
  }

  async open(): Promise<OpenSnapshot> {
    const open = this.#open;
    this.#open = null;
    if (open === null) throw new RaftError('ERR_NO_SNAPSHOT', 'no snapshot available');
    return open();
  }
}

/**
 * Takes snapshots, one at a time: now and then by itself, and when a user asks. Persisting runs
 * beside the FSM; only taking the picture does not. Go: `runSnapshots`.
 */
export class SnapshotLoop {
  readonly #o: SnapshotLoopOptions;
  readonly #telemetry: Telemetry;
  #timer: TimerHandle | null = null;
  #tail: Promise<void> = Promise.resolve();
  readonly #asked = new Set<TakenSnapshot>();
  #stopped = false;

  constructor(options: SnapshotLoopOptions) {
    this.#o = options;
    this.#telemetry = options.telemetry ?? silentTelemetry();
  }

  start(): void {
    this.#arm();
  }

  /** Takes a snapshot behind those that are under way. */
  take(): SnapshotFuture {
    const future = new TakenSnapshot();
    if (this.#stopped) {
      future.fail(ErrRaftShutdown);
      return future;
    }
    this.#asked.add(future);
    this.#enqueue(async () => {
      try {
        const id = await this.#takeSnapshot();
        future.taken(async () => this.#o.snaps.open(id));
      } catch (error) {
        this.#tell(error);
        future.fail(asError(error));
      }
      this.#asked.delete(future);
    });
    return future;
  }

  /** Takes no further snapshot; resolves when the one under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    this.#timer = null;
    for (const future of this.#asked) future.fail(ErrRaftShutdown);
    await this.#tail;
  }

  #enqueue(work: () => Promise<void>): void {
    this.#tail = this.#tail.then(work);
  }

  /** That there is nothing new is an answer, no trouble (upstream #638). */
  #tell(error: unknown): void {
    if (error === ErrNothingNewToSnapshot) return;
    this.#o.log.error({ error: asError(error) }, 'failed to take snapshot');
  }

  #arm(): void {
    if (this.#stopped) return;
    const delayMs = randomTimeoutMs(this.#o.random, this.#o.intervalMs());
    this.#timer = this.#o.clock.setTimer(delayMs, () => {
      this.#timer = null;
      if (this.#stopped) return;
      if (!this.#o.isWorthwhile()) return this.#arm();
      this.#enqueue(async () => {
        try {
          await this.#takeSnapshot();
        } catch (error) {
          this.#tell(error);
        }
        this.#arm();
      });
    });
  }

  async #takeSnapshot(): Promise<string> {
    if (this.#stopped) throw ErrRaftShutdown;
    const startMs = this.#telemetry.nowMs();
    try {
      const capture = await this.#o.fsm.capture();
      try {
        return await this.#persist(capture);
      } finally {
        capture.snapshot.release();
      }
    } finally {
      this.#telemetry.took('raft.snapshot.takeSnapshot', startMs);
    }
  }

  async #persist({ index, term, snapshot }: Capture): Promise<string> {
    const { log, snaps, trans } = this.#o;
    const { configuration, configurationIndex } = await this.#o.configuration();
    if (index < configurationIndex) {
      throw new RaftError(
        'ERR_SNAPSHOT_TOO_EARLY',
        'cannot take snapshot now, wait until the configuration entry at ' +
          `${configurationIndex} has been applied (have applied ${index})`,
      );
    }
    log.info({ index }, 'starting snapshot up to');
    const startMs = this.#telemetry.nowMs();
    const sink = await step('failed to create snapshot', () =>
      snaps.create(SnapshotVersionMax, index, term, configuration, configurationIndex, trans),
    );
    this.#telemetry.took('raft.snapshot.create', startMs);
    await this.#write(sink, () => snapshot.persist(sink));
    this.#o.onTaken(index, term);
    log.info({ index }, 'snapshot complete up to');
    return sink.id();
  }

  async #write(sink: SnapshotSink, persist: () => unknown): Promise<void> {
    try {
      const startMs = this.#telemetry.nowMs();
      await step('failed to persist snapshot', persist);
      this.#telemetry.took('raft.snapshot.persist', startMs);
      if (this.#stopped) throw ErrRaftShutdown;
      await step('failed to close snapshot', () => sink.close());
    } catch (error) {
      await sink.cancel().catch((cancelError: unknown) => {
        this.#o.log.error({ error: asError(cancelError) }, 'failed to cancel snapshot');
      });
      throw error;
    }
  }
}

/** Does one step of taking a snapshot; its failure says which step it was. */
async function step<T>(failure: string, work: () => T | PromiseLike<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const cause = asError(error);
    throw new RaftError('ERR_SNAPSHOT', `${failure}: ${cause.message}`, { cause });
  }
}
