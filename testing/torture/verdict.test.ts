import { describe, expect, it } from 'vitest';
import type { KeyValueInput, KeyValueOperation, KeyValueOutput } from '../check/index.ts';
import {
  type DamageReport,
  judgeDamage,
  judgeHistory,
  judgeLeaders,
  judgeStates,
  Violation,
} from './verdict.ts';

const asked = (
  input: KeyValueInput,
  calledAt: number,
  at: number,
  output: KeyValueOutput,
): KeyValueOperation => ({ input, calledAt, answer: { at, output } });

const set = (value: string) => ({ op: 'set', key: 'k', value }) as const;
const get = { op: 'get', key: 'k' } as const;

describe('the history of clients', () => {
  it('may be any that one state machine could have', () => {
    const pending = { input: set('b'), calledAt: 3, answer: null };
    judgeHistory([asked(set('a'), 1, 2, null), pending, asked(get, 4, 5, 'a')]);
    judgeHistory([asked(set('a'), 1, 2, null), pending, asked(get, 4, 5, 'b')]);
  });

  it.each([
    ['a write that was lost', [asked(set('a'), 1, 2, null), asked(get, 3, 4, null)]],
    [
      'a read from the past',
      [asked(set('a'), 1, 2, null), asked(set('b'), 3, 4, 'a'), asked(get, 5, 6, 'a')],
    ],
    ['a value that nobody wrote', [asked(get, 1, 2, 'a')]],
  ])('is broken by %s', (_, history) => {
    expect(() => judgeHistory(history)).toThrow(Violation);
    expect(() => judgeHistory(history)).toThrow(/^linearizable-history: no order of operations/);
  });

  it('is no proof, and no violation, when there are too many ways to explain it', () => {
    const unknown = Array.from({ length: 12 }, (_, at) => {
      const input = { op: 'append', key: 'k', value: `${at},` } as const;
      return { input, calledAt: 1, answer: null };
    });
    const history = [...unknown, asked(get, 2, 3, 'never')];
    let thrown: unknown;
    try {
      judgeHistory(history, { maxSteps: 1000 });
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ message: expect.stringMatching(/^nobody can judge/) });
    expect(thrown).not.toBeInstanceOf(Violation);
  });
});

describe('leaders', () => {
  it('may follow each other, and there is one a term', () => {
    judgeLeaders(new Map([1, 2].map((term) => [term, new Set([`n${term}`])])));
    const leaders = new Map([
      [1, new Set(['n1'])],
      [7, new Set(['n2', 'n3'])],
    ]);
    expect(() => judgeLeaders(leaders)).toThrow('one-leader-a-term: term 7 had the leaders n2 and');
  });
});

describe('states', () => {
  it('may be of different indexes, and are equal where those are', () => {
    const views = [
      { id: 'n1', index: 7, rest: 'a' },
      { id: 'n2', index: 8, rest: 'b' },
      { id: 'n3', index: 7, rest: 'a' },
    ];
    judgeStates(views);
    const other = { id: 'n4', index: 8, rest: 'c' };
    expect(() => judgeStates([...views, other])).toThrow('equal-states: at index 8 n2 has b, n4 c');
  });
});

describe('damage', () => {
  const out = 'bad: data.mdb, index 7: log 7 is damaged\ndo: Do not start a node on this data.\n';
  const seen: DamageReport = {
    name: 'log 7',
    isNeeded: true,
    verify: { code: 1, out },
    refusal: 'ended with 1: log 7 is damaged on disk',
  };

  it('is named by verify, and by the node that needs what is damaged', () => {
    judgeDamage(seen);
    judgeDamage({ ...seen, isNeeded: false });
    judgeDamage({ ...seen, isNeeded: false, refusal: null });
  });

  it.each<[string, Partial<DamageReport>]>([
    ['verify finds nothing', { verify: { code: 0, out: 'ok\n' } }],
    ['verify finds it and says that all is well', { verify: { code: 0, out } }],
    ['verify cannot be asked', { verify: { code: 2, out } }],
    ['verify names another entry', { verify: { code: 1, out: out.replaceAll('7', '77') } }],
    ['verify names it in passing', { verify: { code: 1, out: out.replace('bad:', 'seen:') } }],
    ['verify does not say what to do', { verify: { code: 1, out: out.replace('do:', 'see:') } }],
    ['a node starts without what it needs', { refusal: null }],
    ['a node names another entry', { refusal: 'log 77 is damaged on disk' }],
    ['a node does not say what is wrong', { refusal: 'ended with 1', isNeeded: false }],
  ])('is not handled when %s', (_, change) => {
    expect(() => judgeDamage({ ...seen, ...change })).toThrow(Violation);
  });
});
