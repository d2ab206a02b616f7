/**
 * Go's `backoff`: the base for rounds 1 and 2, then doubled each round up to `limit` rounds.
 *
 * @param baseMs wait of the first round, in milliseconds
 * @param round number of failures so far, 1 or more
 * @param limit round from which the wait no longer grows
 */
export function backoffMs(baseMs: number, round: number, limit: number): number {
  let waitMs = baseMs;
  for (let power = Math.min(round, limit); power > 2; power -= 1) waitMs *= 2;
  return waitMs;
}

/** {@link backoffMs}, never above `capMs` (Go's `cappedExponentialBackoff`). */
export function cappedBackoffMs(
  baseMs: number,
  round: number,
  limit: number,
  capMs: number,
): number {
  let waitMs = baseMs;
  for (let power = Math.min(round, limit); power > 2; power -= 1) {
    waitMs *= 2;
    if (waitMs > capMs) return capMs;
  }
  return Math.min(waitMs, capMs);
}
