import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { buildFirst, killPrograms, runProgram } from './program.ts';

beforeAll(buildFirst);
afterEach(killPrograms);

const torture = (...args: string[]) => runProgram('dist/testing/torture/main.js', args);

/** What `npm run torture` does at length. */
describe('torture', () => {
  it('finds a bug that is planted, and names the rule', async () => {
    const { code, out, err } = await torture('--plant', 'entry-checksum-unread', '--minutes', '2');
    expect(`${out}${err}`).toMatch(/^entry-checksum-unread after \d+ s: caught: damage-is-named/m);
    expect(code).toBe(0);
  });

  it.each([
    [['--only', 'rain'], 'no fault is called "rain"'],
    [['--plant', 'ivy'], 'no bug is called "ivy": there are commit-quorum-off-by-one, '],
    [['--minutes', '0'], 'expected --minutes above 0'],
    [['--seed', 'x'], 'a whole number for --seed'],
  ])('refuses %j', async (args, text) => {
    const { code, err } = await torture(...args);
    expect(err).toContain(text);
    expect(code).toBe(1);
  });
});
