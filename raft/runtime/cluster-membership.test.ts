import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { ListFSM, TestCluster, type TestNode, turn } from '../../testing/runtime-fixture.ts';
import type { Configuration } from '../configuration.ts';
import { ErrEnqueueTimeout, ErrLeadershipLost, ErrNotLeader } from '../errors.ts';
import { RaftState } from '../state.ts';

async function cluster(count: number, config = {}) {
  const nodes = await new TestCluster().start(count, () => ({ config }));
  const leader = await nodes.leader();
  const others = nodes.nodes.filter((node) => node !== leader);
  return { nodes, time: nodes.time, leader, raft: leader.raft, others };
}

function idsOf({ raft }: TestNode): string {
  return raft
    .getConfiguration()
    .configuration()
    .servers.map(({ id, suffrage }) => (suffrage === 0 ? id : `(${id})`))
    .join(' ');
}

async function join(nodes: TestCluster, fsm = new ListFSM()): Promise<TestNode> {
  const added = nodes.add({ fsm });
  await added.start();
  nodes.connect();
  return added;
}

describe('adding', () => {
  it('41: a fresh node joins, catches up and knows who belongs to it', async () => {
    const { nodes, time, leader, raft } = await cluster(2);
    await time.result(raft.apply(utf8('before')));
    const added = await join(nodes);
    const change = raft.addVoter(added.id, added.address);
    expect(await time.error(change)).toBeNull();
    expect(change.index()).toBe(raft.getConfiguration().index());
    await time.result(raft.apply(utf8('after')));
    await nodes.agree(2);
    expect(await nodes.leader()).toBe(leader);
    expect(nodes.nodes.map(idsOf)).toEqual(['a b c', 'a b c', 'a b c']);
    await nodes.close();
  });

  it('42: a configuration store is told every committed configuration, once', async () => {
    const told = new Map<TestNode, number[]>();
    const nodes = new TestCluster();
    const withStore = () => {
      const sizes: number[] = [];
      const fsm = Object.assign(new ListFSM(), {
        storeConfiguration: (_: number, { servers }: Configuration) => {
          sizes.push(servers.length);
        },
      });
      return { fsm, sizes };
    };
    const first = withStore();
    await nodes.start(1, () => first);
    const leader = await nodes.leader();
    told.set(leader, first.sizes);
    for (let i = 0; i < 2; i += 1) {
      const { fsm, sizes } = withStore();
      const added = await join(nodes, fsm);
      told.set(added, sizes);
      await nodes.time.result(leader.raft.addVoter(added.id, added.address));
    }
    await nodes.time.pass(100);
    expect([...told.values()]).toEqual([
      [1, 2, 3],
      [1, 2, 3],
      [1, 2, 3],
    ]);
    await nodes.close();
  });

  it('47, 48: a change that changes nothing is written all the same', async () => {
    const { time, nodes, raft, others } = await cluster(3);
    const [other] = others;
    if (other === undefined) throw new Error('no follower');
    const before = raft.getConfiguration().index();
    expect(await time.error(raft.addVoter(other.id, other.address))).toBeNull();
    const between = raft.getConfiguration().index();
    expect(await time.error(raft.removeServer('nobody'))).toBeNull();
    const after = raft.getConfiguration().index();
    expect(before < between && between < after).toBe(true);
    expect(nodes.nodes.map(idsOf)).toEqual(['a b c', 'a b c', 'a b c']);
    await nodes.close();
  });

  it('many changes at once are made one after the other', async () => {
    const { nodes, time, raft, leader } = await cluster(1);
    const added = [await join(nodes), await join(nodes), await join(nodes)];
    const changes = added.map(({ id, address }) => raft.addNonvoter(id, address));
    const promotion = raft.addVoter('b', 'b:1');
    const demotion = raft.demoteVoter('b');
    for (const change of [...changes, promotion, demotion]) {
      expect(await time.error(change)).toBeNull();
    }
    const indexes = [...changes, promotion, demotion].map((change) => change.index());
    expect([...indexes].sort((a, b) => a - b)).toEqual(indexes);
    expect(idsOf(leader)).toBe('a (b) (c) (d)');
    await nodes.close();
  });

  it('a change on an outdated configuration is refused', async () => {
    const { nodes, time, raft } = await cluster(1);
    const error = await time.error(raft.addNonvoter('z', 'z:1', 99));
    expect(error?.message).toBe('configuration changed since 99 (latest is 1)');
    await nodes.close();
  });

  it('only the leader changes the membership', async () => {
    const { nodes, time, others } = await cluster(3);
    const [other] = others;
    expect(await time.error(other?.raft.addVoter('z', 'z:1') ?? fail())).toBe(ErrNotLeader);
    await nodes.close();
  });

  it('R4: a change that is not let in within its time is refused, whatever is held', async () => {
    const { nodes, time, raft } = await cluster(1);
    let release = (): void => {};
    raft.registerObserver({
      observe: () =>
        new Promise<void>((resume) => {
          release = resume;
        }),
    });
    const stuck = raft.addNonvoter('z', 'z:1');
    await time.pass(10);
    const before = time.scheduler.nowMs;
    expect(await time.error(raft.addNonvoter('y', 'y:1', 0, 100))).toBe(ErrEnqueueTimeout);
    expect(time.scheduler.nowMs - before).toBeLessThan(150);
    for (let i = 0; i < 10; i += 1) {
      release();
      await turn();
    }
    expect(await time.error(stuck)).toBeNull();
    await nodes.close();
  });

  it('R4: so is one that waits for the change before it', async () => {
    const { nodes, time, raft, others } = await cluster(3, { leaderLeaseTimeout: 50 });
    nodes.isolate(...others);
    const first = raft.addNonvoter('y', 'y:1');
    const second = raft.addNonvoter('z', 'z:1', 0, 5);
    expect(await time.error(second)).toBe(ErrEnqueueTimeout);
    expect(await time.error(first)).toBe(ErrLeadershipLost);
    await nodes.close();
  });
});

