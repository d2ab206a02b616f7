import { describe, expect, it } from 'vitest';
import { at, elect, kindsOf, newNode, voteFor } from '../../testing/core-fixture.ts';
import { RaftState } from '../state.ts';
import { Effects } from './effect.ts';
import { adoptTerm, followNewerTerm } from './term.ts';

describe('adoptTerm', () => {
  it('saves a new term without a vote', () => {
    const node = newNode({ currentTerm: 2, vote: voteFor('b', 2) });
    const out = new Effects();
    adoptTerm(node, 5, out);
    expect(node.currentTerm).toBe(5);
    expect(out.list).toEqual([{ kind: 'persistHardState', term: 5, vote: null }]);
  });

  it('writes nothing when the term is the same', () => {
    const out = new Effects();
    adoptTerm(newNode({ currentTerm: 2 }), 2, out);
    expect(out.list).toEqual([]);
  });
});

describe('followNewerTerm', () => {
  it('changes the role first and saves the term next', () => {
    const node = newNode();
    elect(node);
    const out = new Effects();
    followNewerTerm(node, 9, at(0), out);
    expect(node).toMatchObject({ role: RaftState.Follower, currentTerm: 9 });
    expect(out.list.at(-1)).toEqual({ kind: 'persistHardState', term: 9, vote: null });
    expect(kindsOf(out).filter((kind) => kind === 'persistHardState')).toHaveLength(1);
  });
});
