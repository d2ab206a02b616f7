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

class MonotonicStore extends HookedStore {
  isMonotonic(): boolean {
    return true;
  }
}

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
  it('needs something to put into it (S145, test 72)', async () => {
    const { nodes, time, leader, raft } = await cluster(1);
    expect(await time.error(raft.snapshot())).toBe(ErrNothingNewToSnapshot);
    await applyMany(nodes, leader, 10);
    expect(await time.error(raft.snapshot())).toBeNull();
    expect(await leader.snaps.list()).toHaveLength(1);
    await nodes.close();
  });

  it.each([
    ['any store', HookedStore],
    ['a monotonic one', MonotonicStore],
  ])(
    'shortens the log of %s, and a start uses it (S14, S148, test 67, test 68)',
    async (_, Store) => {
      const { nodes, time, leader, raft } = await cluster(1, { trailingLogs: 10 }, Store);
      await applyMany(nodes, leader, 100);
      await time.result(raft.snapshot());
      await time.pass(10);
      const [meta] = await leader.snaps.list();
      const index = meta?.index ?? 0;
      expect(await leader.store.firstIndex()).toBe(index - 10 + 1);
      await applyMany(nodes, leader, 5);
      const { applied } = leader;
      const range = async () => [await leader.store.firstIndex(), await leader.store.lastIndex()];
      const before = await range();
      await nodes.close();
      leader.renew();
      const again = await leader.start();
      expect(leader.applied).toHaveLength(100);
      expect([again.appliedIndex(), again.commitIndex()]).toEqual([index, index]);
      expect(await range()).toEqual(before);
      await nodes.leader();
      await nodes.agree(105);
      expect(leader.applied).toEqual(applied);
      await nodes.close();
    },
  );

  it('says how far its reading is, at the latest when it ends (S142, test 69)', async () => {
    const { nodes, time, leader, raft } = await cluster(1);
    await applyMany(nodes, leader, 100);
    await time.result(raft.snapshot());
    await nodes.close();
    leader.renew();
    const told: unknown[] = [];
    const logger = { ...leader.log, info: (f: object, m: string) => void told.push([m, f]) };
    leader.config = { ...leader.config, logger };
    await leader.start();
    const [meta] = await leader.snaps.list();
    expect(told).toContainEqual([
      'snapshot restore progress',
      expect.objectContaining({ 'read-bytes': meta?.size, 'percent-complete': '100.00%' }),
    ]);
    await nodes.close();
  });

  it('can be repeated, and not be of a change of members alone (S146, S147)', async () => {
    const { nodes, time, raft, leader } = await cluster(1);
    await applyMany(nodes, leader, 3);
    await time.result(raft.snapshot());
    expect(await time.error(raft.snapshot())).toBeNull();
    await time.result(raft.addNonvoter('x', 'x:1'));
    expect((await time.error(raft.snapshot()))?.message).toBe(
      'cannot take snapshot now, wait until the configuration entry at 6 has been applied ' +
        '(have applied 5)',
    );
    await time.result(raft.barrier());
    expect(await time.error(raft.snapshot())).toBeNull();
    await nodes.close();
  });

  it('that leaves no log behind serves followers that are a little late (#86)', async () => {
    const { nodes, time, leader, raft, others } = await cluster(3, { trailingLogs: 0 });
    const [away] = others;
    if (away === undefined) throw new Error('no follower');
    await applyMany(nodes, leader, 10);
    await nodes.agree(10);
    nodes.isolate(away);
    await applyMany(nodes, leader, 3);
    await time.result(raft.snapshot());
    await time.pass(10);
    expect(await leader.store.lastIndex()).toBe(0);
    nodes.connect();
    await nodes.agree(13);
    await nodes.close();
    for (const node of nodes.nodes) node.renew();
    nodes.connect();
    for (const node of nodes.nodes) await node.start();
    await applyMany(nodes, await nodes.leader(), 1);
    await nodes.agree(14);
    await nodes.close();
  });

  it('is not given to an FSM that keeps its own state (S17, test 12)', async () => {
    const { nodes, time, leader, raft } = await cluster(1, { noSnapshotRestoreOnStart: true });
    await applyMany(nodes, leader, 100);
    await time.result(raft.snapshot());
    await nodes.close();
    leader.renew();
    await leader.start();
    expect(leader.applied).toEqual([]);
    await nodes.close();
  });

  it('is taken by itself when enough has come (S144, test 71)', async () => {
    const config = { snapshotInterval: 10, snapshotThreshold: 50, trailingLogs: 10 };
    const { nodes, time, leader } = await cluster(1, config);
    await applyMany(nodes, leader, 100);
    await time.pass(105);
    expect(await leader.snaps.list()).toHaveLength(1);
    await nodes.close();
  });

  it('is taken once of what has come, though it leaves an empty log (S144)', async () => {
    const config = { snapshotInterval: 10, snapshotThreshold: 50, trailingLogs: 0 };
    const { nodes, time, leader } = await cluster(1, config);
    const taken = () => leader.lines.filter((line) => line === 'info: starting snapshot up to');
    await applyMany(nodes, leader, 100);
    await time.pass(500);
    expect([taken().length, await leader.store.lastIndex()]).toEqual([1, 0]);
    await applyMany(nodes, leader, 49);
    await time.pass(500);
    expect(taken()).toHaveLength(1);
    await applyMany(nodes, leader, 1);
    await time.pass(500);
    expect(taken()).toHaveLength(2);
    await nodes.close();
  });

  it('shows the state of its index, though the FSM goes on meanwhile (S1, S140)', async () => {
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
    ['nothing', 0],
    ['100 entries', 100],
  ])('gets the snapshot, and %s behind it (test 74, test 75)', async (__, behind) => {
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
  it('gives way to the end of the node (S120, S163)', async () => {
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

  it('keeps its node a follower, for as long as it takes (S123)', async () => {
    const { nodes, time, leader, others } = await cluster(3, { trailingLogs: 0 });
    const [away] = others;
    if (away === undefined || !(away.fsm instanceof ListFSM)) throw new Error('no follower');
    nodes.isolate(away);
    await applyMany(nodes, leader, 10);
    await time.result(leader.raft.snapshot());
    const { fsm } = away;
    const restore = fsm.restore.bind(fsm);
    const gate = new Gate();
    fsm.restore = async (reader) => {
      await gate.pass();
      await restore(reader);
    };
    nodes.connect();
    await time.until(() => gate.waiting === 1, 'the FSM has the snapshot');
    const term = leader.raft.currentTerm();
    await time.pass(2000);
    gate.open();
    await nodes.agree(10);
    expect([leader.isLeader, leader.raft.currentTerm()]).toEqual([true, term]);
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
