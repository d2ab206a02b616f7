import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import {
  AbleHookedStore,
  Gate,
  HookedStore,
  ListFSM,
  TestCluster,
  type TestNodeOptions,
} from '../../testing/runtime-fixture.ts';
import { ErrRaftShutdown } from '../errors.ts';
import type { Future } from '../future.ts';
import { RaftState } from '../state.ts';
import { NodeRunner } from './node-runner.ts';

/** How long a shutdown waits for what is under way. */
const LIMIT_MS = 10_000;

async function cluster(count: number, options: TestNodeOptions = {}) {
  const nodes = await new TestCluster().start(count, () => options);
  const leader = await nodes.leader();
  const others = nodes.nodes.filter((node) => node !== leader);
  return { nodes, time: nodes.time, leader, raft: leader.raft, others };
}

/** Counts how often each future settles. */
function watch(futures: readonly Future<unknown>[]): { readonly counts: number[] } {
  const counts = futures.map(() => 0);
  futures.forEach((future, i) => {
    void future.error().then(() => {
      counts[i] = (counts[i] ?? 0) + 1;
    });
  });
  return { counts };
}

describe('a shutdown', () => {
  it('settles every future, once, and leaves no timer (S70, S163)', async () => {
    const { nodes, time, leader, raft, others } = await cluster(3);
    nodes.isolate(...others);
    const inFlight = raft.apply(utf8('in flight'));
    await time.pass(1);
    const futures: Future<unknown>[] = [
      inFlight,
      raft.barrier(60_000),
      raft.verifyLeader(),
      raft.readIndex(60_000),
      raft.addVoter('x', 'x:1', 0, 60_000),
      raft.addVoter('y', 'y:1', 0, 60_000),
      raft.snapshot(),
      raft.leadershipTransfer(),
    ];
    const waiting = raft.apply(utf8('waiting'), 60_000);
    futures.push(waiting);
    const { counts } = watch(futures);
    expect(await time.error(raft.shutdown())).toBeNull();
    await time.pass(1);
    expect(counts).toEqual(futures.map(() => 1));
    expect([inFlight.outcome(), waiting.outcome()]).toEqual(['unknown', 'not-applied']);
    for (const node of others) await time.result(node.stop());
    const { eventsRun } = time.scheduler;
    await time.pass(10 * LIMIT_MS);
    expect([time.scheduler.eventsRun - eventsRun, leader.transport.consumer().closed]).toEqual([
      0,
      true,
    ]);
  });

  it('waits for the write under way, and starts none behind it (S161)', async () => {
    const store = new AbleHookedStore();
    const { time, raft } = await cluster(1, { store });
    const gate = new Gate();
    store.onWrite = gate.pass;
    const first = raft.apply(utf8('1'));
    await time.until(() => gate.waiting === 1, 'it is being written');
    raft.apply(utf8('2'));
    await time.pass(5);
    let isDone = false;
    void raft
      .shutdown()
      .error()
      .then(() => {
        isDone = true;
      });
    await time.pass(100);
    expect(isDone).toBe(false);
    gate.letOne();
    await time.pass(1);
    expect([isDone, gate.waiting]).toEqual([true, 0]);
    await time.error(first);
    expect(first.outcome()).toBe('unknown');
  });

  it.each([
    ['a write to a store', 'onWrite'],
    ['the FSM', 'onApply'],
    ['a snapshot', 'onPersist'],
    ['the main lane', 'observe'],
  ])(
    'names %s that does not end, frees the port and settles all others (R9)',
    async (what, hook) => {
      const store = new AbleHookedStore();
      const fsm = new ListFSM();
      const { time, leader, raft } = await cluster(1, { store, fsm });
      await time.result(raft.apply(utf8('x')));
      const { pass } = new Gate();
      if (hook === 'onWrite') store.onWrite = pass;
      if (hook === 'onApply') fsm.onApply = pass;
      if (hook === 'onPersist') fsm.onPersist = pass;
      if (hook === 'observe') raft.registerObserver({ observe: () => new Promise(() => {}) });
      const futures: Future<unknown>[] =
        hook === 'observe'
          ? [raft.addNonvoter('z', 'z:1'), raft.addNonvoter('y', 'y:1')]
          : [raft.snapshot(), raft.apply(utf8('y')), raft.barrier(60_000)];
      await time.pass(10);
      const shutdown = raft.shutdown();
      await time.pass(1);
      expect(leader.transport.consumer().closed).toBe(true);
      for (const future of futures) await time.error(future, 1);
      const error = await time.error(shutdown, LIMIT_MS + 1);
      expect(error?.message).toMatch(what);
      expect(error).toMatchObject({ code: 'ERR_SHUTDOWN_INCOMPLETE' });
      expect(raft.state()).toBe(RaftState.Shutdown);
    },
  );

  it('is done once, however often it is asked for, and by `await using` too (S161)', async () => {
    const { nodes, time, raft } = await cluster(1);
    const all = Promise.all([raft.shutdown(), raft.shutdown(), raft[Symbol.asyncDispose]()]);
    await time.result(all);
    await nodes.close();
  });

  it('in the middle of an election is a shutdown like any other', async () => {
    const { nodes, time, leader, others } = await cluster(3);
    const [other] = others;
    if (other === undefined) throw new Error('no follower');
    nodes.isolate(leader);
    nodes.isolate(other);
    await time.until(() => other.raft.state() === RaftState.Candidate, 'it stands');
    expect(await time.error(other.raft.shutdown())).toBeNull();
    await nodes.close();
  });

  it('takes a transport that cannot be closed, and one that fails to', async () => {
    for (const close of [undefined, () => Promise.reject(new Error('port is stuck'))]) {
      const { time, leader, raft } = await cluster(1);
      Object.assign(leader.transport, { close });
      const error = await time.error(raft.shutdown());
      expect(error?.message).toBe(close === undefined ? undefined : 'port is stuck');
      expect(raft.state()).toBe(RaftState.Shutdown);
    }
  });
});

