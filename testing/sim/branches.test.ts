import { readdir, readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { isReached, markedBranches } from './branches.ts';

const SOURCE = `
function f(x) {
  if (x === 1) return 0; // Fault: one
  if (x === 2) {
    // Fault: two
    g();
  }
  if (x === 3) { // Fault: three
    h();
  }
}
`;

const range = (text: string, count: number) => {
  const startOffset = SOURCE.indexOf(text);
  return { startOffset, endOffset: startOffset + text.length, count };
};

describe('a mark of a branch that handles a fault', () => {
  it('means the statement before it, or else the code behind it', () => {
    const found = markedBranches(SOURCE).map(({ what, offset }) => [what, SOURCE[offset]]);
    expect(found).toEqual([
      ['one', ';'],
      ['two', 'g'],
      ['three', 'h'],
    ]);
  });

  it('is reached when the smallest block around it was run', () => {
    const whole = range(SOURCE.trim(), 1);
    const blocks = [range('return 0;', 0), range('{\n    // Fault: two\n    g();\n  }', 1)];
    const functions = [{ ranges: [whole, ...blocks] }, { ranges: [range('h();', 0)] }];
    const reached = markedBranches(SOURCE).map(({ offset }) => isReached(functions, offset));
    expect(reached).toEqual([false, true, false]);
    expect(isReached([], 3)).toBe(false);
  });

  it('is there in the rules, forty times at least, and no two of a file say the same', async () => {
    const core = new URL('../../raft/core/', import.meta.url);
    const marks: string[] = [];
    for (const name of await readdir(core)) {
      if (name.endsWith('.test.ts')) continue;
      const found = markedBranches(await readFile(new URL(name, core), 'utf8'));
      marks.push(...found.map(({ what }) => `${name}: ${what}`));
    }
    expect(marks.length).toBeGreaterThanOrEqual(40);
    expect(new Set(marks).size).toBe(marks.length);
  });
});
