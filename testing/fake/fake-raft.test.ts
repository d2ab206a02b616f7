import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  defaultConfig,
  ErrLeadershipLost,
  ErrNotLeader,
  ErrRaftShutdown,
  type FSM,
  newRaft,
  RaftState,
} from '../../index.ts';
import { utf8 } from '../../internal/bytes.ts';
import { newDeferred } from '../../internal/deferred.ts';
import { newInmemSnapshotStore } from '../../snapshot/index.ts';
import { newInmemStore } from '../../store/index.ts';
import { newInmemTransport } from '../../transport/index.ts';
import { MockFSM } from '../kit/mock-fsm.ts';
import { newVirtualClock } from '../kit/virtual-clock.ts';
import { FakeRaft } from './fake-raft.ts';

describe('FakeRaft', () => {
  it('applies at once, in order, and says at which index', async () => {
    const fsm = new MockFSM();
    const raft = new FakeRaft(fsm);
    const futures = ['a', 'b'].map((text) => raft.apply(utf8(text)));
    expect(fsm.logs().map((bytes) => Buffer.from(bytes).toString())).toEqual(['a', 'b']);
    expect(futures.map((future) => future.index())).toEqual([2, 3]);
    expect(futures.map((future) => future.outcome())).toEqual(['applied', 'applied']);
    expect(await futures[1]).toBe(2);
    expect([raft.lastIndex(), raft.commitIndex(), raft.appliedIndex()]).toEqual([3, 3, 3]);
    expect(await raft.readIndex()).toBe(3);
  });

  it('gives a slow state machine one command at a time', async () => {
    const seen: string[] = [];
    const gates = [newDeferred<void>(), newDeferred<void>()];
    const fsm: FSM = {
      apply: async ({ index }) => {
        seen.push(`begin ${index}`);
        await gates[index - 2]?.promise;
        seen.push(`end ${index}`);
        return index;
      },
      snapshot: () => ({ persist: () => {}, release: () => {} }),
      restore: () => {},
    };
    const raft = new FakeRaft(fsm);
    const futures = [raft.apply(utf8('a')), raft.apply(utf8('b'))];
    const barrier = raft.barrier();
    gates[1]?.resolve();
    expect(seen).toEqual(['begin 2']);
    gates[0]?.resolve();
    expect(await Promise.all(futures)).toEqual([2, 3]);
    expect(await barrier.error()).toBeNull();
    expect(seen).toEqual(['begin 2', 'end 2', 'begin 3', 'end 3']);
  });

  it('refuses as a follower does once it has lost its leadership, and leads again', async () => {
    const raft = new FakeRaft(new MockFSM(), { self: { id: 'a', address: 'a:1' } });
    expect(await raft.leaderCh().receive()).toEqual({ done: false, value: true });
    const told: unknown[] = [];
    raft.registerObserver({ observe: ({ data }) => void told.push(data) });
    raft.loseLeadership({ id: 'b', address: 'b:1' });
    expect([raft.state(), raft.leader()]).toEqual([RaftState.Follower, 'b:1']);
    expect(await raft.leaderCh().receive()).toEqual({ done: false, value: false });
    const refused = raft.apply(utf8('x'));
    expect(await refused.error()).toBe(ErrNotLeader);
    for (const asked of [raft.barrier(), raft.verifyLeader(), raft.readIndex()]) {
      expect(await asked.error()).toBe(ErrNotLeader);
    }
    expect(await raft.addVoter('c', 'c:1').error()).toBe(ErrNotLeader);
    raft.gainLeadership();
    expect(await raft.leaderCh().receive()).toEqual({ done: false, value: true });
    expect([raft.currentTerm(), raft.leaderWithID()]).toEqual([2, { id: 'a', address: 'a:1' }]);
    expect(await raft.apply(utf8('y')).error()).toBeNull();
    expect(told).toMatchObject([
      { kind: 'RaftState', state: RaftState.Follower },
      { kind: 'LeaderObservation', leaderID: 'b' },
      { kind: 'RaftState', state: RaftState.Leader },
      { kind: 'LeaderObservation', leaderID: 'a' },
    ]);
  });

  it('leaves the outcome open of what was in flight', async () => {
    const gate = newDeferred<void>();
    const slow: FSM = {
      apply: () => gate.promise,
      snapshot: () => ({ persist: () => {}, release: () => {} }),
      restore: () => {},
    };
    for (const [end, error] of [
      [(raft: FakeRaft) => raft.loseLeadership(), ErrLeadershipLost],
      [(raft: FakeRaft) => void raft.shutdown(), ErrRaftShutdown],
    ] as const) {
      const raft = new FakeRaft(slow);
      const future = raft.apply(utf8('x'));
      end(raft);
      expect(await future.error()).toBe(error);
    }
    gate.resolve();
  });

  it('changes its configuration, and hands its leadership over', async () => {
    const raft = new FakeRaft(new MockFSM());
    expect((await raft.leadershipTransfer().error())?.message).toBe('cannot find peer');
    await raft.addVoter('b', 'b:1');
    const stale = await raft.addVoter('c', 'c:1', 1).error();
    expect(stale?.message).toMatch(/configuration changed since 1/);
    const ids = raft
      .getConfiguration()
      .configuration()
      .servers.map(({ id }) => id);
    expect(ids).toEqual(['fake', 'b']);
    await raft.leadershipTransfer();
    expect(raft.leader()).toBe('b:1');
  });

  it('takes snapshots, and restores them into another', async () => {
    const raft = new FakeRaft(new MockFSM());
    await raft.apply(utf8('a'));
    const taken = raft.snapshot();
    await taken;
    const { meta, reader } = await taken.open();
    expect(meta.index).toBe(2);
    await expect(taken.open()).rejects.toThrow('opened before');
    const fsm = new MockFSM();
    await new FakeRaft(fsm).restore(meta, reader);
    expect(fsm.logs()).toHaveLength(1);
  });

  it('refuses everything after shutdown, and closes its channel', async () => {
    const raft = new FakeRaft(new MockFSM());
    await raft.shutdown();
    expect(raft.state()).toBe(RaftState.Shutdown);
    expect(await raft.apply(utf8('x')).error()).toBe(ErrRaftShutdown);
    expect(await raft.snapshot().error()).toBe(ErrRaftShutdown);
    raft.gainLeadership();
    expect(raft.state()).toBe(RaftState.Shutdown);
    const words: boolean[] = [];
    for await (const word of raft.leaderCh()) words.push(word);
    expect(words).toEqual([true]);
  });
});

describe('a real node on fake timers', () => {
  afterEach(() => {
    vi.useRealTimers();
  });

  async function start(config: object) {
    const lines: string[] = [];
    const logger = {
      trace() {},
      debug() {},
      info() {},
      warn: (_fields: object, text: string) => void lines.push(text),
      error() {},
    };
    const [, trans] = newInmemTransport('a');
    const store = newInmemStore();
    const full = { ...defaultConfig(), localID: 'a', logger, ...config };
    const snaps = newInmemSnapshotStore();
    const raft = await newRaft(full, new MockFSM(), store, store, snaps, trans);
    await raft.shutdown();
    return lines.filter((line) => line.includes('fake'));
  }

  it('is warned of, and refused under strictTestGuard', async () => {
    expect(await start({ strictTestGuard: true })).toEqual([]);
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    expect(await start({})).toEqual([
      expect.stringMatching(/^the timers of this process are fake/),
    ]);
    await expect(start({ strictTestGuard: true })).rejects.toMatchObject({
      code: 'ERR_FAKE_TIMERS',
    });
  });

  it('has nothing to say of a node with a clock of its own', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    expect(await start({ strictTestGuard: true, clock: newVirtualClock() })).toEqual([]);
  });
});
