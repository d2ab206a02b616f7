import { describe, expect, it } from 'vitest';
import {
  appended,
  appendReplied,
  beatReplied,
  command,
  commitWith,
  type EffectOf,
  elect,
  kindsOf,
  newLeader,
  newNode,
  only,
  peerOf,
  posted,
  sent,
  server,
  step,
  voters,
} from '../../testing/core-fixture.ts';
import { Configuration, ConfigurationChangeCommand, ServerSuffrage } from '../configuration.ts';
import { ErrLeadershipLost, ErrNotLeader } from '../errors.ts';
import type { Effects } from './effect.ts';
import type { NodeState } from './node.ts';
import { PendingReads } from './verify-leader.ts';

/** A leader all of whose first heartbeats are answered; its commit index is 2. */
function idle(servers = voters('a', 'b', 'c')): NodeState {
  const node = newNode({ servers });
  const { out } = elect(node);
  for (const beat of only(out, 'sendHeartbeat')) beatReplied(node, beat);
  commitWith(node, servers.servers[1]?.id ?? '', 2);
  if (node.commitIndex < 2) commitWith(node, servers.servers[2]?.id ?? '', 2);
  return node;
}

function beatTo(out: Effects, id: string): EffectOf<'sendHeartbeat'> {
  const found = only(out, 'sendHeartbeat').find(({ peer }) => peer.server.id === id);
  if (found === undefined) throw new Error(`expected a heartbeat to ${id}`);
  return found;
}

const verify = { kind: 'verify', ticket: 7 } as const;
const settled = (value: unknown, ticket = 7) => ({ kind: 'settle', ticket, value });

describe('verifying the leadership', () => {
  it('asks every voter at once, and is answered by a majority (S67)', () => {
    const node = idle();
    const out = step(node, verify);
    expect(only(out, 'sendHeartbeat').map(({ peer }) => peer.server.id)).toEqual(['b', 'c']);
    expect(kindsOf(out)).toEqual(['sendHeartbeat', 'sendHeartbeat']);
    expect(beatReplied(node, beatTo(out, 'c')).list).toEqual([settled(undefined)]);
    expect(beatReplied(node, beatTo(out, 'b')).list).toEqual([]);
  });

  it('is answered at once when the leader is the only voter (S67, test 35)', () => {
    const { node } = newLeader({ servers: voters('a') });
    expect(step(node, verify).list).toEqual([settled(undefined)]);
  });

  it('is refused by whoever does not lead', () => {
    const error = ErrNotLeader;
    expect(step(newNode(), verify).list).toEqual([{ kind: 'settleError', ticket: 7, error }]);
    const read = { kind: 'readIndex', ticket: 8 } as const;
    expect(step(newNode(), read).list).toEqual([{ kind: 'settleError', ticket: 8, error }]);
  });

  it('takes no answer to a request that was sent before the question (S53, S68)', () => {
    const node = newNode();
    const { out: greeting } = elect(node);
    const out = step(node, verify);
    expect(out.list).toEqual([]);
    const next = beatReplied(node, beatTo(greeting, 'b'));
    expect(kindsOf(next)).toEqual(['sendHeartbeat']);
    expect(beatReplied(node, beatTo(next, 'b')).list).toEqual([settled(undefined)]);
  });

  it('counts no nonvoter (S67)', () => {
    const others = [server('b'), server('c'), server('n', ServerSuffrage.Nonvoter)];
    const node = idle(new Configuration([server('a'), ...others]));
    const out = step(node, verify);
    expect(only(out, 'sendHeartbeat').map(({ peer }) => peer.server.id)).toEqual(['b', 'c']);
    const n = peerOf(node, 'n');
    const leadership = { leadership: beatTo(out, 'b').leadership };
    const round = leadership.leadership.round + 5;
    const beat = { ...beatTo(out, 'b'), peer: n, round };
    expect(only(beatReplied(node, beat), 'settle')).toEqual([]);
    expect(beatReplied(node, beatTo(out, 'b')).list).toEqual([settled(undefined)]);
  });

  it('counts no refusal', () => {
    const node = idle();
    const out = step(node, verify);
    expect(beatReplied(node, beatTo(out, 'b'), { success: false }).list).toEqual([]);
    expect(beatReplied(node, beatTo(out, 'c')).list).toEqual([settled(undefined)]);
  });

  it('answers everybody who asked before, in order, and nobody who asked later', () => {
    const node = idle(voters('a', 'b', 'c', 'd', 'e'));
    const first = step(node, verify);
    step(node, { kind: 'verify', ticket: 8 });
    beatReplied(node, beatTo(first, 'b'));
    const out = beatReplied(node, beatTo(first, 'c'));
    expect(only(out, 'settle')).toEqual([settled(undefined, 7)]);
    const again = beatReplied(node, beatTo(out, 'c'));
    expect(only(again, 'settle')).toEqual([]);
  });

  it('is answered by log traffic as well', () => {
    const node = idle();
    step(node, verify);
    const out = step(node, { kind: 'propose', proposals: [command] });
    const request = only(out, 'sendAppend').find(({ peer }) => peer.server.id === 'b');
    if (request === undefined) throw new Error('expected a request to b');
    sent(node, request);
    expect(only(appendReplied(node, request, {}), 'settle')).toEqual([settled(undefined)]);
  });

  it('by a leader that is no voter any more needs a majority of the others', () => {
    const node = idle(voters('a', 'b', 'c', 'd'));
    node.configurations.latest = voters('b', 'c', 'd');
    const out = step(node, verify);
    expect(only(beatReplied(node, beatTo(out, 'b')), 'settle')).toEqual([]);
    expect(beatReplied(node, beatTo(out, 'c')).list).toEqual([settled(undefined)]);
  });

  it('is counted again when the membership changes', () => {
    const node = newNode({ servers: voters('a', 'b') });
    elect(node);
    commitWith(node, 'b', 2);
    expect(step(node, verify).list).toEqual([]);
    const { RemoveServer: command } = ConfigurationChangeCommand;
    const change = { command, serverID: 'b', serverAddress: '', prevIndex: 0 };
    const out = step(node, { kind: 'changeConfiguration', change, ticket: 8 });
    expect(only(out, 'settle')).toEqual([settled(undefined)]);
  });

  it('fails when the leadership ends (S67)', () => {
    const node = idle();
    const out = step(node, verify);
    const newer = beatReplied(node, beatTo(out, 'b'), { term: 9, success: false });
    const error = ErrLeadershipLost;
    expect(only(posted(node, newer), 'settleError')).toEqual([
      { kind: 'settleError', ticket: 7, error },
    ]);
  });
});

