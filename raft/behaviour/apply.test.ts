import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { newLogCache } from '../../store/log-cache.ts';
import { led, slower, stranger } from '../../testing/behaviour-fixture.ts';
import { headerOf } from '../../testing/core-fixture.ts';
import { Gate, HookedStore, ListFSM, logOf, TestCluster } from '../../testing/runtime-fixture.ts';
import { Configuration, ServerSuffrage } from '../configuration.ts';
import {
  ErrEnqueueTimeout,
  ErrLeadershipLost,
  ErrLogNotFound,
  ErrNothingNewToSnapshot,
  ErrRaftShutdown,
} from '../errors.ts';
import { AppendEntriesRequest } from '../messages.ts';
import { newRaft } from '../raft.ts';
import { bootstrapCluster } from '../recover.ts';
import { RaftState } from '../state.ts';

describe('a command that was let in', () => {
  it('has no time limit any more: it ends with the leadership (S55)', async () => {
    const long = { heartbeatTimeout: 1000, electionTimeout: 1000, leaderLeaseTimeout: 1000 };
    const { nodes, time, leader, raft, others } = await led(3, { config: long });
    nodes.isolate(...others);
    const start = time.scheduler.nowMs;
    const future = raft.apply(utf8('x'), 10);
    let isDone = false;
    void future.error().then(() => {
      isDone = true;
    });
    await time.pass(300);
    expect([isDone, leader.isLeader]).toEqual([false, true]);
    expect(await time.error(future)).toBe(ErrLeadershipLost);
    expect(time.scheduler.nowMs - start).toBeGreaterThan(500);
    expect([leader.isLeader, future.outcome()]).toEqual([false, 'unknown']);
    await nodes.close();
  });

  it('reaches the FSM with its bytes and its extensions alone (S55)', async () => {
    const fsm = new ListFSM();
    const { nodes, time, raft } = await led(1, { fsm });
    const seen: unknown[] = [];
    fsm.onApply = ({ index, term, data, extensions }) =>
      void seen.push({ index, term, data, extensions });
    const input = { data: utf8('d'), extensions: utf8('e'), index: 99, term: 99, type: 5 };
    await time.result(raft.applyLog(input));
    expect(seen).toEqual([{ index: 3, term: 2, data: utf8('d'), extensions: utf8('e') }]);
    await nodes.close();
  });
});

describe('the bytes of a command', () => {
  it('are taken at the call, also those of a Buffer', async () => {
    const { nodes, time, leader, raft } = await led(1);
    for (const size of [1, 100, 2000]) {
      const buffer = Buffer.alloc(size, 'a');
      const futures = [raft.apply(buffer), raft.applyLog({ data: buffer, extensions: buffer })];
      buffer.fill('z');
      for (const future of futures) expect(await time.error(future)).toBeNull();
      const expected = 'a'.repeat(size);
      expect(leader.applied.slice(-2)).toEqual([expected, expected]);
    }
    await nodes.close();
  });
});

describe('the applied index', () => {
  it('says what was handed to the FSM, not what it has finished (S66)', async () => {
    const fsm = new ListFSM();
    const { nodes, time, leader, raft } = await led(1, { fsm });
    const gate = new Gate();
    fsm.onApply = gate.pass;
    const futures = [1, 2, 3].map((i) => raft.apply(utf8(`${i}`)));
    await time.until(() => gate.waiting === 1, 'the FSM has begun');
    expect([raft.appliedIndex(), leader.applied]).toEqual([5, []]);
    gate.open();
    await time.result(Promise.all(futures));
    await nodes.close();
  });
});

describe('a barrier', () => {
  it('waits for a hundred commands that nobody awaits, on every node (S61, test 33)', async () => {
    const { nodes, time, leader, raft } = await led(3, { config: slower });
    for (let i = 0; i < 100; i += 1) raft.apply(utf8(`${i}`));
    const barrier = raft.barrier();
    expect(await time.error(barrier)).toBeNull();
    expect(leader.applied).toHaveLength(100);
    await nodes.agree(100);
    await nodes.close();
  });

  it('has no answer but that it is over, and a time limit of its own (S61)', async () => {
    const fsm = new ListFSM();
    const { nodes, time, raft } = await led(1, { fsm });
    expect(await time.result(raft.barrier())).toBeUndefined();
    const gate = new Gate();
    fsm.onApply = gate.pass;
    raft.apply(utf8('x'));
    const barrier = raft.barrier();
    await time.pass(50);
    const shutdown = raft.shutdown();
    expect(await time.error(barrier)).toBe(ErrRaftShutdown);
    gate.open();
    await time.result(shutdown);
    await nodes.close();
  });
});

