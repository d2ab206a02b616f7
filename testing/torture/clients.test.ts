import { describe, expect, it } from 'vitest';
import type { KeyValueInput } from '../check/index.ts';
import { Chapters } from './chapters.ts';
import { mayHaveHappened, outputOf } from './clients.ts';

const set: KeyValueInput = { op: 'set', key: 'k', value: 'a' };
const get: KeyValueInput = { op: 'get', key: 'k' };

describe('an operation that failed', () => {
  it.each([
    [set, 'node is not the leader', false],
    [set, 'leadership transfer in progress', false],
    [set, 'timed out enqueuing operation', false],
    [set, 'node n1 does not run', false],
    [set, 'leadership lost while committing log', true],
    [set, 'raft is already shutdown', true],
    [set, 'apply was not answered in 2000 ms', true],
    [set, 'the peer has ended: node is not the leader', true],
    [get, 'get was not answered in 2000 ms', false],
  ])('may have happened, or not: %j, %s', (input, error, expected) => {
    expect(mayHaveHappened(input, error)).toBe(expected);
  });
});

describe('an answer', () => {
  it('says what was there, what is there, or whether it was written', () => {
    expect(outputOf(get, { value: 'a' })).toBe('a');
    expect(outputOf(get, { value: null })).toBeNull();
    expect(outputOf(set, { response: { prev: 'b' } })).toBe('b');
    expect(outputOf({ op: 'delete', key: 'k' }, { response: { prev: null } })).toBeNull();
    const append = { op: 'append', key: 'k', value: 'c' } as const;
    expect(outputOf(append, { response: { value: 'bc' } })).toBe('bc');
    const cas = { op: 'cas', key: 'k', from: 'a', to: 'b' } as const;
    expect(outputOf(cas, { response: { ok: false, value: 'c' } })).toBe(false);
  });
});

describe('chapters', () => {
  it('tell what was answered, what is open, and nothing that did not happen', () => {
    let now = 0;
    const chapters = new Chapters(() => {
      now += 1;
      return now;
    });
    chapters.begin(1, set).answered(null);
    chapters.begin(1, get).didNotHappen();
    chapters.begin(2, set).gaveUp();
    const open = chapters.begin(2, get);
    expect(chapters.operations()).toEqual([
      { input: set, calledAt: 1, answer: { at: 2, output: null } },
      { input: set, calledAt: 4, answer: null },
      { input: get, calledAt: 5, answer: null },
    ]);
    chapters.forgetBefore(3);
    expect(chapters.operations()).toHaveLength(2);
    open.answered('a');
    expect(chapters.operations().at(-1)).toMatchObject({ answer: { at: 6, output: 'a' } });
    chapters.forgetBefore(2);
    expect(chapters.operations()).toHaveLength(2);
    chapters.forgetBefore(3);
    expect(chapters.operations()).toEqual([]);
  });
});
