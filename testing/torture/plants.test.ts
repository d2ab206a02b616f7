import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { faults } from './faults.ts';
import { plants, withPlanted } from './plants.ts';

describe('a bug for torture', () => {
  it.each(plants)('$name is planted, and removed again', async ({ name, edits, fault }) => {
    expect(Object.keys(faults).filter((known) => known.includes(fault))).not.toEqual([]);
    let built = '';
    await withPlanted({ name: `test-${name}`, edits }, async (program) => {
      built = program;
      expect(await readFile(program, 'utf8')).toContain('async function startNode');
    });
    expect(existsSync(built)).toBe(false);
  });

  it('has a name of its own', () => {
    expect(new Set(plants.map(({ name }) => name)).size).toBe(plants.length);
  });
});
