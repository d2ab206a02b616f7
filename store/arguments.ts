import { RaftError } from '../raft/errors.ts';
import type { Log } from '../raft/log.ts';

function refuse(message: string): never {
  throw new RaftError('ERR_INVALID_ARGUMENT', message);
}

function isInteger(value: number, least: number): boolean {
  return Number.isSafeInteger(value) && value >= least;
}

/** Throws unless `value` is a whole number from `least` to 2^53-1; `what` names it in the text. */
export function checkInteger(what: string, value: number, least: number): void {
  if (isInteger(value, least)) return;
  refuse(`${what} must be an integer from ${least} to 2^53-1, got ${String(value)}`);
}

/**
 * Throws unless every entry can be stored. Looks at all of them first, so that a batch with one bad
 * entry is refused as a whole.
 *
 * @param from entries must not lie below this index
 */
export function checkLogs(logs: readonly Log[], from = 1): void {
  for (const log of logs) {
    checkInteger('log index', log.index, 1);
    if (!isInteger(log.term, 0)) checkInteger(`term of log ${log.index}`, log.term, 0);
    if (log.index < from) {
      refuse(`logs that replace the tail from ${from} must not lie below it, got ${log.index}`);
    }
  }
}

/** Throws unless the range of a deletion is made of indexes. A range may be empty. */
export function checkRange(min: number, max: number): void {
  checkInteger('start of the range', min, 0);
  checkInteger('end of the range', max, 0);
}

/**
 * Collects entries from `first` to `last` until the next one would bring their bytes above
 * `maxBytes`; the first is taken whatever its size. `undefined` when `read` finds one missing.
 */
export function collectRange(
  first: number,
  last: number,
  maxBytes: number,
  read: (index: number) => Log | undefined,
): Log[] | undefined {
  const logs: Log[] = [];
  let sizeBytes = 0;
  for (let index = first; index <= last; index += 1) {
    const log = read(index);
    if (log === undefined) return undefined;
    sizeBytes += (log.data?.length ?? 0) + (log.extensions?.length ?? 0);
    if (sizeBytes > maxBytes && logs.length > 0) break;
    logs.push(log);
  }
  return logs;
}
