import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  type BatchingFSM,
  type ConfigurationStore,
  defaultConfig,
  ErrLeadershipLost,
  ErrNotLeader,
  ErrRaftShutdown,
  type FSM,
  newRaft,
  type Observation,
  RaftState,
} from '../../index.ts';
import { utf8, utf8ToString } from '../../internal/bytes.ts';
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

  it('says who leads to those who listen, once, and nothing to those who left', async () => {
    const raft = new FakeRaft(new MockFSM());
    const told: string[] = [];
    const observer = { observe: ({ data }: Observation) => void told.push(data.kind) };
    raft.registerObserver(observer);
    for (let i = 0; i < 2; i += 1) raft.loseLeadership({ id: 'b', address: 'b:1' });
    expect(told).toEqual(['RaftState', 'LeaderObservation']);
    expect(await raft.leaderCh().receive()).toEqual({ done: false, value: false });
    raft.deregisterObserver(observer);
    raft.loseLeadership();
    expect(told).toHaveLength(2);
    await raft.shutdown();
    expect(await raft.leaderCh().receive()).toMatchObject({ done: true });
  });

  it('begins each term with an entry of its own', async () => {
    const raft = new FakeRaft(new MockFSM());
    raft.loseLeadership();
    raft.gainLeadership();
    expect([raft.lastIndex(), raft.appliedIndex()]).toEqual([2, 2]);
    expect(raft.apply(utf8('a')).index()).toBe(3);
  });

  it('keeps what it was given: a command that is changed later, fields of a config', async () => {
    const gate = newDeferred<void>();
    const seen: string[] = [];
    const fsm: FSM = {
      apply: async ({ data }) => {
        await gate.promise;
        seen.push(utf8ToString(data));
      },
      snapshot: () => ({ persist: () => {}, release: () => {} }),
      restore: () => {},
    };
    const raft = new FakeRaft(fsm);
    const command = utf8('b');
    const futures = [raft.apply(utf8('a')), raft.apply(command)];
    command.fill(0);
    gate.resolve();
    await Promise.all(futures);
    expect(seen).toEqual(['a', 'b']);
    const config = { ...raft.reloadableConfig(), trailingLogs: 7 };
    raft.reloadConfig(config);
    config.trailingLogs = 8;
    expect(raft.reloadableConfig().trailingLogs).toBe(7);
  });

  it('uses what a state machine is able to, and passes on how it fails', async () => {
    const configurations: number[] = [];
    const error = new Error('no');
    const fsm: BatchingFSM & ConfigurationStore = {
      apply: () => 'one by one',
      applyBatch: ([log]) => {
        if (utf8ToString(log?.data ?? null) === 'bad') throw error;
        return ['as a batch'];
      },
      storeConfiguration: (index) => void configurations.push(index),
      snapshot: () => ({ persist: () => {}, release: () => {} }),
      restore: () => {},
    };
    const raft = new FakeRaft(fsm);
    expect(await raft.apply(utf8('good'))).toBe('as a batch');
    expect(await raft.apply(utf8('bad')).error()).toBe(error);
    await raft.addVoter('b', 'b:1');
    expect(configurations).toEqual([4]);
  });

  it('writes a snapshot as it is, and lets go of it', async () => {
    let released = 0;
    const piece = new Uint8Array(1);
    const raft = new FakeRaft({
      apply: () => null,
      snapshot: () => ({
        persist: async (sink) => {
          for (const at of [1, 2]) await sink.write(piece.fill(at));
        },
        release: () => {
          released += 1;
        },
      }),
      restore: () => {},
    });
    const taken = raft.snapshot();
    await taken;
    const bytes: number[] = [];
    for await (const chunk of (await taken.open()).reader) bytes.push(...chunk);
    expect([bytes, released]).toEqual([[1, 2], 1]);
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
