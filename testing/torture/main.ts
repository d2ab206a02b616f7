/**
 * Tortures real processes: `npm run torture -- --minutes N [--seed N] [--only FAULT]`. One fault
 * after the other, while clients write and read. In the end all nodes must agree, no term may have
 * had two leaders, and what the clients saw must be linearizable. With `--plant NAME`, or
 * `--plant all`, our nodes have a bug, and it must be found within the minutes.
 */
import process from 'node:process';
import { parseArgs } from 'node:util';
import { asError } from '../../raft/errors.ts';
import { faults } from './faults.ts';
import { type Plant, plants, withPlanted } from './plants.ts';
import { type TortureOptions, torture } from './torture.ts';
import { Violation } from './verdict.ts';

function faultsNamed(part: string): string[] {
  const names = Object.keys(faults).filter((name) => name.includes(part));
  if (names.length === 0) throw new Error(`no fault is called "${part}"`);
  return names;
}

function plantsNamed(name: string): readonly Plant[] {
  const found = plants.filter((plant) => name === 'all' || plant.name === name);
  if (found.length > 0) return found;
  const known = plants.map((plant) => plant.name).join(', ');
  throw new Error(`no bug is called "${name}": there are ${known}, and all`);
}

/** True when torture finds the bug, by a rule that it must break. */
async function finds(plant: Plant, options: TortureOptions): Promise<boolean> {
  const { name, title, fault, caughtBy } = plant;
  console.log(`${name}: ${title}`);
  const startMs = performance.now();
  let found = 'nothing';
  await withPlanted(plant, async (program) => {
    Object.assign(process.env, { INTEROP_PEER: program });
    const names = faultsNamed(fault);
    // A node without the bug could make good what the others have done.
    const planted = { ...options, names, mayUseGo: false, keepsData: false };
    await torture(planted).catch((error) => {
      found = asError(error).message;
      if (error instanceof Violation && caughtBy.includes(error.rule)) found = `caught: ${found}`;
    });
  });
  const seconds = ((performance.now() - startMs) / 1000).toFixed(0);
  console.log(`${name} after ${seconds} s: ${found}`);
  return found.startsWith('caught: ');
}

async function main(): Promise<void> {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({ options: { minutes: text, seed: text, only: text, plant: text } });
  const minutes = Number(values.minutes ?? (values.plant === undefined ? 1 : 3));
  const seed = Number(values.seed ?? Date.now() % 1_000_000);
  if (!(minutes > 0) || !Number.isSafeInteger(seed)) {
    throw new Error('expected --minutes above 0 and a whole number for --seed');
  }
  const names = faultsNamed(values.only ?? '');
  const options = {
    minutes,
    seed,
    names,
    mayUseGo: true,
    keepsData: true,
    say: (line: string) => console.log(line),
  };
  if (values.plant !== undefined) {
    const missed: string[] = [];
    const chosen = plantsNamed(values.plant);
    for (const plant of chosen) if (!(await finds(plant, options))) missed.push(plant.name);
    if (missed.length > 0) throw new Error(`not found: ${missed.join(', ')}`);
    console.log(`ok: ${chosen.length} planted bugs found`);
    return;
  }
  const report = await torture(options);
  console.log(
    `ok: ${report.faults} faults of ${report.kinds} kinds, ${report.answered} operations ` +
      `answered, ${report.unknown} of unknown outcome, linearizable`,
  );
}

// Whatever ends this process, its mounts go with it; the peers end with their input.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
try {
  await main();
  process.exit(0);
} catch (error) {
  console.error(`FAILED: ${asError(error).message}`);
  process.exit(1);
}
