import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { InmemSnapshotStore } from '../../snapshot/inmem-snapshot-store.ts';
import { firstOf, type Led, led, stranger } from '../../testing/behaviour-fixture.ts';
import {
  command,
  elect,
  headerOf,
  leadershipOf,
  newLeader,
  newNode,
  only,
  step,
  theOnly,
} from '../../testing/core-fixture.ts';
import {
  AbleHookedStore,
  Gate,
  HookedStore,
  ListFSM,
  logOf,
  TestCluster,
} from '../../testing/runtime-fixture.ts';
import { Configuration } from '../configuration.ts';
import { ErrLeadershipLost, ErrLogNotFound, ErrRaftShutdown } from '../errors.ts';
import { AppendEntriesRequest, RequestVoteRequest } from '../messages.ts';
import { RaftState } from '../state.ts';

/** A node that was never bootstrapped, and a transport that speaks in anybody's name. */
async function alone(store: HookedStore) {
  const nodes = new TestCluster();
  const node = nodes.add({ store });
  await node.start();
  return { nodes, time: nodes.time, node, raft: node.raft, trans: stranger(nodes) };
}

/** Whether a promise is settled, looked at later. */
function watch(promise: Promise<unknown>): { isSettled: boolean } {
  const seen = { isSettled: false };
  const note = (): void => {
    seen.isSettled = true;
  };
  promise.then(note, note);
  return seen;
}

describe('a heartbeat', () => {
  it('of a newer term waits for the vote that is being written (S4, S100, #695)', async () => {
    const store = new AbleHookedStore();
    const { nodes, time, node, raft, trans } = await alone(store);
    const gate = new Gate();
    store.onWrite = gate.pass;
    const ask = { rpcHeader: headerOf('c'), term: 9, lastLogIndex: 1 };
    const vote = trans.requestVote(node.id, node.address, new RequestVoteRequest(ask));
    await time.until(() => gate.waiting === 1, 'the vote is being written');
    const beat = { rpcHeader: headerOf('b'), term: 10 };
    const answer = trans.appendEntries(node.id, node.address, new AppendEntriesRequest(beat));
    const answered = watch(answer);
    await time.pass(100);
    expect([answered.isSettled, raft.currentTerm()]).toEqual([false, 0]);
    gate.open();
    expect(await time.result(vote)).toMatchObject({ granted: true, term: 9 });
    expect(await time.result(answer)).toMatchObject({ success: true, term: 10 });
    expect(store.writes.slice(-2)).toEqual([
      'CurrentTerm=9 LastVoteCand=c:1 LastVoteTerm=9',
      'CurrentTerm=10',
    ]);
    await nodes.close();
  });

  it('of a newer term ends a leadership before another entry is stamped (S58, #695)', () => {
    const { node } = newLeader();
    const request = new AppendEntriesRequest({ rpcHeader: headerOf('b'), term: 9 });
    step(node, { kind: 'appendEntries', request, ticket: 1 });
    const out = step(node, { kind: 'propose', proposals: [command] });
    expect(only(out, 'startAppend')).toEqual([]);
    expect(theOnly(out, 'refuse').proposals).toEqual([command]);
  });
});

it('entries carry the term that their leader was elected in (S58, #695)', () => {
  const { node, leadership } = newLeader();
  node.currentTerm = 9;
  const out = step(node, { kind: 'propose', proposals: [command] });
  expect(theOnly(out, 'startAppend').entries[0]?.term).toBe(leadership.term);
});

