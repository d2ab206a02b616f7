import type { ContenderName } from './contenders.ts';
import type { Machine } from './machine.ts';
import type { Sample } from './measure.ts';
import type { Row } from './rows.ts';
import { type Interval, ratioOfMedians } from './statistics.ts';

/** The rounds of a row, in the order in which they were made; an aborted one is not among them. */
export interface RowResult {
  readonly row: Row;
  readonly samples: Readonly<Partial<Record<ContenderName, readonly Sample[]>>>;
  /** Rounds that were made again, because leadership was lost in the middle. */
  readonly repeated: Readonly<Partial<Record<ContenderName, number>>>;
}

/** A whole run, as it is written to bench/results. */
export interface Results {
  readonly date: string;
  readonly command: string;
  readonly machine: Machine;
  readonly rows: readonly RowResult[];
}

/** True where more is better. */
export function isRate({ kind }: Row): boolean {
  return kind === 'load';
}

export function valuesOf({ samples }: RowResult, name: ContenderName): number[] {
  return (samples[name] ?? []).map(({ value }) => value);
}

/** Ours to another one's, in which a larger number is better for a rate and worse for a time. */
export function ratioTo(result: RowResult, name: ContenderName): Interval | null {
  const [ours] = result.row.contenders;
  if (ours === undefined) return null;
  const theirs = valuesOf(result, name);
  const own = valuesOf(result, ours);
  return own.length === 0 || theirs.length === 0 ? null : ratioOfMedians(own, theirs);
}
