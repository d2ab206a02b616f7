import { describe, expect, it } from 'vitest';
import { newLeader, peerOf, voteFor } from '../../testing/core-fixture.ts';
import { type Effect, Effects, isDurable } from './effect.ts';

const told: Effect = { kind: 'settle', ticket: 1, value: undefined };
const seen: Effect = { kind: 'observe', data: { kind: 'RaftState', state: 0 } };

describe('persistHardState', () => {
  it('joins the vote to the term that the same step has just raised', () => {
    const out = new Effects();
    out.persistHardState(5, null);
    out.push(seen);
    out.persistHardState(5, voteFor('b', 5));
    expect(out.list).toEqual([{ kind: 'persistHardState', term: 5, vote: voteFor('b', 5) }, seen]);
  });

  it('keeps a vote when the term is saved again', () => {
    const out = new Effects();
    out.persistHardState(5, voteFor('b', 5));
    out.persistHardState(5, null);
    expect(out.list).toEqual([{ kind: 'persistHardState', term: 5, vote: voteFor('b', 5) }]);
  });

  it('does not join what belongs to another term', () => {
    const out = new Effects();
    out.persistHardState(5, null);
    out.persistHardState(6, voteFor('b', 6));
    expect(out.list).toHaveLength(2);
  });

  it('does not slip in front of what is visible outside', () => {
    const out = new Effects();
    out.persistHardState(5, null);
    out.push(told);
    out.persistHardState(5, voteFor('b', 5));
    expect(out.list.map(({ kind }) => kind)).toEqual([
      'persistHardState',
      'settle',
      'persistHardState',
    ]);
  });
});

describe('isDurable', () => {
  it('tells what the rest of a list waits for from what is only started', () => {
    expect(isDurable({ kind: 'persistHardState', term: 1, vote: null })).toBe(true);
    expect(isDurable({ kind: 'awaitDurable', index: 1 })).toBe(true);
    expect(isDurable({ kind: 'append', entries: [] })).toBe(true);
    expect(isDurable({ kind: 'replaceTail', from: 1, upTo: 1, entries: [] })).toBe(true);
    expect(isDurable({ kind: 'dropLog' })).toBe(true);
    expect(isDurable({ kind: 'restoreSnapshot', id: 'x', index: 1, term: 1 })).toBe(true);
    expect(isDurable(told)).toBe(false);
    expect(isDurable(seen)).toBe(false);
    expect(isDurable({ kind: 'compactLog', upTo: 1 })).toBe(false);
  });
});

describe('timers', () => {
  it('stand apart from the list, in order', () => {
    const { node, leadership } = newLeader();
    const peer = peerOf(node, 'b');
    const out = new Effects();
    out.setTimer('election', 100);
    out.cancelTimer('election');
    out.setPeerTimer(leadership, peer, 'beat', 10);
    expect(out.timers).toEqual([
      { timer: 'election', delayMs: 100 },
      { timer: 'election', delayMs: null },
      { timer: 'beat', delayMs: 10, leadership, peer },
    ]);
    expect(out.list).toEqual([]);
  });
});
