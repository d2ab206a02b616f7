import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import {
  AbleHookedStore,
  Gate,
  HookedStore,
  ListFSM,
  TestCluster,
  type TestNode,
} from '../../testing/runtime-fixture.ts';
import { ErrNothingNewToSnapshot } from '../errors.ts';
import { RaftState } from '../state.ts';

async function cluster(count: number, config = {}, Store = HookedStore) {
  const nodes = await new TestCluster().start(count, () => ({ config, store: new Store() }));
  const leader = await nodes.leader();
  const others = nodes.nodes.filter((node) => node !== leader);
  return { nodes, time: nodes.time, leader, raft: leader.raft, others };
}

async function applyMany({ time }: TestCluster, { raft }: TestNode, count: number): Promise<void> {
  const futures = Array.from({ length: count }, (_, i) => raft.apply(utf8(`${i}`)));
  await time.result(Promise.all(futures));
}

describe('a snapshot', () => {
  it('72: needs something to put into it', async () => {
    const { nodes, time, leader, raft } = await cluster(1);
    expect(await time.error(raft.snapshot())).toBe(ErrNothingNewToSnapshot);
    await applyMany(nodes, leader, 10);
    expect(await time.error(raft.snapshot())).toBeNull();
    expect(await leader.snaps.list()).toHaveLength(1);
    await nodes.close();
  });

  it('67: shortens the log, and the node starts again from it', async () => {
    const { nodes, time, leader, raft } = await cluster(1, { trailingLogs: 10 });
    await applyMany(nodes, leader, 100);
    await time.result(raft.snapshot());
    await time.pass(10);
    const [meta] = await leader.snaps.list();
    const index = meta?.index ?? 0;
    expect(await leader.store.firstIndex()).toBe(index - 10 + 1);
    await applyMany(nodes, leader, 5);
    const { applied } = leader;
    await nodes.close();
    leader.renew();
    const again = await leader.start();
    expect([leader.applied.length, again.appliedIndex()]).toEqual([100, index]);
    await nodes.leader();
    await nodes.agree(105);
    expect(leader.applied).toEqual(applied);
    await nodes.close();
  });

  it('12: is not given to an FSM that keeps its own state', async () => {
    const { nodes, time, leader, raft } = await cluster(1, { noSnapshotRestoreOnStart: true });
    await applyMany(nodes, leader, 100);
    await time.result(raft.snapshot());
    await nodes.close();
    leader.renew();
    await leader.start();
    expect(leader.applied).toEqual([]);
    await nodes.close();
  });

  it('71: is taken by itself when enough has come', async () => {
    const config = { snapshotInterval: 10, snapshotThreshold: 50, trailingLogs: 10 };
    const { nodes, time, leader } = await cluster(1, config);
    await applyMany(nodes, leader, 100);
    await time.pass(105);
    expect(await leader.snaps.list()).toHaveLength(1);
    await nodes.close();
  });

  it('shows the state of its index, though the FSM goes on while it is written', async () => {
    const { nodes, time, leader, raft } = await cluster(1);
    const gate = new Gate();
    if (leader.fsm instanceof ListFSM) leader.fsm.onPersist = gate.pass;
    await applyMany(nodes, leader, 3);
    const snapshot = raft.snapshot();
    await time.until(() => gate.waiting === 1, 'it is being written');
    await applyMany(nodes, leader, 3);
    gate.open();
    await time.result(snapshot);
    const { meta, reader } = await snapshot.open();
    let text = '';
    for await (const chunk of reader) text += new TextDecoder().decode(chunk);
    expect([meta.index, text]).toEqual([5, '["0","1","2"]']);
    await nodes.close();
  });
});

describe.each([
  ['every ability', AbleHookedStore],
  ['no optional ability', HookedStore],
])('a follower whose entries are gone, with stores of %s', (_, Store) => {
  it.each([
    ['74: gets the snapshot', 0],
    ['75: gets the snapshot, and the entries behind it', 100],
  ])('%s', async (__, behind) => {
    const { nodes, time, leader, others } = await cluster(3, { trailingLogs: 10 }, Store);
    const [away, ...rest] = others;
    if (away === undefined) throw new Error('no follower');
    nodes.isolate(away);
    await applyMany(nodes, leader, 100);
    for (const node of [leader, ...rest]) await time.error(node.raft.snapshot());
    await applyMany(nodes, leader, behind);
    nodes.connect();
    await nodes.agree(100 + behind);
    expect(away.fsm instanceof ListFSM && away.fsm.restores).toBe(1);
    expect(await nodes.leader()).toBe(leader);
    await nodes.close();
    away.renew();
    await away.start();
    expect(away.raft.lastIndex()).toBeGreaterThanOrEqual(100 + behind);
    await nodes.close();
  });
});

describe('a snapshot that is being installed', () => {
  it('gives way to the end of the node', async () => {
    const { nodes, time, leader, others } = await cluster(3, { trailingLogs: 0 });
    const [away] = others;
    if (away === undefined) throw new Error('no follower');
    nodes.isolate(away);
    await applyMany(nodes, leader, 10);
    await time.result(leader.raft.snapshot());
    const open = leader.snaps.open.bind(leader.snaps);
    leader.snaps.open = async (id) => {
      const { meta, reader } = await open(id);
      async function* stuck() {
        yield* reader;
        await new Promise(() => {});
      }
      return { meta, reader: stuck() };
    };
    nodes.connect();
    await time.until(() => leader.lines.includes('info: installing snapshot on'), 'it is sent');
    await time.pass(10);
    const before = time.scheduler.nowMs;
    expect(await time.error(away.raft.shutdown())).toBeNull();
    expect(time.scheduler.nowMs - before).toBeLessThan(100);
    expect(away.raft.state()).toBe(RaftState.Shutdown);
    await nodes.close();
  });

  it('that the FSM cannot take ends the node, for its state is half-restored', async () => {
    const { nodes, time, leader, others } = await cluster(3, { trailingLogs: 0 });
    const [away] = others;
    if (away === undefined) throw new Error('no follower');
    nodes.isolate(away);
    await applyMany(nodes, leader, 10);
    await time.result(leader.raft.snapshot());
    away.fsm.restore = () => Promise.reject(new Error('cannot read it'));
    nodes.connect();
    await time.until(() => away.raft.fatal !== null, 'it has ended');
    expect(away.raft.fatal?.message).toMatch('cannot read it');
    expect(away.raft.state()).toBe(RaftState.Shutdown);
    await nodes.close();
  });
});
