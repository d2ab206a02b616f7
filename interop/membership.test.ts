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

const PAIRS: [Kind, Kind][] = [
  ['go', 'go'],
  ['go', 'ts'],
  ['ts', 'go'],
  ['ts', 'ts'],
];

async function suffrages(of: Cluster, id: string): Promise<Record<string, string>> {
  const { servers } = await of.ask(id, 'configuration');
  if (!Array.isArray(servers)) throw new Error('expected servers');
  return Object.fromEntries(servers.map(({ id: server, suffrage }) => [server, suffrage]));
}

describe.each(PAIRS)('a %s leader and a %s server', (leaderKind, kind) => {
  it('agree on every change of the membership', async () => {
    const other: Kind = leaderKind === 'go' ? 'ts' : 'go';
    const made = await Cluster.started([
      { id: 'n1', kind: leaderKind },
      { id: 'n2', kind: other },
    ]);
    cluster = made;
    made.watchTerms();
    await made.makeLead('n1');
    await made.ask('n1', 'apply', { cmd: { op: 'set', key: 'a', value: '1' } });
    const { address } = await made.add({ id: 'x', kind });
    await made.start('x');
    const change = async (op: string, expected: string | undefined) => {
      const { index } = await made.ask('n1', op, { server: 'x', address });
      expect(Number(index)).toBeGreaterThan(0);
      for (const id of ['n1', 'n2']) {
        await waitFor(`${op} on ${id}`, async () => {
          const { x } = await suffrages(made, id);
          return x === expected;
        });
      }
    };
    await change('addNonvoter', 'Nonvoter');
    await made.agreement();
    expect(await suffrages(made, 'x')).toMatchObject({ x: 'Nonvoter', n1: 'Voter', n2: 'Voter' });
    await change('addVoter', 'Voter');
    await made.agreement();
    // A voter counts: without n2 the two others are a quorum.
    await made.stop('n2');
    await made.ask('n1', 'apply', { cmd: { op: 'set', key: 'a', value: '2' } });
    await made.start('n2');
    // Demoted before n2 is heard again, x would take the leader's quorum with it.
    await made.agreement();
    await change('demoteVoter', 'Nonvoter');
    await change('removeServer', undefined);
    await expect(
      made.ask('n1', 'addVoter', { server: 'x', address, prevIndex: 1 }),
    ).rejects.toThrow('configuration changed since 1');
    await made.stop('x');
    const { size } = await made.agreement();
    expect(size).toBe(1);
  });

  it('see a removed leader leave and another one follow', async () => {
    const made = await Cluster.started([
      { id: 'n1', kind: leaderKind },
      { id: 'n2', kind },
      { id: 'n3', kind },
    ]);
    cluster = made;
    await made.makeLead('n1');
    await made.ask('n1', 'removeServer', { server: 'n1' });
    await waitFor('the removed leader to stop', async () => {
      return (await made.ask('n1', 'state')).state === 'Shutdown';
    });
    await made.stop('n1');
    const next = await made.leader();
    await made.ask(next, 'apply', { cmd: { op: 'set', key: 'a', value: '1' } });
    expect(await suffrages(made, next)).toEqual({ n2: 'Voter', n3: 'Voter' });
    await made.agreement();
  });
});

describe('leadership', () => {
  it('goes from Go to ours and back, named and unnamed, under writes', async () => {
    const made = await Cluster.started([
      { id: 'n1', kind: 'go' },
      { id: 'n2', kind: 'ts' },
    ]);
    cluster = made;
    made.watchTerms();
    await made.makeLead('n1');
    const writers = new Writers(made);
    await writers.acknowledge(50);
    for (const named of [true, false, true, false, true, false]) {
      const from = await made.leader();
      const server = from === 'n1' ? 'n2' : 'n1';
      const { address } = made.node(server);
      await made.ask(from, 'transfer', named ? { server, address } : {});
      await waitFor(`${server} to lead`, async () => (await made.leaderNow()) === server);
      await writers.acknowledge(50);
    }
    await writers.stop();
    await made.agreement();
    await writers.check('n1');
    await writers.check('n2');
    console.log(`longest pause ${writers.longestPauseMs.toFixed(0)} ms in six transfers`);
  });
});
