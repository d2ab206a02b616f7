import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { chartsOf } from './charts.ts';
import { withMeasured } from './performance-page.ts';
import { reportOf } from './report.ts';
import { comparisonsOf, type RowResult } from './results.ts';
import { allRows } from './rows.ts';

/** A run in which ours is twice as fast as everybody else, and four times with best settings. */
function madeUp(): RowResult[] {
  return allRows().map((row) => {
    const ours = row.kind === 'load' ? 2000 : 500;
    const [first] = row.contenders;
    const sample = (value: number) => ({ value, p50Ms: 1, p99Ms: 2 });
    const samples = Object.fromEntries(
      row.contenders.map((name) => {
        if (name === 'oursBest') return [name, [sample(4000)]];
        return [name, [sample(name === first ? ours : 1000)]];
      }),
    );
    return { row, samples, repeated: {} };
  });
}

const machine = {
  cpu: 'a processor',
  cores: 2,
  memoryGiB: 8,
  system: 'linux 6',
  node: 'v20',
  go: 'go1.23',
  fsyncMs: 0.3,
};

describe('a comparison', () => {
  it('is of speeds, so that more is better, but of the times of failovers', () => {
    const found = comparisonsOf(madeUp());
    expect(found.length).toBeGreaterThan(10);
    for (const { row, against, ratio, lessIsBetter, isReached, aim } of found) {
      if (against === 'Go, raft-wal, best') continue;
      expect([row, lessIsBetter]).toEqual([row, row.startsWith('failover')]);
      expect([row, ratio.middle]).toEqual([row, lessIsBetter ? 0.5 : 2]);
      expect([row, isReached]).toEqual([row, lessIsBetter || aim <= 2]);
    }
  });

  it('is of best settings with best settings', () => {
    const found = comparisonsOf(madeUp()).filter(({ against }) => against === 'Go, raft-wal, best');
    expect(found.map(({ ratio }) => ratio.middle)).toEqual([4]);
  });
});

describe('the charts of a run', () => {
  it('are drawings that name what was measured, the same each time', () => {
    const charts = chartsOf(madeUp());
    expect(charts.map(({ file }) => file)).toEqual(['ratios.svg', 'writes.svg', 'latency.svg']);
    for (const { svg } of charts) {
      expect(svg).toMatch(/^<svg [^>]*xmlns="http:\/\/www.w3.org\/2000\/svg"/);
      expect(svg).toContain('Go, raft-wal');
      expect(svg).not.toMatch(/NaN|undefined/);
    }
    expect(chartsOf(madeUp())).toEqual(charts);
  });

  it('are left out where nothing was measured', () => {
    expect(chartsOf([])).toEqual([]);
  });
});

describe('the page', () => {
  it('takes the report of a run between its marks, and another one in its place', async () => {
    const page = await readFile(new URL('../docs/performance.md', import.meta.url), 'utf8');
    const report = reportOf({ date: '2026-01-01', command: 'made up', machine, rows: madeUp() });
    const once = withMeasured(page, report);
    expect(once).toContain('`made up` on 2 cores of a processor');
    expect(once).toContain('| not reached |');
    expect(withMeasured(withMeasured(page, 'something else'), report)).toBe(once);
    expect(() => withMeasured('no marks', report)).toThrow('expected <!-- measured');
  });
});
