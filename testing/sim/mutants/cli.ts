import process from 'node:process';
import { mutants } from './index.ts';
import { hunt } from './run.ts';

/** Hunts every planted bug, or those that are named, and says how many runs each took. */
async function main(names: readonly string[]): Promise<number> {
  const chosen = mutants.filter(({ name }) => names.length === 0 || names.includes(name));
  const counts: number[] = [];
  for (const mutant of chosen) {
    const { runs, found, unplanted } = await hunt(mutant);
    const end = runs === null ? `NOT CAUGHT in ${mutant.seeds}` : `${runs}`;
    console.log(`${mutant.name.padEnd(34)} ${end.padStart(5)}  ${unplanted ?? found}`);
    if (runs !== null) counts.push(runs);
  }
  counts.sort((a, b) => a - b);
  const median = counts[Math.floor(counts.length / 2)] ?? 0;
  console.log(`${counts.length} of ${chosen.length} caught, median ${median} runs`);
  return counts.length === chosen.length && counts.length > 0 && median < 500 ? 0 : 1;
}

process.exitCode = await main(process.argv.slice(2));
