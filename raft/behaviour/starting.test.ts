import { expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { Crc64 } from '../../internal/crc64.ts';
import { FileSnapshotStore } from '../../snapshot/file-snapshot-store.ts';
import { encodeSnapshotMeta } from '../../snapshot/snapshot-meta-codec.ts';
import { led } from '../../testing/behaviour-fixture.ts';
import { configurationEntry, voters } from '../../testing/core-fixture.ts';
import { MemoryFileSystem } from '../../testing/kit/memory-file-system.ts';
import { HookedStore, ListFSM, TestCluster } from '../../testing/runtime-fixture.ts';
import { Configuration, ServerSuffrage } from '../configuration.ts';
import { silentLogger } from '../logger.ts';
import { KEY_CURRENT_TERM } from '../stable.ts';

it('a node that starts goes from its config to its lanes in Go’s order (S11)', async () => {
  const store = new HookedStore();
  const nodes = new TestCluster();
  const node = nodes.add({ store });
  store.inner.setUint64(KEY_CURRENT_TERM, 4);
  store.inner.storeLogs([configurationEntry(1, 4, voters('a'))]);
  const order: string[] = [];
  const say = (what: string): void => void (order.includes(what) || order.push(what));
  store.onWrite = say;
  store.onRead = (index) => say(`read ${index}`);
  const { list } = node.snaps;
  node.snaps.list = () => {
    say('list snapshots');
    return list.call(node.snaps);
  };
  node.transport.setHeartbeatHandler = () => say('heartbeat handler');
  const info = (_: object, text: string) => say(text);
  node.config = { ...node.config, logger: { ...node.log, info } };
  await node.start();
  expect(order).toEqual([
    'read 1',
    'CurrentTerm=4',
    'list snapshots',
    'initial configuration',
    'heartbeat handler',
    'entering follower state',
  ]);
  await nodes.close();

  order.length = 0;
  node.renew();
  node.config = { ...node.config, localID: '' };
  await expect(node.start()).rejects.toThrow('LocalID cannot be empty');
  expect(order).toEqual([]);
});

it('stores are left open by a node that is shut down, and can be used again (S161)', async () => {
  let closed = 0;
  const store = Object.assign(new HookedStore(), {
    close: () => {
      closed += 1;
    },
  });
  const { nodes, time, leader, raft } = await led(1, { store });
  await time.result(raft.apply(utf8('x')));
  await nodes.close();
  leader.renew(new ListFSM());
  await leader.start();
  await nodes.leader();
  await nodes.agree(1);
  await nodes.close();
  expect(closed).toBe(0);
});

it('a node starts from a snapshot of version 0, whose members are peers (S16, S151)', async () => {
  const fileSystem = new MemoryFileSystem();
  const snaps = await FileSnapshotStore.open('base', 3, { fileSystem, logger: silentLogger });
  const nodes = new TestCluster();
  const node = nodes.add({ snaps, config: { protocolVersion: 1, localID: 'a:1' } });
  const suffrage = ServerSuffrage.Voter;
  const members = new Configuration([{ suffrage, id: 'a:1', address: 'a:1' }]);
  const sink = await snaps.create(1, 7, 2, members, 3, node.transport);
  const state = utf8('["x","y"]');
  await sink.write(state);
  await sink.close();
  const [written] = await snaps.list();
  if (written === undefined) throw new Error('the snapshot is gone');
  const file = await fileSystem.create(`base/snapshots/${written.id}/meta.json`);
  const none = { version: 0, configuration: new Configuration(), configurationIndex: 0 };
  const crc = new Crc64().update(state).digest();
  await file.write(utf8(encodeSnapshotMeta({ meta: { ...written, ...none }, crc })));
  await file.close();
  await node.store.setUint64(KEY_CURRENT_TERM, 2);

  const raft = await node.start();
  expect(node.applied).toEqual(['x', 'y']);
  expect(raft.getConfiguration().configuration()).toEqual(members);
  expect([raft.getConfiguration().index(), raft.appliedIndex()]).toEqual([7, 7]);
  await nodes.time.until(() => node.isLeader, 'it leads on');
  expect(await nodes.time.result(raft.apply(utf8('z')))).toBe(3);
  await nodes.close();
});
