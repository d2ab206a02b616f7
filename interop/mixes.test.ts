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

/**
 * Long enough for five processes that write to one disk: nobody shall lose a lease. Go takes what
 * many ask for in batches only when it is told to.
 */
const STEADY = {
  heartbeatTimeout: 750,
  electionTimeout: 750,
  leaderLeaseTimeout: 750,
  batchApplyCh: true,
};

const PRE_VOTES = ['on', 'off', 'mixed'] as const;
type PreVote = (typeof PRE_VOTES)[number];

function configOf(at: number, preVote: PreVote): object {
  const preVoteDisabled = preVote === 'off' || (preVote === 'mixed' && at % 2 === 0);
  return { ...STEADY, preVoteDisabled };
}

function specs(kinds: readonly Kind[], preVote: PreVote): NodeSpec[] {
  return kinds.map((kind, at) => ({ id: `n${at + 1}`, kind, config: configOf(at, preVote) }));
}

/** Starts every node anew, with another config. */
async function restart(of: Cluster, preVote: PreVote): Promise<void> {
  const nodes = [...of.nodes.values()];
  await Promise.all(nodes.map(({ spec }) => of.stop(spec.id, 'shutdown')));
  await Promise.all(
    nodes.map((node, at) => {
      node.spec = { ...node.spec, config: configOf(at, preVote) };
      return of.start(node.spec.id);
    }),
  );
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
  await of.ask(await of.leader(), 'verifyLeader');
  await of.agreement();
}

const MIXES: [string, Kind[]][] = [
  ['1 Go and 2 ours', ['go', 'ts', 'ts']],
  ['2 Go and 1 of ours', ['go', 'go', 'ts']],
  ['1 Go and 4 ours', ['go', 'ts', 'ts', 'ts', 'ts']],
  ['2 Go and 3 ours', ['go', 'go', 'ts', 'ts', 'ts']],
  ['3 Go and 2 ours', ['go', 'go', 'go', 'ts', 'ts']],
  ['4 Go and 1 of ours', ['go', 'go', 'go', 'go', 'ts']],
];

describe.each(MIXES)('%s', (_, kinds) => {
  it(`a leader of each kind has ${APPLIES} commands applied`, async () => {
    cluster = await Cluster.started(specs(kinds, 'on'));
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
    }
    const { size } = await cluster.agreement();
    expect(size).toBe(1000);
  });

  it('another leader follows one of each kind, with pre-vote on, off and mixed', async () => {
    const made = await Cluster.started(specs(kinds, 'on'));
    cluster = made;
    made.watchTerms();
    for (const preVote of PRE_VOTES) {
      if (preVote !== 'on') await restart(made, preVote);
      for (const kind of ['go', 'ts'] as const) {
        await made.makeLead(firstOf(made, kind));
        await electAnother(made);
      }
    }
    const { count } = await made.agreement();
    expect(count).toBe(2 * PRE_VOTES.length);
  });
});
