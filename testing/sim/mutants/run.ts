import { runSimulation } from '../simulator.ts';
import type { Mutant } from './mutant.ts';
import { plant } from './plant.ts';

/** What became of a planted bug. */
export interface Hunted {
  /** How many runs it took until a rule named it; `null` when none did. */
  readonly runs: number | null;
  /** The rule that did, or every rule that was seen, for a report. */
  readonly found: string;
  /** What the unplanted code did wrong with the same seeds; `null` for nothing. */
  readonly unplanted: string | null;
}

/** Runs a planted bug on seed after seed, and the code as it is on the same seeds. */
export async function hunt(mutant: Mutant, limit = mutant.seeds): Promise<Hunted> {
  const planted = await plant(mutant.edits);
  const seen: string[] = [];
  for (let seed = 1; seed <= limit; seed += 1) {
    const options = { ...mutant.run, seed, traceLines: 0 };
    const { violation: own } = await runSimulation(options);
    if (own !== null) {
      const unplanted = `seed ${seed}: ${own.invariant}: ${own.message}`;
      return { runs: null, found: seen.join('\n'), unplanted };
    }
    const { violation } = await planted.runSimulation(options);
    if (violation === null) continue;
    const found = `${violation.invariant}: ${violation.message}`;
    if (mutant.caughtBy.includes(violation.invariant))
      return { runs: seed, found, unplanted: null };
    seen.push(`seed ${seed}: ${found}`);
  }
  return { runs: null, found: seen.slice(0, 3).join('\n') || 'nothing', unplanted: null };
}
