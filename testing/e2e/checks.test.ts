import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { buildFirst, killPrograms, runProgram } from './program.ts';

beforeAll(buildFirst);
afterEach(killPrograms);

/** Short forms of what `npm run e2e:…` does at length. */
describe('real processes', () => {
  it.each([
    ['kill.js', ['--rounds', '2']],
    ['pause.js', ['--rounds', '1']],
    ['garbage.js', ['--rounds', '300']],
    ['disk-full.js', []],
  ])('%s holds', async (script, args) => {
    const { code, out } = await runProgram(`dist/testing/e2e/${script}`, args);
    expect(out).toMatch(/^ok: /m);
    expect(code).toBe(0);
  });

  it('refuse bad arguments', async () => {
    const { code, out } = await runProgram('dist/testing/e2e/kill.js', ['--rounds', 'many']);
    expect(out).toMatch(/^FAILED: .*--rounds: expected a whole number/);
    expect(code).toBe(2);
  });
});
