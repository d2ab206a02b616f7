import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { firstOf, type Led, led } from '../../testing/behaviour-fixture.ts';
import { AbleHookedStore, Gate, ListFSM } from '../../testing/runtime-fixture.ts';
import {
  ErrAbortedByRestore,
  ErrEnqueueTimeout,
  ErrLeadershipLost,
  ErrLeadershipTransferInProgress,
  ErrNotLeader,
  ErrRaftShutdown,
} from '../errors.ts';
import type { ApplyFuture, ApplyOutcome } from '../future.ts';

/** A command that will have an outcome. */
interface Case {
  readonly future: ApplyFuture;
  readonly led: Led;
}

const x = utf8('x');

/** A leader that can commit nothing: nobody hears it. */
async function cutOff(count = 3): Promise<Led> {
  const cluster = await led(count);
  cluster.nodes.isolate(cluster.leader);
  return cluster;
}

/** A leader whose disk stands still until the gate is opened. */
async function withHeldDisk() {
  const store = new AbleHookedStore();
  const cluster = await led(1, { store, config: { diskTimeout: 500 } });
  const gate = new Gate();
  store.onWrite = gate.pass;
  return { ...cluster, gate, store };
}

/** A node whose main lane stands still: an observer holds it. */
async function held(): Promise<Led & { readonly release: () => void }> {
  const cluster = await led(1);
  const gate = new Gate();
  let isFirst = true;
  cluster.raft.registerObserver({
    observe: () => {
      if (!isFirst) return undefined;
      isFirst = false;
      return Promise.resolve(gate.pass());
    },
  });
  cluster.raft.addNonvoter('z', 'z:1');
  await cluster.time.pass(1);
  return { ...cluster, release: () => gate.open() };
}