describe('a crash in the middle of a vote', () => {
  it.each([
    ['that writes several keys at once', () => new AbleHookedStore()],
    ['that writes one key at a time', () => new HookedStore()],
  ])('never leaves it to somebody else, in a store %s (S115, #661)', async (_, newStore) => {
    for (let survive = 0; survive <= 3; survive += 1) {
      const store = newStore();
      store.inner.storeLogs([logOf(1, 4), logOf(2, 4)]);
      store.inner.setMany([
        { key: utf8('CurrentTerm'), value: 5 },
        { key: utf8('LastVoteTerm'), value: 5 },
        { key: utf8('LastVoteCand'), value: utf8('b:1') },
      ]);
      const before = await alone(store);
      let left = survive;
      store.onWrite = () => {
        left -= 1;
        if (left < 0) throw new Error('crash');
      };
      const upToDate = { lastLogIndex: 2, lastLogTerm: 4 };
      const first = new RequestVoteRequest({ rpcHeader: headerOf('c'), term: 6, ...upToDate });
      const given = watch(before.trans.requestVote('a', 'a:1', first));
      await before.time.pass(50);
      store.onWrite = () => {};
      if (!given.isSettled) await before.time.result(before.nodes.close());

      // The one it voted for in term 5 now stands in term 6, with a log that must not win.
      const after = await alone(store);
      const stale = { lastLogIndex: 1, lastLogTerm: 1 };
      const second = new RequestVoteRequest({ rpcHeader: headerOf('b'), term: 6, ...stale });
      const answer = after.trans.requestVote('a', 'a:1', second);
      expect(await after.time.result(answer)).toMatchObject({ granted: false });
      await after.nodes.close();
    }
  });
});

describe('a transfer of leadership that never ended', () => {
  it('leaves nothing to a later time in office: it takes writes again (S45, #696)', async () => {
    const { nodes, time, leader, raft, others } = await led(3, {
      config: { electionTimeout: 500 },
    });
    const [target, other] = firstOf(others, 2);
    nodes.isolate(target);
    await time.result(raft.apply(utf8('target lacks it')));
    const transfer = raft.leadershipTransferToServer(target.id, target.address);
    await time.pass(5);
    nodes.isolate(leader);
    await time.until(() => !leader.isLeader, 'it steps down');
    expect(await time.error(transfer)).toBeNull();
    nodes.connect();
    const next = await nodes.leader();
    if (next !== leader) {
      const back = next.raft.leadershipTransferToServer(leader.id, leader.address);
      expect(await time.error(back)).toBeNull();
    }
    await time.until(() => leader.isLeader, 'it leads again');
    expect(await time.error(raft.apply(utf8('again')))).toBeNull();
    await nodes.agree(2, [leader, target, other]);
    await nodes.close();
  });
});

describe('a leader whose disk hangs', () => {
  const LIMIT_MS = 300;

  async function hung(): Promise<Led & { gate: Gate; store: HookedStore }> {
    const stores = [0, 1, 2].map(() => new AbleHookedStore());
    const cluster = await led(3, (i) => ({
      store: stores[i] ?? new AbleHookedStore(),
      config: { diskTimeout: LIMIT_MS },
    }));
    const { store } = cluster.leader;
    if (!(store instanceof HookedStore)) throw new Error('expected a store that can hang');
    const gate = new Gate();
    store.onWrite = gate.pass;
    return { ...cluster, gate, store };
  }

  it('gives way after the time that was set, and not before (#503, #683)', async () => {
    const { nodes, time, leader, raft, others, gate } = await hung();
    const future = raft.apply(utf8('x'));
    const read = raft.apply(utf8('y'));
    await time.pass(LIMIT_MS - 20);
    expect(leader.isLeader).toBe(true);
    await time.until(() => raft.state() === RaftState.Shutdown, 'it stops', 50);
    expect(raft.fatal).toMatchObject({ code: 'ERR_STORE_TIMEOUT' });
    expect(raft.leaderWithID()).toEqual({ address: '', id: '' });
    for (const lost of [future, read]) {
      const error = await time.error(lost);
      expect([error === null, lost.outcome()]).toEqual(
        error === null ? [true, 'applied'] : [false, 'unknown'],
      );
    }
    const next = await nodes.leader(others);
    expect(await time.error(next.raft.apply(utf8('z')))).toBeNull();
    gate.open();
    await nodes.close();
  });

  it('stays out when the disk comes back, until it is started again (#503)', async () => {
    const { nodes, time, leader, raft, others, gate, store } = await hung();
    raft.apply(utf8('x'));
    await time.until(() => raft.state() === RaftState.Shutdown, 'it stops');
    const { writes } = store;
    gate.open();
    await time.pass(2000);
    expect(writes.filter((what) => what.startsWith('store')).length).toBeLessThanOrEqual(3);
    const late = raft.apply(utf8('late'));
    expect([await time.error(late), late.outcome()]).toEqual([ErrRaftShutdown, 'not-applied']);
    expect(raft.state()).toBe(RaftState.Shutdown);
    const next = await nodes.leader(others);
    await time.result(next.raft.apply(utf8('y')));
    await time.result(leader.stop());
    leader.renew();
    nodes.connect();
    await leader.start();
    await time.until(() => leader.applied.includes('y'), 'it catches up');
    await nodes.close();
  });

  it('is told from one whose disk is only slow (#503)', async () => {
    const { nodes, time, leader, raft, store } = await hung();
    store.onWrite = () => time.clock.sleep(LIMIT_MS * 0.8);
    for (let i = 0; i < 5; i += 1) expect(await time.error(raft.apply(utf8(`${i}`)))).toBeNull();
    expect([leader.isLeader, raft.fatal]).toEqual([true, null]);
    store.onWrite = () => {};
    await nodes.close();
  });
});

