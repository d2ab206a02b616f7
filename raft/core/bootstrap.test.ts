import { describe, expect, it } from 'vitest';
import {
  configurationEntry,
  elect,
  kindsOf,
  newNode,
  server,
  stand,
  step,
  voteFor,
  voters,
} from '../../testing/core-fixture.ts';
import { Configuration, ServerSuffrage } from '../configuration.ts';
import { ErrCantBootstrap, ErrNotVoter } from '../errors.ts';
import { LogType } from '../log.ts';
import { RaftState } from '../state.ts';
import type { NodeState } from './node.ts';

const three = voters('a', 'b', 'c');

function fresh(options: Parameters<typeof newNode>[0] = {}): NodeState {
  return newNode({ servers: new Configuration(), log: [], ...options });
}

function bootstrap(node: NodeState, configuration = three) {
  return step(node, { kind: 'bootstrap', configuration, ticket: 7 });
}

describe('bootstrapping a running node', () => {
  it('saves term 1, then the configuration as entry 1, and then says so', () => {
    const node = fresh();
    const out = bootstrap(node);
    const first = { ...configurationEntry(1, 1, three), appendedAt: expect.anything() };
    expect(out.list).toEqual([
      { kind: 'persistHardState', term: 1, vote: null },
      { kind: 'append', entries: [first] },
      { kind: 'settle', ticket: 7, value: undefined },
    ]);
    expect(node).toMatchObject({ currentTerm: 1, commitIndex: 0 });
    expect(node.terms.runs).toEqual([{ first: 1, last: 1, term: 1 }]);
    expect(node.configurations).toMatchObject({ latest: three, latestIndex: 1, committedIndex: 0 });
  });

  it('makes it stand when nobody leads (S13)', () => {
    const node = fresh();
    stand(node);
    expect(node.role).toBe(RaftState.Follower);
    bootstrap(node);
    stand(node);
    expect(node.role).toBe(RaftState.Candidate);
  });

  it('can be done again when a crash came between the term and the entry', () => {
    expect(kindsOf(bootstrap(fresh({ currentTerm: 1 })))).toContain('append');
  });

  it('writes legacy peers at protocol 1', () => {
    const out = bootstrap(fresh({ config: { protocolVersion: 1 } }));
    expect(out.list[1]).toMatchObject({ entries: [{ type: LogType.LogRemovePeerDeprecated }] });
  });

  const nonvoter = new Configuration([server('a', ServerSuffrage.Nonvoter), server('b')]);
  const twice = new Configuration([server('a'), server('b'), server('b')]);
  it.each<[string, NodeState, Configuration, unknown]>([
    ['it is done a second time', newNode(), three, ErrCantBootstrap],
    ['the node has a later term', fresh({ currentTerm: 2 }), three, ErrCantBootstrap],
    [
      'the node has voted',
      fresh({ currentTerm: 1, vote: voteFor('b', 1) }),
      three,
      ErrCantBootstrap,
    ],
    [
      'the node has a snapshot',
      fresh({ snapshot: { index: 4, term: 1 } }),
      three,
      ErrCantBootstrap,
    ],
    ['the node is left out', fresh(), voters('b', 'c'), ErrNotVoter],
    ['it is left out of what is no configuration', fresh(), voters('b', 'b'), ErrNotVoter],
    ['the node is a nonvoter', fresh(), nonvoter, ErrNotVoter],
    ['a server is named twice', fresh(), twice, { code: 'ERR_INVALID_CONFIGURATION' }],
  ])('is refused when %s, and nothing is written (S20)', (_what, node, configuration, error) => {
    const before = node.currentTerm;
    const out = bootstrap(node, configuration);
    expect(out.list).toMatchObject([{ kind: 'settleError', ticket: 7, error }]);
    expect(node.currentTerm).toBe(before);
  });

  it('is refused by candidates and leaders, whatever they have (S43, S48)', () => {
    const node = newNode();
    stand(node);
    expect(bootstrap(node, voters('z')).list).toMatchObject([{ error: ErrCantBootstrap }]);
    const leader = newNode();
    elect(leader);
    expect(bootstrap(leader).list).toMatchObject([{ error: ErrCantBootstrap }]);
  });
});
