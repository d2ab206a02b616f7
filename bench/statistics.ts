/** The middle one, or the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
}

/** A number between two others. */
export interface Interval {
  readonly low: number;
  readonly middle: number;
  readonly high: number;
}

const RESAMPLES = 2000;
const TAIL = 0.025;

/** Numbers from 0 to 1 that are the same in each run, so that a report is too. */
function newDice(): () => number {
  let state = 12345;
  return () => {
    state = (Math.imul(state, 1103515245) + 12345) >>> 0;
    return state / 2 ** 32;
  };
}

function resample(values: readonly number[], dice: () => number): number[] {
  return values.map(() => values[Math.floor(dice() * values.length)] ?? Number.NaN);
}

/**
 * The ratio of two medians, and where it lies in 95 of 100 bootstrap samples of the rounds. Nothing
 * is assumed of how the rounds are distributed.
 */
export function ratioOfMedians(ours: readonly number[], theirs: readonly number[]): Interval {
  const dice = newDice();
  const ratios = Array.from(
    { length: RESAMPLES },
    () => median(resample(ours, dice)) / median(resample(theirs, dice)),
  ).sort((a, b) => a - b);
  const at = (share: number): number => ratios[Math.floor(share * (RESAMPLES - 1))] ?? Number.NaN;
  return { low: at(TAIL), middle: median(ours) / median(theirs), high: at(1 - TAIL) };
}