describe('a leader whose snapshot store hangs', () => {
  it('at the end of a restore gives way, and stays out (#503)', async () => {
    const gate = new Gate();
    class HangingSnapshots extends InmemSnapshotStore {
      override create(...args: Parameters<InmemSnapshotStore['create']>) {
        return Object.assign(super.create(...args), { close: gate.pass });
      }
    }
    const { nodes, time, raft, others } = await led(3, () => ({
      snaps: new HangingSnapshots(),
      config: { diskTimeout: 300 },
    }));
    const bytes = utf8('["x"]');
    const meta = { version: 1, index: 1, size: bytes.length };
    const restore = raft.restore(
      meta as never,
      (async function* () {
        yield bytes;
      })(),
    );
    await time.pass(2000);
    expect(raft.state()).toBe(RaftState.Leader);
    await time.until(() => raft.state() === RaftState.Shutdown, 'it stops', 2000);
    expect(raft.fatal).toMatchObject({
      code: 'ERR_STORE_TIMEOUT',
      message: expect.stringMatching(/^close of a snapshot has not been answered for 3000 ms$/),
    });
    expect(await time.error(restore)).toMatchObject({ code: 'ERR_STORE_TIMEOUT' });
    const next = await nodes.leader(others);
    expect(await time.error(next.raft.apply(utf8('z')))).toBeNull();
    gate.open();
    await nodes.close();
  });
});

describe('a change of the membership whose entry cannot be stored', () => {
  it('is not applied: the node stops, and knows the old members after it (S130)', async () => {
    const store = new AbleHookedStore();
    const { nodes, time, leader, raft } = await led(1, { store });
    store.onWrite = () => Promise.reject(new Error('disk is full'));
    const change = raft.addVoter('z', 'z:1');
    expect((await time.error(change))?.message).toMatch('disk is full');
    expect(raft.state()).toBe(RaftState.Shutdown);
    store.onWrite = () => {};
    await time.result(leader.stop());
    leader.renew();
    const again = await leader.start();
    const { servers } = (await time.result(again.getConfiguration())) ?? new Configuration();
    expect(servers.map(({ id }) => id)).toEqual(['a']);
    await time.until(() => leader.isLeader, 'it needs no vote of the new one');
    await nodes.close();
  });
});

describe('commands that wait for the FSM', () => {
  it('are answered when the node shuts down (S143)', async () => {
    const fsm = new ListFSM();
    const { time, leader, raft } = await led(1, { fsm });
    const gate = new Gate();
    fsm.onApply = gate.pass;
    const futures = Array.from({ length: 10 }, (_, i) => raft.apply(utf8(`${i}`)));
    await time.until(() => gate.waiting === 1 && raft.appliedIndex() === 12, 'all are handed over');
    const shutdown = raft.shutdown();
    const answers: unknown[] = [];
    for (const future of futures) answers.push(await time.error(future), future.outcome());
    expect(answers).toEqual(futures.flatMap(() => [ErrRaftShutdown, 'unknown']));
    gate.open();
    expect(await time.error(shutdown)).toBeNull();
    expect(leader.applied).toEqual(['0']);
  });
});

