import { afterEach, describe, expect, it } from 'vitest';
import { Cluster } from './suite/cluster.ts';
import { type Kind, killPeers } from './suite/peer-process.ts';
import { waitFor } from './suite/wait.ts';
import { Writers } from './suite/writers.ts';

let cluster: Cluster | undefined;

afterEach(async () => {
  cluster?.checkOneLeaderATerm();
  await cluster?.close();
  await killPeers();
});

const ELECTION_TIMEOUT_MS = 1000;
const CONFIG = {
  heartbeatTimeout: ELECTION_TIMEOUT_MS,
  electionTimeout: ELECTION_TIMEOUT_MS,
  leaderLeaseTimeout: ELECTION_TIMEOUT_MS / 2,
};

/** Sees to it that another node leads; the time that this took, in milliseconds. */
async function moveLeadership(of: Cluster, from: string): Promise<number> {
  const startMs = performance.now();
  await waitFor(`${from} to lead no more`, async () => {
    const leader = await of.leader();
    if (leader !== from) return true;
    await of.ask(from, 'transfer');
    return (await of.leader()) !== from;
  });
  return performance.now() - startMs;
}

/** Asks whoever leads, again when leadership moves meanwhile. */
async function onLeader(of: Cluster, op: string, fields: object): Promise<void> {
  await waitFor(op, async () => {
    await of.ask(await of.leader(), op, fields);
    return true;
  });
}

async function join(of: Cluster, id: string): Promise<void> {
  const { address } = of.node(id);
  await onLeader(of, 'addNonvoter', { server: id, address });
  await waitFor(`${id} to catch up`, async () => {
    const { commitIndex } = await of.ask(await of.leader(), 'state');
    const { appliedIndex } = await of.ask(id, 'state');
    return Number(appliedIndex) >= Number(commitIndex) - 50;
  });
  await onLeader(of, 'addVoter', { server: id, address });
}

async function leave(of: Cluster, id: string): Promise<number> {
  const ms = await moveLeadership(of, id);
  await onLeader(of, 'removeServer', { server: id });
  await of.stop(id, 'shutdown').catch(() => of.stop(id));
  return ms;
}

/** A new node under a new name comes, then the old one goes. */
async function replaceByNewName(of: Cluster, old: string, kind: Kind): Promise<number> {
  const name = `${old}${kind === 'ts' ? 't' : 'g'}`;
  await of.add({ id: name, kind, config: CONFIG });
  await of.start(name);
  await join(of, name);
  return leave(of, old);
}

/** The old node goes, and one of the other kind comes under its name, with an empty disk. */
async function replaceInPlace(of: Cluster, id: string, kind: Kind): Promise<number> {
  const ms = await leave(of, id);
  of.replace(id, kind);
  await of.start(id);
  await join(of, id);
  return ms;
}

describe('three Go nodes under writes', () => {
  it.each([
    ['by new names', replaceByNewName],
    ['in place, with empty disks', replaceInPlace],
  ])('become ours one by one and Go again, %s', async (_, replace) => {
    const ids = ['n1', 'n2', 'n3'];
    const made = await Cluster.started(ids.map((id) => ({ id, kind: 'go', config: CONFIG })));
    cluster = made;
    await made.leader();
    made.watchTerms();
    const writers = new Writers(made);
    await writers.acknowledge(100);
    let longestMs = 0;
    for (const kind of ['ts', 'go'] as const) {
      for (const old of made.running()) {
        writers.takePauseMs();
        const transferMs = await replace(made, old, kind);
        await writers.acknowledge(50);
        const pauseMs = writers.takePauseMs();
        longestMs = Math.max(longestMs, pauseMs);
        expect(pauseMs).toBeLessThan(2 * ELECTION_TIMEOUT_MS + transferMs);
      }
      expect(made.running().map((id) => made.node(id).spec.kind)).toEqual([kind, kind, kind]);
    }
    await writers.stop();
    await made.agreement();
    for (const id of made.running()) await writers.check(id);
    console.log(
      `${writers.acknowledged.size} writes kept through six replacements; ` +
        `longest pause ${longestMs.toFixed(0)} ms`,
    );
  });
});