describe('a read index', () => {
  const read = { kind: 'readIndex', ticket: 7 } as const;

  it('is the commit index when it was asked for, told after a round', () => {
    const node = idle();
    const out = step(node, read);
    expect(kindsOf(out)).toEqual(['sendHeartbeat', 'sendHeartbeat']);
    step(node, { kind: 'propose', proposals: [command] });
    commitWith(node, 'c', 3);
    expect(node.commitIndex).toBe(3);
    expect(beatReplied(node, beatTo(out, 'b')).list).toEqual([settled(2)]);
  });

  it('waits until an entry of this term is committed, and then for a round of its own', () => {
    const node = newNode({ log: [1, 1], commitIndex: 2 });
    const { out: greeting } = elect(node);
    for (const beat of only(greeting, 'sendHeartbeat')) beatReplied(node, beat);
    expect(step(node, read).list).toEqual([]);
    const out = commitWith(node, 'b', 3);
    expect(kindsOf(out)).toContain('sendHeartbeat');
    expect(only(out, 'settle')).toEqual([]);
    expect(beatReplied(node, beatTo(out, 'b')).list).toEqual([settled(3)]);
  });

  it('of a lone voter waits for its own term as well', () => {
    const { node } = newLeader({ servers: voters('a') });
    expect(step(node, read).list).toEqual([]);
    const out = posted(node, appended(node, 2));
    expect(only(out, 'settle')).toEqual([settled(2)]);
    expect(step(node, read).list).toEqual([settled(2)]);
  });
});

describe('PendingReads', () => {
  it('gives up everybody, asked or held', () => {
    const reads = new PendingReads();
    reads.ask({ ticket: 1, round: 4, readIndex: undefined });
    reads.hold(2);
    expect(reads.isEmpty).toBe(false);
    expect(reads.abandon()).toEqual([1, 2]);
    expect(reads.abandon()).toEqual([]);
    expect(reads.isEmpty).toBe(true);
  });
});
