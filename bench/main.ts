import { mkdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { parseArgs } from 'node:util';
import { type ContenderName, contenders } from './contenders.ts';
import { lookAtMachine } from './machine.ts';
import { type Length, newRunner, type Runner, type Sample } from './measure.ts';
import { reportOf } from './report.ts';
import type { Results, RowResult } from './results.ts';
import { allRows, quickRows, type Row } from './rows.ts';
import { checkSameResults } from './same-results.ts';

const USAGE = `npm run bench -- [--quick] [--only TEXT ...] [--rounds N] [--seconds N] [--json FILE]

  --quick      small rows, in about a minute: shows that the harness works, measures nothing
  --only TEXT  only rows with this text in their name, or with one of several such texts
  --rounds N   rounds of each contender, 5 by default; failovers have as many as they need
  --seconds N  length of a round under load, 10 by default
  --json FILE  where the figures go, bench/results/DATE.json by default`;

const MOST_REPEATS = 3;
const QUICK_SECONDS = 0.5;

interface Plan {
  readonly rows: readonly Row[];
  readonly rounds: number;
  readonly length: Length;
  readonly json: string | null;
}

function positive(name: string, text: string): number {
  const value = Number(text);
  if (value > 0 && Number.isFinite(value)) return value;
  throw new Error(`--${name}: expected a number above 0, got ${text}`);
}

function planOf(args: string[]): Plan {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args,
    options: {
      quick: { type: 'boolean' },
      only: { type: 'string', multiple: true },
      rounds: text,
      seconds: text,
      json: text,
    },
  });
  const { quick = false, only = [''], json } = values;
  const all = quick ? quickRows() : allRows();
  for (const part of only) {
    if (all.some(({ name }) => name.includes(part))) continue;
    const names = all.map(({ name }) => `  ${name}`).join('\n');
    throw new Error(`--only: no row has ${JSON.stringify(part)} in its name; there are\n${names}`);
  }
  const rows = all.filter(({ name }) => only.some((part) => name.includes(part)));
  const seconds = positive('seconds', values.seconds ?? String(quick ? QUICK_SECONDS : 10));
  const today = new Date().toISOString().slice(0, 10);
  return {
    rows,
    rounds: Math.ceil(positive('rounds', values.rounds ?? (quick ? '1' : '5'))),
    length: { seconds, warmUpSeconds: quick ? QUICK_SECONDS : 2 },
    json: json ?? (quick ? null : `bench/results/${today}.json`),
  };
}

/** A leader that lost its office in the middle has measured nothing: the round is made again. */
async function roundOf(runner: Runner, repeat: (error: unknown) => void): Promise<Sample> {
  for (let left = MOST_REPEATS; ; left -= 1) {
    try {
      return await runner.round();
    } catch (error) {
      if (left === 0) throw error;
      repeat(error);
    }
  }
}

/** The contenders take turns, so that whatever the machine does meanwhile does it to all. */
async function measureRow(row: Row, plan: Plan): Promise<RowResult> {
  const runners = new Map<ContenderName, Runner>();
  const samples: Partial<Record<ContenderName, Sample[]>> = {};
  const repeated: Partial<Record<ContenderName, number>> = {};
  const rounds = row.kind === 'failover' ? row.kills : plan.rounds;
  try {
    for (const name of row.contenders) {
      runners.set(name, await newRunner(row, contenders[name], plan.length));
    }
    for (let round = 0; round < rounds; round += 1) {
      for (const [name, runner] of runners) {
        const sample = await roundOf(runner, (error) => {
          repeated[name] = (repeated[name] ?? 0) + 1;
          console.error(`${contenders[name].name}: a round is made again: ${String(error)}`);
          console.error(runner.logs());
        });
        samples[name] = [...(samples[name] ?? []), sample];
      }
    }
  } finally {
    for (const runner of runners.values()) await runner.close();
  }
  return { row, samples, repeated };
}

async function main(): Promise<void> {
  const args = process.argv.slice(2);
  if (args.includes('--help')) return console.log(USAGE);
  let plan: Plan;
  try {
    plan = planOf(args);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exitCode = 2;
    return;
  }
  await checkSameResults();
  const machine = await lookAtMachine();
  const rows: RowResult[] = [];
  const quoted = args.map((arg) => (arg.includes(' ') ? `"${arg}"` : arg));
  const command = ['npm run bench --', ...quoted].join(' ').replace(/ --$/, '');
  for (const row of plan.rows) {
    console.error(row.name);
    rows.push(await measureRow(row, plan));
    const results: Results = { date: new Date().toISOString(), command, machine, rows };
    if (plan.json === null) continue;
    await mkdir(path.dirname(plan.json), { recursive: true });
    await writeFile(plan.json, `${JSON.stringify(results, null, 1)}\n`);
  }
  console.log(reportOf({ date: new Date().toISOString(), command, machine, rows }));
}

await main();
