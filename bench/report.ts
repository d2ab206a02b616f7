import { contenders } from './contenders.ts';
import {
  comparisonsOf,
  isRate,
  type Results,
  type RowResult,
  ratioTo,
  valuesOf,
} from './results.ts';
import { median } from './statistics.ts';

const MIB = 2 ** 20;

function shown(value: number): string {
  if (Number.isNaN(value)) return '–';
  return value.toLocaleString('en', { maximumSignificantDigits: value < 1000 ? 3 : 5 });
}

function tableRow(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}

function detailsOf(result: RowResult): string[] {
  const { row, samples, repeated } = result;
  const rate = isRate(row);
  const unit = row.kind === 'idle' ? 'MiB' : 'ms';
  const head = [rate ? 'per second' : unit, 'p50 ms', 'p99 ms', 'CPU s per node', 'peak MiB'];
  const lines = [
    `### ${row.name}`,
    '',
    tableRow(['', ...head, 'ratio, 95 %']),
    '|---|---|---|---|---|---|---|',
  ];
  for (const name of row.contenders) {
    const of = samples[name] ?? [];
    const middle = (pick: (sample: (typeof of)[number]) => number | undefined): string =>
      shown(median(of.map((sample) => pick(sample) ?? Number.NaN)));
    const nodes = of[0]?.cpuSeconds?.map((_, i) => middle(({ cpuSeconds }) => cpuSeconds?.[i]));
    const peaks = of[0]?.peakBytes?.map((_, i) => middle((s) => (s.peakBytes?.[i] ?? 0) / MIB));
    const isOurs = name === row.contenders[0] || name === 'oursBest';
    const ratio = isOurs ? null : ratioTo(result, name);
    const again = repeated[name] ?? 0;
    lines.push(
      tableRow([
        contenders[name].name + (again > 0 ? ` (${again} rounds made again)` : ''),
        shown(median(valuesOf(result, name))),
        middle(({ p50Ms }) => p50Ms),
        middle(({ p99Ms }) => p99Ms),
        nodes?.join(', ') ?? '–',
        peaks?.join(', ') ?? '–',
        ratio === null
          ? ''
          : `${shown(ratio.middle)} (${shown(ratio.low)} to ${shown(ratio.high)})`,
      ]),
    );
  }
  return [...lines, ''];
}

function summaryOf(rows: readonly RowResult[]): string[] {
  const lines = [
    tableRow(['row', 'against', 'ours / theirs', '95 %', 'aim', '']),
    '|---|---|---|---|---|---|',
  ];
  for (const { row, against, ratio, aim, lessIsBetter, isReached } of comparisonsOf(rows)) {
    lines.push(
      tableRow([
        row,
        against,
        `**${shown(ratio.middle)}**`,
        `${shown(ratio.low)} to ${shown(ratio.high)}`,
        `${lessIsBetter ? '≤' : '≥'} ${aim}`,
        isReached ? 'reached' : 'not reached',
      ]),
    );
  }
  return [...lines, ''];
}

/** The tables of a run, in Markdown. */
export function reportOf({ date, command, machine, rows }: Results): string {
  const { cpu, cores, memoryGiB, system, node, go, fsyncMs } = machine;
  return [
    `Run of ${date} by \`${command}\` on ${cores} cores of ${cpu}, ${memoryGiB} GiB, ${system}; ` +
      `Node ${node}, ${go}; 4 KiB written and synced in ${shown(fsyncMs)} ms (median).`,
    '',
    'Of times other than those of a failover the table compares speeds: more is better.',
    '',
    ...summaryOf(rows),
    ...rows.flatMap(detailsOf),
  ].join('\n');
}
