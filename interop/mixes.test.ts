import { afterEach, describe, expect, it } from 'vitest';
import { Cluster, type NodeSpec } from './suite/cluster.ts';
import { rounds } from './suite/long.ts';
import { type Kind, killPeers } from './suite/peer-process.ts';

let cluster: Cluster | undefined;

afterEach(async () => {
  cluster?.checkOneLeaderATerm();
  await cluster?.close();
  await killPeers();
});

const APPLIES = rounds(20_000, 100_000);
const IN_ONE_REQUEST = 500;
const REQUESTS_IN_FLIGHT = 4;

/** Five processes that all write to one disk keep two cores busy; nobody shall lose a lease. */
const PATIENT = { heartbeatTimeout: 1500, electionTimeout: 1500, leaderLeaseTimeout: 1500 };

type PreVote = 'on' | 'off' | 'mixed';

function specs(kinds: readonly Kind[], preVote: PreVote): NodeSpec[] {
  return kinds.map((kind, at) => ({
    id: `n${at + 1}`,
    kind,
    config: {
      ...PATIENT,
      preVoteDisabled: preVote === 'off' || (preVote === 'mixed' && at % 2 === 0),
    },
  }));
}

function firstOf(of: Cluster, kind: Kind): string {
  const found = [...of.nodes.values()].find(({ spec }) => spec.kind === kind);
  if (found === undefined) throw new Error(`there is no ${kind} node`);
  return found.spec.id;
}

/** Applies many commands through one node, several requests at a time. */
async function applyAll(of: Cluster, leader: string, count: number): Promise<void> {
  let next = 0;
  const send = async () => {
    while (next < count) {
      const from = next;
      next = Math.min(next + IN_ONE_REQUEST, count);
      const cmds = Array.from({ length: next - from }, (_, at) => ({
        op: 'set',
        key: `k${(from + at) % 1000}`,
        value: `${from + at}`,
      }));
      const { results } = await of.ask(leader, 'applyMany', { cmds });
      if (!Array.isArray(results)) throw new Error('expected results');
      const refused = results.filter(({ ok }) => ok !== true);
      expect(refused.slice(0, 3)).toEqual([]);
    }
  };
  await Promise.all(Array.from({ length: REQUESTS_IN_FLIGHT }, send));
}

/** Kills the leader, lets the others elect one, and starts it again. */
async function electAnother(of: Cluster): Promise<void> {
  const old = await of.leader();
  await of.stop(old);
  const next = await of.leader();
  expect(next).not.toBe(old);
  await of.ask(next, 'apply', { cmd: { op: 'set', key: 'led', value: next } });
  await of.start(old);
  await of.agreement();
}

const MIXES: [string, Kind[], PreVote][] = [
  ['1 Go and 2 ours, pre-vote on', ['go', 'ts', 'ts'], 'on'],
  ['2 Go and 1 of ours, pre-vote off', ['go', 'go', 'ts'], 'off'],
  ['2 Go and 1 of ours, pre-vote mixed', ['go', 'go', 'ts'], 'mixed'],
  ['2 Go and 3 ours, pre-vote mixed', ['go', 'go', 'ts', 'ts', 'ts'], 'mixed'],
  ['3 Go and 2 ours, pre-vote on', ['go', 'go', 'go', 'ts', 'ts'], 'on'],
];

describe.each(MIXES)('%s', (_, kinds, preVote) => {
  it(`applies ${APPLIES} commands under a leader of each kind, and elects others`, async () => {
    cluster = await Cluster.started(specs(kinds, preVote));
    cluster.watchTerms();
    for (const kind of ['go', 'ts'] as const) {
      const leader = firstOf(cluster, kind);
      await cluster.makeLead(leader);
      const { index: before } = await cluster.agreement();
      await applyAll(cluster, leader, APPLIES);
      await cluster.ask(leader, 'barrier');
      await cluster.ask(leader, 'verifyLeader');
      const { index, count } = await cluster.agreement();
      expect(Number(index) - Number(before)).toBeGreaterThanOrEqual(APPLIES);
      expect(Number(count)).toBeGreaterThanOrEqual(APPLIES);
      await electAnother(cluster);
    }
    const { size } = await cluster.agreement();
    expect(size).toBe(1001);
  });
});
