import { TermIndex, type TermRun } from '../core/term-index.ts';
import { ErrLogNotFound, RaftError } from '../errors.ts';
import type { LogStore } from '../log.ts';

/** The term of a stored entry, undefined when there is none. */
type ReadTerm = (index: number) => Promise<number | undefined>;

/**
 * Builds the term index of a stored log by bisection (rule 18): terms never fall, so a range whose
 * two ends have the same term has it throughout. A log of ten million entries and a few dozen terms
 * costs a few hundred reads.
 *
 * @param snapshotIndex where a user restore may have left a hole; 0 for none
 */
export async function readTermIndex(logs: LogStore, snapshotIndex: number): Promise<TermIndex> {
  const first = await logs.firstIndex();
  const last = await logs.lastIndex();
  if (last === 0) return new TermIndex();
  if (first < 1 || first > last) {
    const text = `the log goes from ${first} to ${last}, which no log can`;
    throw new RaftError('ERR_STATE_DAMAGED', text);
  }
  const read: ReadTerm = async (index) => {
    try {
      return (await logs.getLog(index)).term;
    } catch (error) {
      if (error === ErrLogNotFound) return undefined;
      throw error;
    }
  };
  const runs: TermRun[] = [];
  const holeInside = snapshotIndex > first && snapshotIndex < last;
  if (holeInside && (await read(snapshotIndex)) === undefined) {
    await addRuns(read, first, await endOfRange(read, first, snapshotIndex), runs);
    await addRuns(read, await startOfRange(read, snapshotIndex, last), last, runs);
  } else {
    await addRuns(read, first, last, runs);
  }
  return new TermIndex(runs);
}

/** The last entry before a hole; `first` exists, `missing` does not. */
async function endOfRange(read: ReadTerm, first: number, missing: number): Promise<number> {
  let [there, gone] = [first, missing];
  while (gone - there > 1) {
    const middle = Math.floor((there + gone) / 2);
    if ((await read(middle)) === undefined) gone = middle;
    else there = middle;
  }
  return there;
}

/** The first entry behind a hole; `missing` does not exist, `last` does. */
async function startOfRange(read: ReadTerm, missing: number, last: number): Promise<number> {
  let [gone, there] = [missing, last];
  while (there - gone > 1) {
    const middle = Math.floor((there + gone) / 2);
    if ((await read(middle)) === undefined) gone = middle;
    else there = middle;
  }
  return there;
}

/**
 * The term of an entry that must be there: a log with a hole must not be taken for a shorter one.
 */
async function present(read: ReadTerm, index: number, last: number): Promise<number> {
  const term = await read(index);
  if (term !== undefined) return term;
  throw new RaftError(
    'ERR_STATE_DAMAGED',
    `the log has no entry ${index}, although it goes on to ${last}`,
  );
}

/** Adds the runs of a range without holes, oldest first. */
async function addRuns(
  read: ReadTerm,
  first: number,
  last: number,
  runs: TermRun[],
): Promise<void> {
  let start = first;
  const lastTerm = await present(read, last, last);
  while (start <= last) {
    const term = await present(read, start, last);
    let [inside, beyond] = term === lastTerm ? [last, last + 1] : [start, last];
    while (beyond - inside > 1) {
      const middle = Math.floor((inside + beyond) / 2);
      if ((await present(read, middle, last)) === term) inside = middle;
      else beyond = middle;
    }
    runs.push({ first: start, last: inside, term });
    start = inside + 1;
  }
}
