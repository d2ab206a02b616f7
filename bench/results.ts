import { type ContenderName, contenders } from './contenders.ts';
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

/** Who of ours another one is compared with: best settings with best settings. */
function rivalOf({ contenders: all }: Row, name: ContenderName): ContenderName | undefined {
  return name === 'walBest' && all.includes('oursBest') ? 'oursBest' : all[0];
}

/** Ours to another one's, in which a larger number is better for a rate and worse for a time. */
export function ratioTo(result: RowResult, name: ContenderName): Interval | null {
  const ours = rivalOf(result.row, name);
  if (ours === undefined) return null;
  const theirs = valuesOf(result, name);
  const own = valuesOf(result, ours);
  return own.length === 0 || theirs.length === 0 ? null : ratioOfMedians(own, theirs);
}

function inverse({ low, middle, high }: Interval): Interval {
  return { low: 1 / high, middle: 1 / middle, high: 1 / low };
}

/** A ratio that was aimed at, and what it came to. */
export interface Comparison {
  readonly row: string;
  readonly against: string;
  readonly ratio: Interval;
  readonly aim: number;
  /** True for a failover, whose times are compared; of all other rows speeds are. */
  readonly lessIsBetter: boolean;
  readonly isReached: boolean;
}

/** Every ratio that was aimed at, in the order of the rows. */
export function comparisonsOf(rows: readonly RowResult[]): Comparison[] {
  return rows.flatMap((result) =>
    result.row.contenders.flatMap((name) => {
      const { row } = result;
      const aim = row.aims?.[name];
      const found = ratioTo(result, name);
      if (aim === undefined || found === null) return [];
      const lessIsBetter = row.kind === 'failover';
      const inverted = !isRate(row) && !lessIsBetter;
      const ratio = inverted ? inverse(found) : found;
      const isReached = lessIsBetter ? ratio.middle <= aim : ratio.middle >= aim;
      const against = contenders[name].name;
      return [{ row: row.name, against, ratio, aim, lessIsBetter, isReached }];
    }),
  );
}