describe('verifying the leadership while a server is dead', () => {
  it('keeps nothing of what was answered (S69, #291, #292)', async () => {
    const { nodes, time, leader, raft, others } = await led(3);
    const [dead] = firstOf(others, 1);
    nodes.isolate(dead);
    for (let i = 0; i < 300; i += 1) expect(await time.error(raft.verifyLeader())).toBeNull();
    expect(leader.isLeader).toBe(true);
    await nodes.close();

    const node = newNode();
    elect(node);
    const { reads } = leadershipOf(node);
    for (let ticket = 10; ticket < 1000; ticket += 1) step(node, { kind: 'verify', ticket });
    expect(reads.answered(Number.MAX_SAFE_INTEGER)).toHaveLength(990);
    expect(reads.isEmpty).toBe(true);
  });
});

describe('two of three servers', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'always find a leader when the third is gone, seed %i (#472)',
    async (seed) => {
      const { nodes, time, leader, others } = await led(3, {}, seed);
      const [first, second] = firstOf(others, 2);
      await time.result(leader.stop());
      const next = await nodes.leader([first, second]);
      expect(await time.error(next.raft.apply(utf8('x')))).toBeNull();
      for (const node of others) await time.result(node.stop());
    },
  );
});

describe('a shutdown', () => {
  it('ends at whatever moment of a snapshot it comes (#268)', async () => {
    const config = { snapshotThreshold: 1, snapshotInterval: 5, trailingLogs: 0 };
    for (let delayMs = 0; delayMs < 20; delayMs += 1) {
      const { time, raft } = await led(1, { config });
      for (let i = 0; i < 5; i += 1) raft.apply(utf8(`${i}`));
      await time.pass(delayMs);
      const snapshot = raft.snapshot();
      expect(await time.error(raft.shutdown(), 100)).toBeNull();
      await time.error(snapshot, 1);
    }
  });

  it('ends after the leader changed, while a peer reads nothing (#312)', async () => {
    const { time, leader, raft, others } = await led(3);
    const [deaf, next] = firstOf(others, 2);
    expect(await time.error(raft.leadershipTransferToServer(next.id, next.address))).toBeNull();
    await time.until(() => next.isLeader, 'the other leads');
    deaf.clock.pause();
    next.raft.apply(utf8('x'));
    await time.pass(20);
    for (const node of [leader, next]) {
      expect(await time.error(node.raft.shutdown(), 100)).toBeNull();
    }
    deaf.clock.resume();
    await time.result(deaf.stop());
  });
});

describe('a store that fails', () => {
  it('leaves no wrong state in memory: what it did not store is absent (S107, #163)', async () => {
    const store = new AbleHookedStore();
    const { nodes, time, node, raft, trans } = await alone(store);
    const send = (fields: object) => {
      const request = new AppendEntriesRequest({ rpcHeader: headerOf('c'), ...fields });
      return trans.appendEntries(node.id, node.address, request);
    };
    await time.result(send({ term: 1, entries: [logOf(1, 1), logOf(2, 1)] }));
    store.onWrite = (what) => {
      if (what.startsWith('replace')) throw new Error('bad sector');
    };
    const cut = { term: 2, prevLogEntry: 1, prevLogTerm: 1, entries: [logOf(2, 2)] };
    const answer = send(cut).then(
      ({ success }) => success,
      () => 'no answer',
    );
    await time.until(() => raft.state() === RaftState.Shutdown, 'it stops');
    expect([await time.result(answer), raft.lastIndex()]).toEqual(['no answer', 2]);
    store.onWrite = () => {};
    await time.result(nodes.close());
    expect(store.inner.getLog(2).term).toBe(1);
    expect(() => store.inner.getLog(3)).toThrow(ErrLogNotFound);
  });
});

describe('a leader that is cut off', () => {
  it('cannot tell that a write is lost, and says so (S166)', async () => {
    const { nodes, time, leader, raft, others } = await led(3);
    nodes.isolate(leader);
    const lost = raft.apply(utf8('lost'));
    expect([await time.error(lost), lost.outcome()]).toEqual([ErrLeadershipLost, 'unknown']);
    await nodes.leader(others);
    await nodes.close();
  });
});
