import { expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { led } from '../../testing/behaviour-fixture.ts';
import { configurationEntry, voters } from '../../testing/core-fixture.ts';
import { HookedStore, ListFSM, TestCluster } from '../../testing/runtime-fixture.ts';
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
