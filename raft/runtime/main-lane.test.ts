import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { stranger } from '../../testing/behaviour-fixture.ts';
import { headerOf } from '../../testing/core-fixture.ts';
import { AbleHookedStore, TestCluster, turn } from '../../testing/runtime-fixture.ts';
import { ErrEnqueueTimeout, ErrNotLeader } from '../errors.ts';
import { RequestVoteRequest } from '../messages.ts';

async function single() {
  const store = new AbleHookedStore();
  const nodes = await new TestCluster().start(1, () => ({ store }));
  const leader = await nodes.leader();
  const { raft } = leader;
  return { nodes, time: nodes.time, leader, raft, store };
}

/** A leader whose main lane waits for an observer until it is let go. */
async function held() {
  const node = await single();
  let isFree = false;
  let letGo = (): void => {};
  node.raft.registerObserver({
    observe: () =>
      isFree
        ? undefined
        : new Promise<void>((resume) => {
            letGo = resume;
          }),
  });
  const change = node.raft.addNonvoter('z', 'z:1');
  await node.time.pass(1);
  const free = (): void => {
    isFree = true;
    letGo();
  };
  return { ...node, free, change };
}

describe('group commit', () => {
  it('makes one write of everything that is proposed in one turn (S56)', async () => {
    const { nodes, time, raft, store } = await single();
    store.writes.length = 0;
    for (let i = 0; i < 100; i += 1) raft.apply(utf8(`${i}`));
    await time.result(raft.barrier());
    expect(store.writes).toEqual(['store 3-103']);
    await nodes.close();
  });

  it('goes on to the end of the turn, whatever else the lane does meanwhile', async () => {
    const { nodes, time, raft, store } = await single();
    store.writes.length = 0;
    const futures = [];
    for (let i = 0; i < 5; i += 1) {
      futures.push(raft.apply(utf8(`${i}`)));
      await raft.verifyLeader();
    }
    await time.result(Promise.all(futures));
    expect(store.writes).toEqual(['store 3-7']);
    await nodes.close();
  });

  it('makes several of what is too much for one (S56)', async () => {
    const { nodes, time, raft, leader } = await single();
    for (let i = 0; i < 5000; i += 1) raft.apply(utf8('x'));
    const futures = [1, 2, 3].map(() => raft.apply(new Uint8Array(3 * 1024 * 1024)));
    await time.result(Promise.all(futures));
    expect(leader.applied).toHaveLength(5003);
    await nodes.close();
  });
});

describe("one caller's own order", () => {
  it('R23: holds between proposals and other requests', async () => {
    const { nodes, time, raft } = await single();
    const first = raft.apply(utf8('first'));
    const change = raft.addNonvoter('z', 'z:1');
    const last = raft.apply(utf8('last'));
    await time.result(Promise.all([first, change, last]));
    expect([first.index(), change.index(), last.index()]).toEqual([3, 4, 5]);
    await nodes.close();
  });
});

describe('a main lane that is held', () => {
  it('lets nobody wait longer than asked for', async () => {
    const { nodes, time, raft, free, change } = await held();
    const start = time.scheduler.nowMs;
    const hasty = raft.apply(utf8('hasty'), 100);
    const patient = raft.apply(utf8('patient'));
    expect(await time.error(hasty)).toBe(ErrEnqueueTimeout);
    expect([hasty.outcome(), time.scheduler.nowMs - start < 150]).toEqual(['not-applied', true]);
    free();
    await time.result(Promise.all([patient, change]));
    await nodes.close();
  });

  it('R24: not even behind a request of another kind', async () => {
    const { nodes, time, raft, free } = await held();
    const start = time.scheduler.nowMs;
    const hasty = raft.apply(utf8('hasty'), 100);
    const later = [raft.verifyLeader(), raft.addNonvoter('y', 'y:1')];
    const read = raft.readIndex(100);
    expect(await time.error(hasty)).toBe(ErrEnqueueTimeout);
    expect((await time.error(read))?.message).toMatch('within 100 ms');
    expect(time.scheduler.nowMs - start).toBeLessThan(150);
    free();
    for (const future of later) expect(await time.error(future)).toBeNull();
    await nodes.close();
  });

  it('goes on where it was', async () => {
    const { nodes, time, raft, leader, free } = await held();
    for (let i = 0; i < 10; i += 1) raft.apply(utf8(`${i}`));
    await time.pass(1000);
    expect(leader.applied).toEqual([]);
    free();
    await turn();
    await time.result(raft.barrier());
    expect(leader.applied).toHaveLength(10);
    await nodes.close();
  });
});

describe('a main lane that the network keeps busy', () => {
  it('answers its callers all the same (S3)', async () => {
    const store = new AbleHookedStore();
    const nodes = new TestCluster();
    const { time } = nodes;
    const raft = await nodes.add({ store }).start();
    const trans = stranger(nodes);
    store.onWrite = () => time.clock.sleep(10);
    const answered: number[] = [];
    for (let term = 1; term <= 200; term += 1) {
      const request = new RequestVoteRequest({ rpcHeader: headerOf('c'), term });
      trans.requestVote('a', 'a:1', request).then(
        () => void answered.push(time.scheduler.nowMs),
        () => {},
      );
    }
    await time.pass(100);
    const start = time.scheduler.nowMs;
    const futures = [raft.apply(utf8('x')), raft.addVoter('b', 'b:1')];
    for (const future of futures) expect(await time.error(future)).toBe(ErrNotLeader);
    expect(time.scheduler.nowMs - start).toBeLessThan(50);
    await time.pass(200);
    expect(answered.length).toBeGreaterThan(10);
    expect(answered.length).toBeLessThan(200);
    await nodes.close();
  });
});
