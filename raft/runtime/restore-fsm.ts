import { type Clock, systemClock } from '../../internal/clock.ts';
import { HeldReader } from '../../internal/held-reader.ts';
import { asError, RaftError } from '../errors.ts';
import type { FSM } from '../fsm.ts';
import { type Logger, silentLogger } from '../logger.ts';
import type { CountingReader, OpenSnapshot, ReadCloserWrapper, SnapshotMeta } from '../snapshot.ts';
import { SnapshotProgress } from './snapshot-progress.ts';
import { silentTelemetry, type Telemetry } from './telemetry.ts';

/** The stream an FSM reads its state from: counts, and lets the one behind it be seen. */
class CountedReader implements CountingReader, ReadCloserWrapper {
  readonly #source: AsyncIterable<Uint8Array>;
  readonly #held: HeldReader;
  readonly #progress: SnapshotProgress;

  constructor(source: AsyncIterable<Uint8Array>, held: HeldReader, progress: SnapshotProgress) {
    this.#source = source;
    this.#held = held;
    this.#progress = progress;
  }

  count(): number {
    return this.#progress.readBytes;
  }

  wrappedReadCloser(): AsyncIterable<Uint8Array> {
    return this.#source;
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array> {
    const iterator = this.#held[Symbol.asyncIterator]();
    return {
      next: async () => {
        const next = await iterator.next();
        if (next.done !== true) this.#progress.count(next.value.length);
        return next;
      },
      return: async () => {
        await this.#held.release();
        return { done: true, value: undefined };
      },
    };
  }
}

/** How a snapshot is named in logs. */
export function fieldsOf({ id, index, term, size }: SnapshotMeta) {
  return { id, 'last-index': index, 'last-term': term, 'size-in-bytes': size };
}

/** Gives an opened snapshot to an FSM. Go: `fsmRestoreAndMeasure`. */
export async function restoreFsm(
  fsm: FSM,
  { meta, reader }: OpenSnapshot,
  told: { readonly telemetry?: Telemetry; readonly log?: Logger; readonly clock?: Clock } = {},
): Promise<void> {
  const { telemetry = silentTelemetry(), log = silentLogger, clock = systemClock } = told;
  const message = 'snapshot restore progress';
  const progress = new SnapshotProgress(log, clock, message, meta.size, fieldsOf(meta));
  const held = new HeldReader(reader);
  const startMs = telemetry.nowMs();
  try {
    await fsm.restore(new CountedReader(reader, held, progress));
    const durationMs = telemetry.nowMs() - startMs;
    telemetry.instruments['raft.fsm.restore'].record(durationMs);
    telemetry.instruments['raft.fsm.lastRestoreDuration'].record(durationMs);
  } catch (error) {
    const cause = asError(error);
    const text = `failed to restore snapshot ${meta.id}: ${cause.message}`;
    throw new RaftError('ERR_FSM_RESTORE', text, { cause });
  } finally {
    progress.end();
    void held.release();
  }
}
