import { describe, expect, it } from 'vitest';
import { describeFailure, runSimulation } from '../simulator.ts';
import { mutants } from './index.ts';
import { plant } from './plant.ts';

describe('a bug planted on purpose', () => {
  it.each(mutants)('against rule $rule is caught: $title', async (mutant) => {
    const planted = await plant(mutant.edits);
    const seen: string[] = [];
    for (let seed = 1; seed <= mutant.seeds; seed += 1) {
      const options = { ...mutant.run, seed };
      const clean = await runSimulation(options);
      if (clean.violation !== null) throw new Error(`not planted: ${describeFailure(clean)}`);
      const { violation } = await planted.runSimulation(options);
      if (violation === null) continue;
      seen.push(`seed ${seed}: ${violation.invariant}: ${violation.message}`);
      if (mutant.caughtBy.includes(violation.invariant)) return;
    }
    expect.fail(
      `not caught by ${mutant.caughtBy.join(' or ')}; seen: ${seen.join('\n') || 'nothing'}`,
    );
  });

  it('must be where its text is, exactly once, and in the simulator', async () => {
    const edit = { file: 'raft/state.ts', find: 'no such text', replace: '' };
    await expect(plant([edit])).rejects.toThrow('0 times');
    await expect(plant([{ ...edit, find: 'e' }])).rejects.toThrow(/has the text to replace \d\d/);
    const elsewhere = { ...edit, file: 'store/lmdb-store.ts' };
    await expect(plant([elsewhere])).rejects.toThrow('no part of the simulator');
  });

  it('is there for each of the rules 1 to 12', () => {
    const rules = new Set(mutants.map(({ rule }) => rule));
    for (let rule = 1; rule <= 12; rule += 1) expect(rules).toContain(rule);
  });
});
