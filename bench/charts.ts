import * as Plot from '@observablehq/plot';
import { parseHTML } from 'linkedom';
import { contenders } from './contenders.ts';
import { comparisonsOf, type RowResult, valuesOf } from './results.ts';
import { median } from './statistics.ts';

/** A chart and the name of its file. */
export interface Chart {
  readonly file: string;
  readonly title: string;
  readonly svg: string;
}

/** What is used of the element that Plot draws; the types of a browser are not loaded here. */
interface Drawn {
  setAttribute(name: string, value: string): void;
  readonly outerHTML: string;
}

const WIDTH = 820;
const ROW_HEIGHT = 26;
const TICKS = [0.125, 0.25, 0.5, 1, 2, 4, 8];
const RATIO_LABEL = 'ours / theirs, with 95 % of bootstrap samples';

function svgOf(options: Plot.PlotOptions): string {
  const { document } = parseHTML('<!doctype html><html><body></body></html>');
  const drawn: Drawn = Plot.plot({ document, width: WIDTH, ...options });
  drawn.setAttribute('xmlns', 'http://www.w3.org/2000/svg');
  drawn.setAttribute('style', 'background: white; color: black;');
  return `${drawn.outerHTML}\n`;
}

/** Each ratio that was aimed at with its interval; the aim is the diamond. */
function ratios(rows: readonly RowResult[]): Chart[] {
  const data = comparisonsOf(rows).map(({ row, against, ratio, aim, isReached, lessIsBetter }) => ({
    ...ratio,
    aim,
    name: `${row} : ${against}${lessIsBetter ? ' (less is better)' : ''}`,
    verdict: isReached ? 'reached' : 'not reached',
  }));
  if (data.length === 0) return [];
  const svg = svgOf({
    height: 80 + ROW_HEIGHT * data.length,
    marginLeft: 400,
    x: { type: 'log', grid: true, ticks: TICKS, tickFormat: String, label: RATIO_LABEL },
    y: { domain: data.map(({ name }) => name), label: null },
    color: { domain: ['reached', 'not reached'], range: ['#1a7f37', '#bc4c00'] },
    marks: [
      Plot.ruleX([1], { strokeDasharray: '3 3' }),
      Plot.ruleY(data, { y: 'name', x1: 'low', x2: 'high', stroke: 'verdict', strokeWidth: 2 }),
      Plot.dot(data, { y: 'name', x: 'middle', fill: 'verdict', r: 4 }),
      Plot.dot(data, { y: 'name', x: 'aim', symbol: 'diamond', stroke: 'black', r: 5 }),
    ],
  });
  return [{ file: 'ratios.svg', title: 'Ratios and their aims', svg }];
}

/** Writes of 256 B to three nodes by durable contenders, by the number of writers. */
function byWriters(rows: readonly RowResult[]) {
  return rows.flatMap((result) => {
    const { row, samples } = result;
    if (row.kind !== 'load' || row.mode !== 'write' || row.bytes !== 256 || row.nodes !== 3) {
      return [];
    }
    return row.contenders.flatMap((name) => {
      if (contenders[name].store === 'inmem') return [];
      const p99 = median((samples[name] ?? []).map(({ p99Ms }) => p99Ms ?? Number.NaN));
      const rate = median(valuesOf(result, name));
      return [{ writers: row.clients, name: contenders[name].name, rate, p99 }];
    });
  });
}

function lines(rows: readonly RowResult[], value: 'rate' | 'p99', label: string): string {
  const data = byWriters(rows);
  const marked = { x: 'writers', y: value, stroke: 'name' };
  const last = Plot.selectLast({ x: 'writers', y: value, z: 'name', text: 'name' });
  return svgOf({
    height: 420,
    marginLeft: 60,
    marginRight: 150,
    x: { type: 'log', base: 2, label: 'writers', grid: true },
    y: { type: 'log', label, grid: true },
    marks: [
      Plot.lineY(data, marked),
      Plot.dot(data, marked),
      Plot.text(data, { ...last, textAnchor: 'start', dx: 8 }),
    ],
  });
}

/** The charts of a run; what it did not measure has none. */
export function chartsOf(rows: readonly RowResult[]): Chart[] {
  const charts = ratios(rows);
  if (byWriters(rows).length === 0) return charts;
  const rate = lines(rows, 'rate', 'writes per second');
  const p99 = lines(rows, 'p99', 'p99 of a write, ms');
  return [
    ...charts,
    { file: 'writes.svg', title: 'Writes of 256 B per second, three nodes', svg: rate },
    { file: 'latency.svg', title: 'p99 of a write of 256 B, three nodes', svg: p99 },
  ];
}
