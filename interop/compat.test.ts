import { afterEach, describe, expect, it } from 'vitest';
import { Cluster } from './suite/cluster.ts';
import { isLong } from './suite/long.ts';
import { type Kind, killPeers } from './suite/peer-process.ts';
import { waitFor } from './suite/wait.ts';

/*
 * Counterparts of hashicorp's own tests of an upgrade from one version to the next. The two
 * versions are Go and ours here; as they share no log store, a node that is replaced in place
 * begins with an empty disk where hashicorp's keeps its own.
 */

let cluster: Cluster | undefined;

afterEach(async () => {
  cluster?.checkOneLeaderATerm();
  await cluster?.close();
  await killPeers();
});

const SIZES = isLong ? [3, 5] : [3];
const WAYS: [Kind, Kind][] = [
  ['go', 'ts'],
  ['ts', 'go'],
];

/** How a node that is replaced leaves. */
type Leaving = 'RemoveServer, then a stop' | 'a transfer, then a stop' | 'just a stop';

async function startAll(kind: Kind, size: number, config: object): Promise<Cluster> {
  const specs = Array.from({ length: size }, (_, at) => ({ id: `n${at + 1}`, kind, config }));
  const made = await Cluster.started(specs);
  cluster = made;
  made.watchTerms();
  await made.leader();
  return made;
}

async function write(of: Cluster): Promise<void> {
  await waitFor('a write', async () => {
    const cmd = { op: 'append', key: 'log', value: '.' };
    await of.ask(await of.leader(), 'apply', { cmd });
    return true;
  });
}

async function removeFrom(of: Cluster, leader: string, id: string): Promise<void> {
  await of.ask(leader, 'removeServer', { server: id });
}

async function addTo(of: Cluster, id: string): Promise<void> {
  const { address } = of.node(id);
  await waitFor(`${id} to be a voter`, async () => {
    await of.ask(await of.leader(), 'addVoter', { server: id, address });
    return true;
  });
}

/** Stops one node and starts one of another kind under its name. */
async function replace(
  of: Cluster,
  id: string,
  next: { kind: Kind; config: object },
  leaving: Leaving,
): Promise<void> {
  const removed = leaving === 'RemoveServer, then a stop';
  const leader = await of.leader();
  if (removed) await removeFrom(of, leader, id);
  if (leaving === 'a transfer, then a stop' && leader === id) {
    await of.ask(id, 'transfer');
    await waitFor('another leader', async () => (await of.leader()) !== id);
  }
  await of.stop(id);
  of.replace(id, next.kind);
  of.node(id).spec = { ...of.node(id).spec, config: next.config };
  await of.start(id);
  if (removed) await addTo(of, id);
}

/** Every follower first, and the leader last, which leads until then. */
async function replaceAll(
  of: Cluster,
  next: { kind: Kind; config: object },
  leaving: Leaving,
): Promise<void> {
  const leader = await of.leader();
  for (const id of of.running().filter((other) => other !== leader)) {
    await replace(of, id, next, leaving);
    expect(await of.leader()).toBe(leader);
    await write(of);
    await of.agreement();
  }
  await replace(of, leader, next, leaving);
  await write(of);
  const { count } = await of.agreement();
  expect(Number(count)).toBeGreaterThanOrEqual(of.running().length);
  expect(of.running().every((id) => of.node(id).spec.kind === next.kind)).toBe(true);
}

const PRE_VOTE_LEAVING = ['a transfer, then a stop', 'RemoveServer, then a stop'] as const;
const PRE_VOTE = [true, false] as const;

describe.each(SIZES)('%i Go nodes that know no pre-vote', (size) => {
  describe.each(PRE_VOTE)('become ours, with pre-vote %s', (preVote) => {
    it.each(PRE_VOTE_LEAVING)('by %s (test 164)', async (leaving) => {
      const made = await startAll('go', size, { preVoteDisabled: true });
      await replaceAll(made, { kind: 'ts', config: { preVoteDisabled: !preVote } }, leaving);
    });
  });
});

describe.each(SIZES)('%i of ours', (size) => {
  describe.each(PRE_VOTE)('with pre-vote %s', (preVote) => {
    it.each(PRE_VOTE_LEAVING)('roll back to Go without it by %s (test 165)', async (leaving) => {
      const made = await startAll('ts', size, { preVoteDisabled: !preVote });
      await replaceAll(made, { kind: 'go', config: { preVoteDisabled: true } }, leaving);
    });
  });
});

describe.each(WAYS)('from %s to %s', (from, to) => {
  it('a new node comes for each that goes; the leader stays to the end (test 166)', async () => {
    const made = await startAll(from, 3, {});
    const leader = await made.leader();
    const old = made.running();
    for (const id of [...old.filter((other) => other !== leader), leader]) {
      expect(await made.leader()).toBe(leader);
      await made.add({ id: `${id}-new`, kind: to });
      await made.start(`${id}-new`);
      await addTo(made, `${id}-new`);
      await write(made);
      await removeFrom(made, leader, id);
      await made.stop(id);
    }
    await write(made);
    expect(old).not.toContain(await made.leader());
    const { count } = await made.agreement();
    expect(Number(count)).toBeGreaterThanOrEqual(4);
  });

  it.each(['RemoveServer, then a stop', 'just a stop', 'a transfer, then a stop'] as const)(
    'nodes are replaced in place by %s (test 167)',
    async (leaving) => {
      const made = await startAll(from, 3, {});
      await replaceAll(made, { kind: to, config: {} }, leaving);
    },
  );
});
