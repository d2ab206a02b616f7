import process from 'node:process';

const { INTEROP_LONG } = process.env;

/** True when the rounds are to be longer. */
export const isLong = INTEROP_LONG === '1';

/** A number of rounds: the second one with `--long`. */
export function rounds(short: number, long: number): number {
  return isLong ? long : short;
}
