/**
 * Puts the newest run in bench/results into docs/performance.md, with its charts:
 * `npm run bench:publish`, or with the name of another run's file.
 */
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { chartsOf } from './charts.ts';
import { withMeasured } from './performance-page.ts';
import { reportOf } from './report.ts';
import type { Results } from './results.ts';

const RESULTS = 'bench/results';
const PAGE = 'docs/performance.md';
const CHARTS = 'docs/performance';

async function newestRun(): Promise<string> {
  const newest = (await readdir(RESULTS))
    .filter((name) => name.endsWith('.json'))
    .sort()
    .at(-1);
  if (newest === undefined) throw new Error(`no run in ${RESULTS}: npm run bench makes one`);
  return path.join(RESULTS, newest);
}

const file = process.argv[2] ?? (await newestRun());
const results: Results = JSON.parse(await readFile(file, 'utf8'));
const charts = chartsOf(results.rows);
await mkdir(CHARTS, { recursive: true });
for (const chart of charts) await writeFile(path.join(CHARTS, chart.file), chart.svg);
const images = charts.map((chart) => `![${chart.title}](performance/${chart.file})`);
const page = await readFile(PAGE, 'utf8');
await writeFile(PAGE, withMeasured(page, [...images, reportOf(results)].join('\n\n')));
console.log(`${PAGE} shows ${file}, with ${charts.length} charts`);