const cases: Record<string, [() => Promise<Case>, unknown, ApplyOutcome]> = {
  'is applied': [
    async () => {
      const cluster = await led(1);
      return { future: cluster.raft.apply(x), led: cluster };
    },
    null,
    'applied',
  ],
  'comes to a follower': [
    async () => {
      const cluster = await led(3);
      const [other] = firstOf(cluster.others, 1);
      return { future: other.raft.apply(x), led: cluster };
    },
    ErrNotLeader,
    'not-applied',
  ],
  'comes after the shutdown': [
    async () => {
      const cluster = await led(1);
      await cluster.time.result(cluster.raft.shutdown());
      return { future: cluster.raft.apply(x), led: cluster };
    },
    ErrRaftShutdown,
    'not-applied',
  ],
  'waits when the node is shut down': [
    async () => {
      const cluster = await held();
      const future = cluster.raft.apply(x);
      await cluster.time.pass(1);
      cluster.raft.shutdown();
      cluster.release();
      return { future, led: cluster };
    },
    ErrRaftShutdown,
    'not-applied',
  ],
  'is in flight when the node is shut down': [
    async () => {
      const cluster = await cutOff();
      const future = cluster.raft.apply(x);
      await cluster.time.pass(1);
      cluster.raft.shutdown();
      return { future, led: cluster };
    },
    ErrLeadershipLost,
    'unknown',
  ],
  'waits for the FSM when the node is shut down': [
    async () => {
      const gate = new Gate();
      const fsm = new ListFSM();
      const cluster = await led(1, { fsm });
      fsm.onApply = gate.pass;
      const future = cluster.raft.apply(x);
      await cluster.time.until(() => cluster.raft.commitIndex() === 3);
      cluster.raft.shutdown();
      await cluster.time.pass(1);
      gate.open();
      return { future, led: cluster };
    },
    ErrRaftShutdown,
    'unknown',
  ],
  'is not let in in time': [
    async () => {
      const cluster = await held();
      const future = cluster.raft.apply(x, 100);
      await cluster.time.error(future);
      cluster.release();
      return { future, led: cluster };
    },
    ErrEnqueueTimeout,
    'not-applied',
  ],
  'is in flight when the leadership ends': [
    async () => {
      const cluster = await cutOff();
      return { future: cluster.raft.apply(x), led: cluster };
    },
    ErrLeadershipLost,
    'unknown',
  ],
  'comes while the leadership is handed over': [
    async () => {
      const cluster = await led(3);
      const [target] = firstOf(cluster.others, 1);
      cluster.nodes.isolate(target);
      await cluster.time.result(cluster.raft.apply(utf8('behind')));
      cluster.raft.leadershipTransferToServer(target.id, target.address);
      await cluster.time.pass(1);
      return { future: cluster.raft.apply(x), led: cluster };
    },
    ErrLeadershipTransferInProgress,
    'not-applied',
  ],
  'is in flight when a restore takes place': [
    async () => {
      const store = new AbleHookedStore();
      const cluster = await led(1, { store });
      const { raft, time } = cluster;
      await time.result(raft.apply(utf8('before')));
      const taken = raft.snapshot();
      await time.result(taken);
      const { meta, reader } = await taken.open();
      const gate = new Gate();
      store.onWrite = gate.pass;
      const future = raft.apply(x);
      await time.pass(1);
      const restore = raft.restore(meta, reader);
      await time.pass(1);
      gate.open();
      await time.error(restore);
      return { future, led: cluster };
    },
    ErrAbortedByRestore,
    'unknown',
  ],
  'is on its way to a disk that fails': [
    async () => {
      const cluster = await withHeldDisk();
      cluster.store.onWrite = () => {
        throw new Error('disk is gone');
      };
      return { future: cluster.raft.apply(x), led: cluster };
    },
    expect.objectContaining({ message: expect.stringContaining('disk is gone') }),
    'unknown',
  ],
  'comes after the node has failed': [
    async () => {
      const cluster = await withHeldDisk();
      cluster.store.onWrite = () => {
        throw new Error('disk is gone');
      };
      await cluster.time.error(cluster.raft.apply(x));
      return { future: cluster.raft.apply(x), led: cluster };
    },
    ErrRaftShutdown,
    'not-applied',
  ],
  'makes the FSM throw': [
    async () => {
      const fsm = new ListFSM();
      const cluster = await led(1, { fsm });
      fsm.onApply = () => {
        throw new Error('mistake');
      };
      return { future: cluster.raft.apply(x), led: cluster };
    },
    expect.objectContaining({ message: expect.stringContaining('mistake') }),
    'unknown',
  ],
  'is given up before the call': [
    async () => {
      const cluster = await led(1);
      const signal = AbortSignal.abort(new Error('too late'));
      return { future: cluster.raft.apply(x, { signal }), led: cluster };
    },
    expect.objectContaining({ code: 'ERR_ABORTED' }),
    'not-applied',
  ],
  'is given up while it waits': [
    async () => {
      const cluster = await held();
      const caller = new AbortController();
      const future = cluster.raft.apply(x, { signal: caller.signal });
      await cluster.time.pass(1);
      caller.abort();
      cluster.release();
      return { future, led: cluster };
    },
    expect.objectContaining({ code: 'ERR_ABORTED' }),
    'not-applied',
  ],
  'is given up in flight': [
    async () => {
      const cluster = await cutOff();
      const caller = new AbortController();
      const future = cluster.raft.apply(x, { signal: caller.signal });
      await cluster.time.pass(1);
      caller.abort();
      return { future, led: cluster };
    },
    expect.objectContaining({ code: 'ERR_ABORTED' }),
    'unknown',
  ],
};

/** How often any node was told the command, now that everything has been let go. */
async function timesApplied({ nodes, time }: Led): Promise<number> {
  nodes.connect();
  await time.pass(2000);
  return Math.max(...nodes.nodes.map((node) => node.applied.filter((c) => c === 'x').length));
}

describe('the outcome of a command that', () => {
  it.each(Object.entries(cases))(
    '%s is told by its future (S166)',
    async (_what, [make, ...told]) => {
      const [error, outcome] = told;
      const { future, led: cluster } = await make();
      expect(await cluster.time.error(future)).toEqual(error);
      expect(future.outcome()).toBe(outcome);
      const times = await timesApplied(cluster);
      if (outcome === 'applied') expect(times).toBe(1);
      if (outcome === 'not-applied') expect(times).toBe(0);
      expect(times).toBeLessThanOrEqual(1);
      expect(future.outcome()).toBe(outcome);
      await cluster.nodes.close();
    },
  );

  it('was given up in flight can be applied all the same', async () => {
    const cluster = await led(3);
    cluster.nodes.isolate(cluster.leader);
    const caller = new AbortController();
    const future = cluster.raft.apply(x, { signal: caller.signal });
    await cluster.time.pass(1);
    caller.abort(new Error('enough'));
    const error = await cluster.time.error(future);
    expect(error).toMatchObject({ code: 'ERR_ABORTED', cause: caller.signal.reason });
    expect(error?.message).toBe('the caller gave up waiting: enough');
    cluster.nodes.connect();
    await cluster.nodes.agree(1);
    expect([future.outcome(), future.response()]).toEqual(['unknown', undefined]);
    await cluster.nodes.close();
  });
});
