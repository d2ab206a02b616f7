import type { Clock } from '../../internal/clock.ts';

/** Resolves after `delayMs` on a clock. */
export function sleep(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => clock.setTimer(delayMs, resolve));
}

/** True when `promise` resolves within `limitMs`, false when the time is over first. */
export async function isWithin(
  clock: Clock,
  limitMs: number,
  promise: Promise<unknown>,
): Promise<boolean> {
  let cancel = (): void => {};
  const late = new Promise<boolean>((resolve) => {
    const timer = clock.setTimer(limitMs, () => resolve(false));
    cancel = () => timer.cancel();
  });
  try {
    return await Promise.race([promise.then(() => true), late]);
  } finally {
    cancel();
  }
}
