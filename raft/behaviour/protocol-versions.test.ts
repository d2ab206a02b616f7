import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { ListFSM, TestCluster, type TestNode } from '../../testing/runtime-fixture.ts';
import { Configuration, ServerSuffrage } from '../configuration.ts';
import { decodePeers } from '../configuration-codec.ts';
import { ErrUnsupportedProtocol } from '../errors.ts';
import type { Future } from '../future.ts';
import { LogType } from '../log.ts';
import type { ProtocolVersion } from '../messages.ts';
import type { Raft } from '../raft.ts';
import { bootstrapCluster } from '../recover.ts';

/** Adds a node that speaks `version`; before 3 its name is its address. */
function add(nodes: TestCluster, protocolVersion: ProtocolVersion): TestNode {
  const address = `${String.fromCharCode('a'.charCodeAt(0) + nodes.nodes.length)}:1`;
  const localID = protocolVersion < 3 ? address : 'named';
  return nodes.add({ config: { protocolVersion, localID } });
}

function serverOf({ config, address }: TestNode) {
  return { suffrage: ServerSuffrage.Voter, id: config.localID, address };
}

async function clusterOf(...versions: ProtocolVersion[]) {
  const nodes = new TestCluster();
  for (const version of versions) add(nodes, version);
  const configuration = new Configuration(nodes.nodes.map(serverOf));
  for (const { config, store, snaps, transport } of nodes.nodes) {
    await bootstrapCluster(config, store, store, snaps, transport, configuration);
  }
  nodes.connect();
  for (const node of nodes.nodes) await node.start();
  return { nodes, time: nodes.time, leader: await leaderOf(nodes) };
}

/** Waits until one leads and all agree on its address. */
async function leaderOf(nodes: TestCluster): Promise<TestNode> {
  const known = () => new Set(nodes.nodes.map(({ raft }) => raft.leader()));
  const led = () => nodes.nodes.find(({ address, isLeader }) => isLeader && known().has(address));
  await nodes.time.until(() => led() !== undefined && known().size === 1, 'there is one leader');
  const leader = led();
  if (leader === undefined) throw new Error('the leader is gone again');
  return leader;
}

function addressesOf({ raft }: TestNode): string[] {
  const { servers } = raft.getConfiguration().configuration();
  return servers.map(({ address }) => address);
}

/** What a node says to each call that not every version knows. */
async function refusedBy(nodes: TestCluster, raft: Raft): Promise<string[]> {
  const calls: Record<string, () => Future> = {
    addPeer: () => raft.addPeer('z:1'),
    removePeer: () => raft.removePeer('z:1'),
    addVoter: () => raft.addVoter('z:1', 'z:1'),
    removeServer: () => raft.removeServer('z:1'),
    addNonvoter: () => raft.addNonvoter('z:1', 'z:1'),
    demoteVoter: () => raft.demoteVoter('z:1'),
    leadershipTransfer: () => raft.leadershipTransfer(),
    leadershipTransferToServer: () => raft.leadershipTransferToServer('z:1', 'z:1'),
  };
  const refused: string[] = [];
  for (const [name, call] of Object.entries(calls)) {
    if ((await nodes.time.error(call())) === ErrUnsupportedProtocol) refused.push(name);
  }
  return refused;
}

describe('protocol version', () => {
  const transfers = ['leadershipTransfer', 'leadershipTransferToServer'];
  it.each<[ProtocolVersion, string[]]>([
    [1, ['addVoter', 'removeServer', 'addNonvoter', 'demoteVoter', ...transfers]],
    [2, ['addNonvoter', 'demoteVoter', ...transfers]],
    [3, ['addPeer', 'removePeer']],
  ])(
    '%i refuses what it does not know, before anything else (S89, S124)',
    async (version, known) => {
      const nodes = new TestCluster();
      const raft = await add(nodes, version).start();
      expect(await refusedBy(nodes, raft)).toEqual(known);
      await nodes.time.error(raft.shutdown());
      expect(await refusedBy(nodes, raft)).toEqual(known);
    },
  );

  it.each<ProtocolVersion>([1, 2])('%i names servers by their addresses (S11)', async (version) => {
    const node = new TestCluster().add({ config: { protocolVersion: version } });
    await expect(node.start()).rejects.toThrow(
      'when running with ProtocolVersion < 3, LocalID must be set to the network address',
    );
  });
});

describe('a cluster of old versions', () => {
  it('of 1 lets one of 2 join and leave by its address (S124, test 51)', async () => {
    const { nodes, time, leader } = await clusterOf(1, 1);
    expect(await time.error(leader.raft.addNonvoter('z:1', 'z:1'))).toBe(ErrUnsupportedProtocol);
    expect(await time.error(leader.raft.demoteVoter('a:1'))).toBe(ErrUnsupportedProtocol);
    const added = add(nodes, 2);
    await added.start();
    nodes.connect();
    expect(await time.error(leader.raft.addPeer(added.address))).toBeNull();
    expect(await time.error(leader.raft.apply(utf8('x')))).toBeNull();
    await nodes.agree(1);
    expect(await leaderOf(nodes)).toBe(leader);
    expect(nodes.nodes.map(addressesOf)).toEqual(nodes.nodes.map(() => ['a:1', 'b:1', 'c:1']));
    expect(await time.error(leader.raft.removePeer(added.address))).toBeNull();
    expect(addressesOf(leader)).toEqual(['a:1', 'b:1']);
    await nodes.close();
  });

  it('of 2 lets one of 3 join with a name, and removes an old one (test 52)', async () => {
    const { nodes, time, leader } = await clusterOf(2, 2);
    const added = add(nodes, 3);
    await added.start();
    nodes.connect();
    const joined = leader.raft.addVoter(added.config.localID, added.address);
    expect(await time.error(joined)).toBeNull();
    expect(await time.error(leader.raft.apply(utf8('x')))).toBeNull();
    await nodes.agree(1);
    expect(nodes.nodes.map(addressesOf)).toEqual(nodes.nodes.map(() => ['a:1', 'b:1', 'c:1']));
    const old = nodes.nodes.find((node) => node !== leader && node !== added);
    expect(await time.error(leader.raft.removePeer(old?.address ?? ''))).toBeNull();
    expect(addressesOf(leader)).toEqual([leader.address, added.address].sort());
    await nodes.close();
  });

  it.each<[ProtocolVersion, number]>([
    [1, LogType.LogRemovePeerDeprecated],
    [2, LogType.LogConfiguration],
  ])('of %i writes its members as every version of it can read (S18)', async (version, type) => {
    const nodes = new TestCluster();
    const node = add(nodes, version);
    const raft = await node.start();
    await nodes.time.result(raft.bootstrapCluster(new Configuration([serverOf(node)])));
    await leaderOf(nodes);
    const first = await node.store.getLog(1);
    expect(first.type).toBe(LogType.LogRemovePeerDeprecated);
    const { servers } = decodePeers(first.data ?? new Uint8Array(), node.transport);
    expect(servers).toEqual([serverOf(node)]);
    const change = raft.addPeer('a:1');
    await nodes.time.result(change);
    expect((await node.store.getLog(raft.lastIndex())).type).toBe(type);
    await nodes.close();
    node.renew(new ListFSM());
    await node.start();
    expect(addressesOf(node)).toEqual(['a:1']);
    await nodes.close();
  });
});
