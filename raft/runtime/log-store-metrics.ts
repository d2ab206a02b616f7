import type { Clock, TimerHandle } from '../../internal/clock.ts';
import { ErrLogNotFound } from '../errors.ts';
import type { Log, LogStore } from '../log.ts';
import type { Recorder } from '../metrics.ts';

/** How often a leader looks at the age of its log. */
export const LOG_STORE_METRICS_INTERVAL_MS = 10_000;

/**
 * The first entry of a log. It may be forgotten between the two questions, so they are asked again
 * as long as the first index moves. Throws what the store threw, or `ErrLogNotFound` when the log
 * is empty. Go: `oldestLog`.
 */
export async function oldestLog(logs: LogStore): Promise<Log> {
  for (let failedIndex = 0; ; ) {
    const firstIndex = await logs.firstIndex();
    if (firstIndex === 0) throw ErrLogNotFound;
    try {
      return await logs.getLog(firstIndex);
    } catch (error) {
      if (firstIndex === failedIndex) throw error;
      failedIndex = firstIndex;
    }
  }
}

/** The age of a log's first entry in milliseconds, 0 when it cannot be told. */
async function oldestLogAgeMs(logs: LogStore, clock: Clock): Promise<number> {
  try {
    const { appendedAt } = await oldestLog(logs);
    if (appendedAt.isZero) return 0;
    return clock.wallTime().getTime() - appendedAt.getTime();
  } catch {
    return 0;
  }
}

/**
 * Tells `oldestLogAge` every `intervalMs` how old the first entry of a log is. The handle ends
 * that. Go: `emitLogStoreMetrics`.
 */
export function emitLogStoreMetrics(
  logs: LogStore,
  oldestLogAge: Recorder,
  clock: Clock,
  intervalMs: number,
): TimerHandle {
  let timer: TimerHandle | null = null;
  let isOver = false;
  const arm = (): void => {
    timer = clock.setTimer(intervalMs, () => {
      void oldestLogAgeMs(logs, clock).then((ageMs) => {
        if (isOver) return;
        oldestLogAge.record(ageMs);
        arm();
      });
    });
  };
  arm();
  return {
    cancel() {
      isOver = true;
      timer?.cancel();
    },
  };
}
