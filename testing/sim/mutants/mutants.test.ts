import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { mutants } from './index.ts';
import { plant } from './plant.ts';
import { brokenRules } from './rules.ts';
import { hunt } from './run.ts';

describe('a bug planted on purpose', () => {
  it.each(brokenRules)('against rule $rule is caught: $title', async (mutant) => {
    const { runs, found, unplanted } = await hunt(mutant);
    expect(unplanted).toBeNull();
    expect(runs, found).not.toBeNull();
  });

  it('must be where its text is, exactly once, and in the simulator', async () => {
    const edit = { file: 'raft/state.ts', find: 'no such text', replace: '' };
    await expect(plant([edit])).rejects.toThrow('0 times');
    await expect(plant([{ ...edit, find: 'e' }])).rejects.toThrow(/has the text to replace \d\d/);
    const elsewhere = { ...edit, file: 'store/lmdb-store.ts' };
    await expect(plant([elsewhere])).rejects.toThrow('no part of testing/sim');
  });

  it('is there for each of the rules 1 to 12', () => {
    const rules = new Set(brokenRules.map(({ rule }) => rule));
    for (let rule = 1; rule <= 12; rule += 1) expect(rules).toContain(rule);
  });

  it('has a name of its own, and there are forty at least', () => {
    expect(new Set(mutants.map(({ name }) => name)).size).toBe(mutants.length);
    expect(mutants.length).toBeGreaterThanOrEqual(40);
  });

  it('finds its text in the code as it is', async () => {
    for (const { name, edits } of mutants) {
      for (const { file, find } of edits) {
        const text = await readFile(new URL(`../../../${file}`, import.meta.url), 'utf8');
        expect(text.split(find).length - 1, `${name}: ${find}`).toBe(1);
      }
    }
  });
});