describe('commands by the hundred', () => {
  it('succeed at once, and every FSM was told the same (test 30)', async () => {
    const { nodes, time, raft } = await led(3, { config: slower });
    const futures = Array.from({ length: 100 }, (_, i) => raft.apply(utf8(`${i}`), 5000));
    await time.result(Promise.all(futures));
    await nodes.agree(100);
    await nodes.close();
  });

  it('that may wait a microsecond are refused while others wait (S55, test 31)', async () => {
    const store = new HookedStore();
    const { nodes, time, leader, raft } = await led(1, { store, config: { commitTimeout: 1 } });
    const gate = new Gate();
    store.onWrite = gate.pass;
    const large = raft.apply(new Uint8Array(65 * 1024 * 1024));
    await time.pass(1);
    const futures = Array.from({ length: 500 }, (_, i) => {
      if (i % 5 === 0) void raft.verifyLeader();
      return raft.apply(utf8(`${i}`), 0.001);
    });
    const errors = await Promise.all(futures.map((future) => time.error(future)));
    expect(errors).toContain(ErrEnqueueTimeout);
    gate.open();
    await time.result(large);
    await time.result(raft.barrier());
    expect(leader.applied).toHaveLength(1 + errors.filter((error) => error === null).length);
    await nodes.close();
  });
});

describe('AppendEntries of a newer term', () => {
  it.each([
    ['by its header', { rpcHeader: headerOf('b') }],
    ['by the deprecated field', { leader: utf8('b:1') }],
  ])('is taken, its sender known %s (S103, test 38)', async (_, sender) => {
    const nodes = new TestCluster();
    const { time } = nodes;
    const raft = await nodes.add({ config: { protocolVersion: 1, localID: 'a:1' } }).start();
    const fields = { term: 1, entries: [logOf(1, 1)], leaderCommitIndex: 90 };
    const request = new AppendEntriesRequest({ ...fields, ...sender });
    const answer = stranger(nodes).appendEntries('a', 'a:1', request);
    expect(await time.result(answer)).toMatchObject({ success: true, term: 1 });
    expect([raft.leaderWithID().address, raft.lastIndex(), raft.commitIndex()]).toEqual([
      'b:1',
      1,
      1,
    ]);
    await nodes.close();
  });
});

describe('a log cache in front of a store that fails', () => {
  it('serves nothing that is not stored: the node starts again without it (test 39)', async () => {
    const nodes = new TestCluster();
    const { time } = nodes;
    for (let i = 0; i < 3; i += 1) nodes.add();
    const suffrage = ServerSuffrage.Voter;
    const members = nodes.nodes.map(({ id, address }) => ({ suffrage, id, address }));
    const raw = new HookedStore();
    const cache = newLogCache(100, raw);
    const [third, ...two] = [...nodes.nodes].reverse();
    if (third === undefined) throw new Error('three nodes wanted');
    for (const node of nodes.nodes) {
      const [logs, stable] = node === third ? [raw, raw] : [node.store, node.store];
      const { config, snaps, transport } = node;
      await bootstrapCluster(config, logs, stable, snaps, transport, new Configuration(members));
    }
    nodes.connect();
    for (const node of two) await node.start();
    const patient = { ...third.config, heartbeatTimeout: 5000, electionTimeout: 5000 };
    const { fsm, snaps, transport } = third;
    const raft = await newRaft(patient, fsm, cache, raw, snaps, transport);
    const leader = await nodes.leader(two);
    const apply = (count: number) =>
      time.result(Promise.all(Array.from({ length: count }, () => leader.raft.apply(utf8('x')))));
    await apply(5);
    await time.until(() => raft.lastIndex() === 7, 'the third has them');
    raw.onWrite = () => {
      throw new Error('some error');
    };
    await apply(3);
    await time.until(() => raft.state() === RaftState.Shutdown, 'the third stops');
    await expect((async () => cache.getLog(8))()).rejects.toBe(ErrLogNotFound);
    raw.onWrite = () => {};
    await time.result(raft.shutdown());
    third.renew();
    nodes.connect();
    const again = await newRaft(patient, third.fsm, raw, raw, snaps, third.transport);
    await nodes.agree(8);
    await time.result(again.shutdown());
    for (const node of two) await time.result(node.stop());
  });
});

describe('a snapshot of a node that has applied nothing', () => {
  it('is not taken, nor is it said to have failed (S15, S144, S150, #638)', async () => {
    const config = { snapshotThreshold: 0, snapshotInterval: 10, trailingLogs: 0 };
    const { nodes, time, leader, raft } = await led(1, { config });
    await time.result(raft.apply(utf8('x')));
    expect(await time.error(raft.snapshot())).toBeNull();
    await time.result(leader.stop());
    leader.renew();
    const count = (await leader.snaps.list()).length;
    leader.config = { ...leader.config, heartbeatTimeout: 9000, electionTimeout: 9000 };
    const again = await leader.start();
    expect(leader.store.lastIndex()).toBe(0);
    expect(await time.error(again.snapshot())).toBe(ErrNothingNewToSnapshot);
    await time.pass(500);
    expect(await leader.snaps.list()).toHaveLength(count);
    expect(leader.lines).not.toContain('error: failed to take snapshot');
    await nodes.close();
  });
});
