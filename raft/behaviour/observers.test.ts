import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { Channel } from '../../internal/channel.ts';
import { newObserver } from '../../observer/observer.ts';
import { TestCluster, type TestNodeOptions } from '../../testing/runtime-fixture.ts';
import { ServerSuffrage } from '../configuration.ts';
import type { Observation } from '../observation.ts';
import { Raft } from '../raft.ts';
import { RaftState } from '../state.ts';

/** A cluster of `count` voters, its leader and the others. */
async function cluster(count: number, options: TestNodeOptions = {}, seed = 1) {
  const nodes = await new TestCluster(seed).start(count, () => options);
  const leader = await nodes.leader();
  const others = nodes.nodes.filter((node) => node !== leader);
  return { nodes, time: nodes.time, leader, raft: leader.raft, others };
}

describe('observers', () => {
  it('observers hear of states, leaders and peers until they leave (S155)', async () => {
    const { nodes, time, leader, others } = await cluster(2);
    const heard: string[] = [];
    const observer = newObserver(null, false, ({ data, raft }: Observation) => {
      expect(raft).toBe(leader.raft);
      heard.push(data.kind === 'RaftState' ? `state ${data.state}` : data.kind);
      return true;
    });
    leader.raft.registerObserver(observer);
    nodes.isolate(leader);
    await time.until(() => heard.includes('state 0'), 'it has stepped down');
    expect(heard).toContain('FailedHeartbeatObservation');
    leader.raft.deregisterObserver(observer);
    const { length } = heard;
    nodes.connect();
    await nodes.leader();
    expect(heard).toHaveLength(length);
    expect(others).toHaveLength(1);
    await nodes.close();
  });

  it('an observer that throws or rejects harms nobody', async () => {
    const { nodes, time, raft } = await cluster(3);
    raft.registerObserver({
      observe: () => {
        throw new Error('mine');
      },
    });
    raft.registerObserver({ observe: () => Promise.reject(new Error('mine too')) });
    expect(await time.error(raft.removeServer('nobody'))).toBeNull();
    expect(await time.error(raft.apply(utf8('x')))).toBeNull();
    await nodes.close();
    expect(raft.fatal).toBeNull();
  });

  it('every kind is heard with its fields (S156)', async () => {
    const { nodes, time, leader, raft, others } = await cluster(3);
    const [other] = others;
    if (other === undefined) throw new Error('no follower');
    const channel = new Channel<Observation>(10_000);
    for (const node of nodes.nodes) node.raft.registerObserver(newObserver(channel, true, null));
    await time.result(raft.addNonvoter('z', 'z:1'));
    await time.result(raft.removeServer('z'));
    nodes.isolate(other);
    await time.pass(60);
    nodes.connect();
    await time.pass(200);
    nodes.isolate(leader);
    const next = await nodes.leader(others);
    const request = { term: next.raft.currentTerm() };
    await nodes.close();
    channel.close();
    const heard = new Map<string, Observation[]>();
    for await (const observation of channel) {
      const { kind } = observation.data;
      heard.set(kind, [...(heard.get(kind) ?? []), observation]);
    }
    const data = (kind: string) => heard.get(kind)?.map((observation) => observation.data);
    const { id: leaderID, address } = next;
    expect(data('LeaderObservation')).toContainEqual({
      kind: 'LeaderObservation',
      leader: address,
      leaderAddr: address,
      leaderID,
    });
    const peer = { suffrage: ServerSuffrage.Nonvoter, id: 'z', address: 'z:1' };
    expect(data('PeerObservation')?.slice(0, 2)).toEqual([
      { kind: 'PeerObservation', removed: false, peer },
      { kind: 'PeerObservation', removed: true, peer },
    ]);
    expect(data('RaftState')).toContainEqual({ kind: 'RaftState', state: RaftState.Candidate });
    expect(data('RaftState')).toContainEqual({ kind: 'RaftState', state: RaftState.Shutdown });
    expect(data('FailedHeartbeatObservation')?.[0]).toMatchObject({
      peerID: expect.any(String),
      lastContact: expect.any(Date),
    });
    expect(data('ResumedHeartbeatObservation')).toContainEqual({
      kind: 'ResumedHeartbeatObservation',
      peerID: other.id,
    });
    const asked = [data('RequestVoteRequest')?.at(-1), data('RequestPreVoteRequest')?.at(-1)];
    expect(asked).toMatchObject([{ request }, { request }]);
    expect(heard.get('LeaderObservation')?.every(({ raft: by }) => by instanceof Raft)).toBe(true);
  });

  it('a loop over the channel of an observer ends when the channel is closed', async () => {
    const { nodes, time, raft, leader } = await cluster(1);
    const channel = new Channel<Observation>(16);
    raft.registerObserver(newObserver(channel, false, ({ data }) => data.kind === 'RaftState'));
    const states: unknown[] = [];
    const loop = (async () => {
      for await (const { data } of channel) states.push(data);
    })();
    expect(leader.isLeader).toBe(true);
    await nodes.close();
    channel.close();
    await time.result(loop);
    expect(states).toEqual([{ kind: 'RaftState', state: RaftState.Shutdown }]);
  });

  it('one that blocks holds its node up until it is read, its votes too (S157)', async () => {
    const { nodes, time, leader, others } = await cluster(3);
    const [held, other] = others;
    if (held === undefined || other === undefined) throw new Error('there are three nodes');
    const channel = new Channel<Observation>(0);
    const observer = newObserver(channel, true, ({ data }) => data.kind === 'LeaderObservation');
    held.raft.registerObserver(observer);
    nodes.isolate(leader);
    await time.pass(2000);
    // It wants to tell that the leader is gone, and neither votes nor asks for votes meanwhile.
    expect([other.isLeader, held.isLeader]).toEqual([false, false]);
    expect([observer.getNumObserved(), observer.getNumDropped()]).toEqual([0, 0]);
    const read = (async () => {
      for await (const _ of channel);
    })();
    const next = await nodes.leader(others);
    await time.result(next.raft.apply(utf8('x')));
    expect(observer.getNumObserved()).toBeGreaterThanOrEqual(2);
    await nodes.close();
    channel.close();
    await read;
  });

  it('one that drops misses what it has no room for, and its node goes on (S157)', async () => {
    const { nodes, time, leader, others } = await cluster(3);
    const channel = new Channel<Observation>(1);
    const observers = others.map(({ raft }) => {
      const observer = newObserver(channel, false, null);
      raft.registerObserver(observer);
      return observer;
    });
    nodes.isolate(leader);
    const next = await nodes.leader(others);
    await time.result(next.raft.apply(utf8('x')));
    expect(observers.map((observer) => observer.getNumObserved()).sort()).toEqual([0, 1]);
    for (const observer of observers) expect(observer.getNumDropped()).toBeGreaterThan(1);
    await nodes.close();
  });

  it('one that is registered twice hears once, and two hear the same (S157)', async () => {
    const { nodes, time, leader } = await cluster(1);
    const channels = [new Channel<Observation>(9), new Channel<Observation>(9)];
    const observers = channels.map((channel) => newObserver(channel, true, null));
    for (const observer of [...observers, ...observers]) leader.raft.registerObserver(observer);
    await time.result(leader.raft.shutdown());
    const heard = channels.map((channel) => {
      const kinds: string[] = [];
      for (let one = channel.tryReceive(); one !== undefined; one = channel.tryReceive()) {
        kinds.push(one.value.data.kind);
      }
      return kinds;
    });
    expect(heard[0]).toEqual(['LeaderObservation', 'RaftState']);
    expect(heard[1]).toEqual(heard[0]);
    await nodes.close();
  });
});