describe('the first failure is the last (rule 1)', () => {
  it.each([
    ['a follower', 'throws'],
    ['a follower', 'hangs'],
    ['the leader', 'throws'],
    ['the leader', 'hangs'],
  ])('%s whose disk %s stops, and answers nothing (S57, #163, #503, #683)', async (who, how) => {
    const nodes = new TestCluster();
    const stores = [new AbleHookedStore(), new HookedStore(), new AbleHookedStore()];
    await nodes.start(3, (i) => ({ store: stores[i] ?? new HookedStore() }));
    const { time } = nodes;
    const leader = await nodes.leader();
    const victim = who === 'the leader' ? leader : nodes.nodes.find((node) => node !== leader);
    if (!(victim?.store instanceof HookedStore)) throw new Error('no victim');
    victim.store.onWrite = () => {
      if (how === 'hangs') return new Promise(() => {});
      throw new Error('bad sector');
    };
    const future = leader.raft.apply(utf8('x'));
    await time.until(() => victim.raft.state() === RaftState.Shutdown, 'it has stopped');
    expect(victim.raft.fatal?.message).toMatch(how === 'hangs' ? /has not been answered/ : 'bad');
    const rest = nodes.nodes.filter((node) => node !== victim);
    expect(await time.error(victim.raft.apply(utf8('y')))).toBe(ErrRaftShutdown);
    const next = await nodes.leader(rest);
    expect(await time.error(next.raft.apply(utf8('z')))).toBeNull();
    const error = await time.error(future);
    if (error === null) await nodes.agree(2, rest);
    else expect([victim, future.outcome()]).toEqual([leader, 'unknown']);
    const stopped = await time.error(victim.raft.shutdown());
    expect(stopped === null).toBe(how === 'throws');
    for (const node of rest) await time.result(node.stop());
  });

  it('whoever waits is told the cause', async () => {
    const store = new AbleHookedStore();
    const { nodes, time, raft } = await cluster(1, { store });
    store.onWrite = () => Promise.reject(new Error('disk is full'));
    const change = raft.addNonvoter('z', 'z:1');
    await time.pass(1);
    const apply = raft.apply(utf8('x'));
    expect((await time.error(change))?.message).toMatch('disk is full');
    expect(await time.error(apply)).toBe(ErrRaftShutdown);
    expect(apply.outcome()).toBe('not-applied');
    expect(raft.fatal?.message).toMatch('append failed: disk is full');
    await nodes.close();
  });

  it('an FSM that throws ends its node, not the process (S201)', async () => {
    const fsm = new ListFSM();
    const { nodes, time, raft } = await cluster(1, { fsm });
    fsm.onApply = () => {
      throw new Error('cannot apply');
    };
    const future = raft.apply(utf8('x'));
    expect((await time.error(future))?.message).toBe('cannot apply');
    expect([raft.state(), raft.fatal?.message]).toEqual([RaftState.Shutdown, 'cannot apply']);
    await nodes.close();
  });

  it('a store that is closed under the node ends it (S201)', async () => {
    const store = new AbleHookedStore();
    const { nodes, time, raft } = await cluster(1, { store });
    for (const name of ['storeLogs', 'getLog', 'getLogRange', 'setMany', 'replaceTail'] as const) {
      Object.assign(store, {
        [name]: () => {
          throw new Error('the store is closed');
        },
      });
    }
    const future = raft.apply(utf8('x'));
    expect((await time.error(future))?.message).toMatch('the store is closed');
    expect(raft.state()).toBe(RaftState.Shutdown);
    await nodes.close();
  });

  it('a rule that throws ends the node, and whatever it had in hand is told (R1, R5)', async () => {
    const { nodes, time, leader, raft } = await cluster(1);
    Object.assign(leader.clock, {
      wallTime: () => {
        throw new Error('no clock');
      },
    });
    const future = raft.apply(utf8('x'));
    expect((await time.error(future))?.message).toBe('no clock');
    expect([raft.state(), raft.fatal?.message]).toEqual([RaftState.Shutdown, 'no clock']);
    await nodes.close();
  });

  it('a state that cannot be ends the node for good (R1)', async () => {
    const nodes = new TestCluster();
    const { config, fsm, store, snaps, transport } = nodes.add();
    const parts = { config, fsm, logs: store, stable: store, snaps, trans: transport };
    const runner = await NodeRunner.start(parts, () => null);
    await nodes.time.pass(1);
    runner.node.lastApplied = 1000;
    runner.post({ kind: 'timer', timer: 'heartbeat' });
    runner.post({ kind: 'verify', ticket: 0 });
    await nodes.time.pass(1000);
    expect(runner.fatal?.message).toMatch('must not pass the commit index');
    expect([runner.isStopped, runner.published.role]).toEqual([true, RaftState.Shutdown]);
    expect(transport.consumer().closed).toBe(true);
    await nodes.time.result(runner.shutdown());
  });

  it('a logger that throws does not keep the node from stopping (R1)', async () => {
    const fsm = new ListFSM();
    const { time, leader, raft } = await cluster(1, { fsm });
    fsm.onApply = () => {
      throw new Error('cannot apply');
    };
    Object.assign(leader.log, {
      error: () => {
        throw new Error('cannot log');
      },
    });
    expect((await time.error(raft.apply(utf8('x'))))?.message).toBe('cannot apply');
    expect(raft.state()).toBe(RaftState.Shutdown);
    expect(await time.error(raft.shutdown())).toBeNull();
  });
});
