import { afterEach, describe, expect, it } from 'vitest';
import { Cluster } from './suite/cluster.ts';
import { type Kind, killPeers } from './suite/peer-process.ts';
import { waitFor } from './suite/wait.ts';

let cluster: Cluster | undefined;

afterEach(async () => {
  cluster?.checkOneLeaderATerm();
  await cluster?.close();
  await killPeers();
});

const SMALL_TRAIL = { trailingLogs: 5 };

async function fill(of: Cluster, id: string, keys: number): Promise<void> {
  const cmds = Array.from({ length: keys }, (_, at) => ({ op: 'set', key: `${at}`, value: 'v' }));
  const { results } = await of.ask(id, 'applyMany', { cmds });
  expect(JSON.stringify(results)).not.toContain('"ok":false');
}

/** Each node leads in turn, and everybody agrees on what it wrote. */
async function eachLeads(of: Cluster): Promise<void> {
  for (const id of of.running()) {
    await of.makeLead(id);
    await fill(of, id, 300);
    await of.ask(id, 'bench', { seconds: 0.2, concurrency: 8, size: 999, mode: 'write' });
    await of.agreement();
  }
}

describe('times', () => {
  it.each([
    [true, true],
    [true, false],
    [false, true],
  ])('in the new format: Go %s, ours %s', async (go, ts) => {
    const spec = (id: string, kind: Kind, msgpackUseNewTimeFormat: boolean) => ({
      id,
      kind,
      transport: { msgpackUseNewTimeFormat },
    });
    cluster = await Cluster.started([spec('n1', 'go', go), spec('n2', 'ts', ts)]);
    await eachLeads(cluster);
    // What came over the wire is stored in the format of the store, and read back from there.
    for (const id of ['n1', 'n2']) {
      await cluster.stop(id);
      await cluster.start(id);
    }
    await cluster.leader();
    await cluster.agreement();
  });
});

describe('a Go node', () => {
  it.each([1, 2, 130])('with %i requests in flight works with ours', async (maxRPCsInFlight) => {
    cluster = await Cluster.started([
      { id: 'n1', kind: 'go', transport: { maxRPCsInFlight } },
      { id: 'n2', kind: 'ts', transport: { maxRPCsInFlight } },
      { id: 'n3', kind: 'ts', transport: { maxRPCsInFlight: 2 } },
    ]);
    await eachLeads(cluster);
  });

  it.each(['inmem', 'wal'])('with its logs in %s works with ours', async (store) => {
    cluster = await Cluster.started([
      { id: 'n1', kind: 'go', args: ['--store', store, '--fsm', 'batching'] },
      { id: 'n2', kind: 'ts', args: ['--fsm', 'batching'] },
    ]);
    await eachLeads(cluster);
  });
});

describe('protocol version 2', () => {
  it('is upgraded to 3 node by node, in a cluster of Go and ours', async () => {
    const made = await Cluster.make([
      { id: 'n1', kind: 'go' },
      { id: 'n2', kind: 'ts' },
      { id: 'n3', kind: 'go' },
    ]);
    cluster = made;
    // In version 2 a server is called by its address.
    const at = new Map<string, string>();
    for (const [name, node] of made.nodes) at.set(name, node.address);
    const start = async (name: string, protocolVersion: number) => {
      const node = made.node(name);
      node.spec = { ...node.spec, config: { ...SMALL_TRAIL, protocolVersion } };
      return made.start(name, ['--id', node.address]);
    };
    for (const name of at.keys()) await start(name, 2);
    const servers = [...at.values()].map((address) => ({ id: address, address }));
    await made.ask('n1', 'bootstrap', { servers });
    const lead = async () => made.leader();
    await fill(made, await lead(), 100);
    await made.agreement();
    await expect(
      made.ask(await lead(), 'addNonvoter', { server: 'x', address: 'x' }),
    ).rejects.toThrow('operation not supported with current protocol version');
    for (const name of at.keys()) {
      await made.stop(name);
      await start(name, 3);
      await fill(made, await lead(), 100);
      await made.agreement();
    }
    // One that does not lead: a leader that demotes itself shuts down, and hears of nothing more.
    await waitFor('a demotion, which version 3 has', async () => {
      const leader = await lead();
      const other = [...at.keys()].find((name) => name !== leader) ?? '';
      await made.ask(leader, 'demoteVoter', { server: at.get(other) });
      return true;
    });
    await made.agreement();
  });
});
