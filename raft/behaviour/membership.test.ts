import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { Gate, ListFSM, TestCluster, type TestNode, turn } from '../../testing/runtime-fixture.ts';
import { type Configuration, ServerSuffrage } from '../configuration.ts';
import { ErrEnqueueTimeout, ErrLeadershipLost, ErrNotLeader } from '../errors.ts';
import { type Meter, silentMeter } from '../metrics.ts';
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

/** A meter that tells what one gauge is set to. */
function gaugeOf(name: string, record: (value: number) => void): Meter {
  const other = silentMeter.createGauge('other');
  return { ...silentMeter, createGauge: (made) => (made === name ? { record } : other) };
}

describe('a change of the membership', () => {
  it('lets a fresh node join, catch up and know who belongs to it (test 41)', async () => {
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

  it('tells a configuration store each that is committed, once (S136, test 42)', async () => {
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

  it('of a known or unknown server is written all the same (S125, test 47, test 48)', async () => {
    const { time, nodes, raft, others } = await cluster(3);
    const [other] = others;
    if (other === undefined) throw new Error('no follower');
    const before = raft.getConfiguration();
    expect(await time.error(raft.addVoter(other.id, other.address))).toBeNull();
    const between = raft.getConfiguration();
    expect(await time.error(raft.removeServer('nobody'))).toBeNull();
    const after = raft.getConfiguration();
    expect(before.index() < between.index() && between.index() < after.index()).toBe(true);
    expect(between.configuration()).toEqual(before.configuration());
    expect(after.configuration()).toEqual(before.configuration());
    expect(nodes.nodes.map(idsOf)).toEqual(['a b c', 'a b c', 'a b c']);
    await nodes.close();
  });

  it('many at once makes one change after the other (S129, S133)', async () => {
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

  it('on an outdated configuration is refused (S127)', async () => {
    const { nodes, time, raft } = await cluster(1);
    const error = await time.error(raft.addNonvoter('z', 'z:1', 99));
    expect(error?.message).toBe('configuration changed since 99 (latest is 1)');
    await nodes.close();
  });

  it('is for the leader alone (S133)', async () => {
    const { nodes, time, others } = await cluster(3);
    const [other] = others;
    expect(await time.error(other?.raft.addVoter('z', 'z:1') ?? fail())).toBe(ErrNotLeader);
    await nodes.close();
  });

  it('that is not let in within its time is refused, whatever is held (S124)', async () => {
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

  it('that waits for the change before it is refused in time (S124, S133)', async () => {
    const { nodes, time, raft, others } = await cluster(3, { leaderLeaseTimeout: 50 });
    nodes.isolate(...others);
    const first = raft.addNonvoter('y', 'y:1');
    const second = raft.addNonvoter('z', 'z:1', 0, 5);
    expect(await time.error(second)).toBe(ErrEnqueueTimeout);
    expect(await time.error(first)).toBe(ErrLeadershipLost);
    await nodes.close();
  });
});

describe('a change that is made', () => {
  it('is answered with its index, once the FSM is through with it (S131)', async () => {
    const gate = new Gate();
    const fsm = new ListFSM();
    const nodes = await new TestCluster().start(1, () => ({ fsm }));
    const { raft } = await nodes.leader();
    fsm.onApply = gate.pass;
    raft.apply(utf8('slow'));
    const change = raft.addNonvoter('z', 'z:1');
    let isDone = false;
    void change.error().then(() => {
      isDone = true;
    });
    await nodes.time.until(() => raft.commitIndex() === 4, 'both are committed');
    await nodes.time.pass(100);
    expect(isDone).toBe(false);
    gate.open();
    expect(await nodes.time.result(change)).toBeUndefined();
    expect([change.index(), raft.getConfiguration().index()]).toEqual([4, 4]);
    await nodes.close();
  });

  it('is observed, logged, and counted in raft.peers (S132)', async () => {
    const seen: unknown[] = [];
    const peers: number[] = [];
    const meter = gaugeOf('raft.peers', (value) => peers.push(value));
    const { nodes, time, raft, leader } = await cluster(2, { meter });
    raft.registerObserver({
      observe: ({ data }) => void (data.kind === 'PeerObservation' && seen.push(data)),
    });
    await time.result(raft.addNonvoter('z', 'z:1'));
    await time.result(raft.addNonvoter('z', 'z:2'));
    await time.result(raft.removeServer('z'));
    const peer = { suffrage: ServerSuffrage.Nonvoter, id: 'z' };
    expect(seen).toEqual([
      { kind: 'PeerObservation', removed: false, peer: { ...peer, address: 'z:1' } },
      { kind: 'PeerObservation', removed: true, peer: { ...peer, address: 'z:2' } },
    ]);
    expect(peers.slice(-3)).toEqual([3, 3, 2]);
    const about = /peer|updating configuration/;
    expect(leader.lines.filter((line) => about.test(line)).slice(1)).toEqual([
      'info: updating configuration',
      'info: added peer, starting replication',
      'info: updating configuration',
      'info: updating peer',
      'info: updating configuration',
      'info: removed peer, stopping replication',
    ]);
    await nodes.close();
  });

  it('holds at once, before it is committed: the new server counts (S24, S129)', async () => {
    const { nodes, time, raft } = await cluster(1);
    const change = raft.addVoter('z', 'z:1');
    await time.pass(20);
    expect(raft.getConfiguration().configuration().servers).toHaveLength(2);
    const command = raft.apply(utf8('x'));
    expect(await time.error(change)).toBe(ErrLeadershipLost);
    expect(await time.error(command)).toBe(ErrLeadershipLost);
    await nodes.close();
  });
});

describe('removing', () => {
  it('leaves a follower quiet (S135, test 43)', async () => {
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

  it('the leader itself works, and ends it (S63, S134, test 44)', async () => {
    const { nodes, time, leader, raft, others } = await cluster(3);
    expect(await time.error(raft.removeServer(leader.id))).toBeNull();
    await time.until(() => raft.state() === RaftState.Shutdown, 'it has ended');
    expect(raft.fatal).toBeNull();
    const next = await nodes.leader(others);
    expect(idsOf(next)).toBe(others.map(({ id }) => id).join(' '));
    await nodes.close();
  });

  it('the leader itself makes it a follower, when its config says so (S134, test 45)', async () => {
    const { nodes, time, leader, raft, others } = await cluster(3, { shutdownOnRemove: false });
    const errors: (Error | null)[] = [];
    for (let i = 0; i < 100; i += 1) {
      if (i === 80) expect(await time.error(raft.removeServer(leader.id))).toBeNull();
      errors.push(await time.error(raft.apply(utf8(`${i}`))));
    }
    expect(errors).toEqual(errors.map((_, i) => (i < 80 ? null : ErrNotLeader)));
    const next = await nodes.leader(others);
    expect(idsOf(next)).toBe(others.map(({ id }) => id).join(' '));
    await time.pass(1000);
    expect(raft.state()).toBe(RaftState.Follower);
    expect(await nodes.leader(others)).toBe(next);
    expect(idsOf(leader).split(' ')).not.toContain(leader.id);
    await nodes.agree(80);
    await nodes.close();
  });

  it('fails when no quorum takes it (test 46)', async () => {
    const { nodes, time, raft, others } = await cluster(4);
    const [first, second, third] = others;
    if (first === undefined || second === undefined) throw new Error('no follower');
    nodes.isolate(first, second);
    expect(await time.error(raft.removeServer(third?.id ?? ''))).toBe(ErrLeadershipLost);
    await nodes.close();
  });

  it('a follower does not keep it from coming back (test 49)', async () => {
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
