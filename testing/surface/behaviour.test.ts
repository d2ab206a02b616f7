import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT, readText, sourceOf } from '../tidy/source-tree.ts';
import {
  behaviourPage,
  holdersIn,
  marksOf,
  REASONS,
  readHolders,
  readRequirements,
  readRows,
  reasonsIn,
  rowsOf,
  strayMarks,
} from './behaviour.ts';

const rows = readRows();

describe('a title', () => {
  it('ends with its numbers, in one pair of parentheses', () => {
    expect(marksOf('refuses a second one (S13, test 3, #695)')).toEqual({
      plain: 'refuses a second one',
      marks: ['S13', 'test 3', '#695'],
    });
  });

  it.each(['waits (S)', 'waits (S1 and S2)', 'waits (S1) long', 'waits (upstream #1)'])(
    'has none when it is %s',
    (title) => {
      expect(marksOf(title).marks).toEqual([]);
    },
  );
});

describe('the holders', () => {
  it('are tests, each row of a table of tests, and cases of conformance suites', () => {
    const test = sourceOf(
      'a.test.ts',
      "describe('a', () => { it('b (S1)', f); it.each([1])('c %s (S2)', f); it(`d (S3)`, f) });",
    );
    expect(holdersIn(test).map(({ title, marks }) => [title, marks])).toEqual([
      ['a b', ['S1']],
      ['a c %s', ['S2']],
      ['a d', ['S3']],
    ]);
    const suite = sourceOf('testing/conformance/a.ts', "const c = { name: 'b (S4)', run };");
    expect(holdersIn(suite).map(({ title }) => title)).toEqual(['b']);
  });
});

describe('the reasons', () => {
  it('are lines of a document, which may go on', () => {
    const reasons = reasonsIn('- S1, test 2: there is\n  none.\n- not one\n');
    expect([...reasons]).toEqual([
      ['S1', 'there is none.'],
      ['test 2', 'there is none.'],
    ]);
  });
});

describe('the table', () => {
  it('has an empty cell where nothing holds and no reason is given', () => {
    const requirements = ['S1', 'S2', 'S3', 'S4'].map((mark) => {
      return { mark, text: 'x', isRequired: mark !== 'S4' };
    });
    const holders = [{ path: 'a.test.ts', title: 'a', marks: ['S1'] }];
    const page = behaviourPage(rowsOf(requirements, holders, new Map([['S2', 'why']])));
    expect(page).toContain('| S1 | x | a (`a.test.ts`) |');
    expect(page).toContain('| S2 | x | does not apply: why |');
    expect(page).toContain('| S3 | x |  |');
    expect(page).not.toContain('S4');
  });

  it('asks for every rule, every test of Go and every defect of upstream', () => {
    const required = readRequirements().filter(({ isRequired }) => isRequired);
    expect(required.map(({ mark }) => mark)).toEqual([
      ...Array.from({ length: 204 }, (_, i) => `S${i + 1}`),
      ...Array.from({ length: 154 }, (_, i) => `test ${i + 1}`),
      ...[695, 661, 697, 696, 612, 611, 503, 714, 651, 85, 86].map((n) => `#${n}`),
    ]);
  });

  it('has no empty cell', () => {
    const empty = rows.filter((row) => row.holders.length === 0 && row.reason === undefined);
    expect(empty.map(({ mark, text }) => `${mark}: ${text}`)).toEqual([]);
  });

  it('knows every number that is given', () => {
    const reasons = reasonsIn(readText(REASONS));
    expect(strayMarks(readRequirements(), readHolders(), reasons)).toEqual([]);
  });

  it('is what docs/behaviour.md shows; `npm run docs:tables` writes it anew', async () => {
    await expect(behaviourPage(rows)).toMatchFileSnapshot(join(ROOT, 'docs/behaviour.md'));
  });
});
