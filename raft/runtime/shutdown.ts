import type { Clock } from '../../internal/clock.ts';
import { RaftError } from '../errors.ts';

/** Waits for all, but not for ever: what is still under way at the limit is named. */
export async function untilEnded(
  clock: Clock,
  ends: Map<string, Promise<unknown>>,
  limitMs: number,
): Promise<void> {
  let limit = { cancel(): void {} };
  const late = new Promise<never>((_, reject) => {
    limit = clock.setTimer(limitMs, () => {
      const text = `${[...ends.keys()].join(', ')} did not end within ${limitMs} ms`;
      reject(new RaftError('ERR_SHUTDOWN_INCOMPLETE', text));
    });
  });
  const all = [...ends].map(async ([what, end]) => {
    await end;
    ends.delete(what);
  });
  try {
    await Promise.race([Promise.all(all), late]);
  } finally {
    limit.cancel();
  }
}