describe('removing', () => {
  it('43: a follower that was removed stays quiet', async () => {
    const { nodes, time, leader, raft, others } = await cluster(3);
    const [gone, ...rest] = others;
    if (gone === undefined) throw new Error('no follower');
    expect(await time.error(raft.removeServer(gone.id))).toBeNull();
    const term = raft.currentTerm();
    await time.pass(1000);
    expect(await nodes.leader([leader, ...rest])).toBe(leader);
    expect([gone.raft.state(), raft.currentTerm()]).toEqual([RaftState.Follower, term]);
    expect([leader, ...rest].map((node) => idsOf(node).split(' ').length)).toEqual([2, 2]);
    await nodes.close();
  });

  it('44: a leader that removes itself is told that it worked, and ends', async () => {
    const { nodes, time, leader, raft, others } = await cluster(3);
    expect(await time.error(raft.removeServer(leader.id))).toBeNull();
    await time.until(() => raft.state() === RaftState.Shutdown, 'it has ended');
    expect(raft.fatal).toBeNull();
    const next = await nodes.leader(others);
    expect(idsOf(next).split(' ')).not.toContain(leader.id);
    await nodes.close();
  });

  it('45: or stays as a follower, when its config says so', async () => {
    const { nodes, time, leader, raft, others } = await cluster(3, { shutdownOnRemove: false });
    for (let i = 0; i < 80; i += 1) raft.apply(utf8(`${i}`));
    expect(await time.error(raft.removeServer(leader.id))).toBeNull();
    expect(await time.error(raft.apply(utf8('late')))).toBe(ErrNotLeader);
    const next = await nodes.leader(others);
    await time.pass(1000);
    expect(raft.state()).toBe(RaftState.Follower);
    expect(await nodes.leader(others)).toBe(next);
    expect(idsOf(leader).split(' ')).not.toContain(leader.id);
    await nodes.agree(80, others);
    await nodes.close();
  });

  it('46: a removal that no quorum takes fails', async () => {
    const { nodes, time, raft, others } = await cluster(4);
    const [first, second, third] = others;
    if (first === undefined || second === undefined) throw new Error('no follower');
    nodes.isolate(first, second);
    expect(await time.error(raft.removeServer(third?.id ?? ''))).toBe(ErrLeadershipLost);
    await nodes.close();
  });

  it('49: a follower that was removed can come back', async () => {
    const { nodes, time, leader, raft, others } = await cluster(3, { shutdownOnRemove: false });
    const [other] = others;
    if (other === undefined) throw new Error('no follower');
    expect(await time.error(raft.removeServer(other.id))).toBeNull();
    expect(await time.error(raft.addVoter(other.id, other.address))).toBeNull();
    await time.result(raft.apply(utf8('x')));
    await nodes.agree(1);
    expect(await nodes.leader()).toBe(leader);
    expect(other.raft.state()).toBe(RaftState.Follower);
    await nodes.close();
  });
});

function fail(): never {
  throw new Error('no follower');
}
