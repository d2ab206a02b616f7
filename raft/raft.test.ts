import { describe, expect, it } from 'vitest';
import { utf8 } from '../internal/bytes.ts';
import {
  AbleHookedStore,
  Gate,
  TestCluster,
  type TestNode,
  type TestNodeOptions,
} from '../testing/runtime-fixture.ts';
import { Configuration, ServerSuffrage } from './configuration.ts';
import {
  ErrCantBootstrap,
  ErrEnqueueTimeout,
  ErrLeadershipLost,
  ErrNotLeader,
  ErrNotVoter,
  ErrRaftShutdown,
} from './errors.ts';
import type { ApplyFuture } from './future.ts';
import { newRaft } from './raft.ts';
import { hasExistingState } from './recover.ts';
import { RaftState } from './state.ts';

/** A cluster of `count` voters, its leader and the others. */
async function cluster(count: number, options: TestNodeOptions = {}, seed = 1) {
  const nodes = await new TestCluster(seed).start(count, () => options);
  const leader = await nodes.leader();
  const others = nodes.nodes.filter((node) => node !== leader);
  return { nodes, time: nodes.time, leader, raft: leader.raft, others };
}

function applyMany({ raft }: TestNode, count: number): ApplyFuture[] {
  return Array.from({ length: count }, (_, i) => raft.apply(utf8(`${i}`)));
}

describe('starting and stopping', () => {
  it('a node starts and stops, and nothing of it stays (S161, test 1)', async () => {
    const { nodes, time } = await cluster(1);
    await nodes.close();
    const { eventsRun } = time.scheduler;
    await time.pass(60_000);
    expect(time.scheduler.eventsRun).toBe(eventsRun);
  });

  it('after the shutdown everything is refused, nothing is appended (S163, test 2)', async () => {
    const { nodes, time, raft } = await cluster(1);
    await nodes.close();
    const refused = [
      raft.apply(utf8('x')),
      raft.barrier(),
      raft.verifyLeader(),
      raft.readIndex(100),
      raft.addVoter('b', 'b:1'),
      raft.addNonvoter('b', 'b:1'),
      raft.demoteVoter('a'),
      raft.removeServer('a'),
      raft.leadershipTransfer(),
      raft.bootstrapCluster(new Configuration()),
      raft.snapshot(),
    ];
    for (const future of refused) expect(await time.error(future)).toBe(ErrRaftShutdown);
    const late = raft.apply(utf8('x'));
    await time.error(late);
    expect(late.outcome()).toBe('not-applied');
    expect(raft.state()).toBe(RaftState.Shutdown);
    expect(await time.error(raft.shutdown())).toBeNull();
    expect(raft.fatal).toBeNull();
  });

  it('three empty nodes are bootstrapped live, once (S20, test 3)', async () => {
    const nodes = new TestCluster();
    for (let i = 0; i < 3; i += 1) await nodes.add().start();
    nodes.connect();
    const [first] = nodes.nodes;
    const servers = nodes.nodes.map(({ id, address }) => {
      return { suffrage: ServerSuffrage.Voter, id, address };
    });
    const bootstrap = () => first?.raft.bootstrapCluster(new Configuration(servers));
    await nodes.time.pass(500);
    expect(nodes.nodes.map(({ raft }) => raft.state())).toEqual([0, 0, 0]);
    await nodes.time.result(bootstrap() ?? Promise.reject(new Error('no node')));
    const leader = await nodes.leader();
    leader.raft.apply(utf8('test'));
    await nodes.agree(1);
    await expect(bootstrap()).rejects.toBe(ErrCantBootstrap);
    await nodes.close();
  });

  it('a nonvoter cannot bootstrap (S20, test 4)', async () => {
    const nodes = new TestCluster();
    const node = nodes.add();
    const raft = await node.start();
    const servers = [
      { suffrage: ServerSuffrage.Nonvoter, id: 'a', address: 'a:1' },
      { suffrage: ServerSuffrage.Voter, id: 'b', address: 'b:1' },
    ];
    const bootstrap = raft.bootstrapCluster(new Configuration(servers));
    expect(await nodes.time.error(bootstrap)).toBe(ErrNotVoter);
    expect(await hasExistingState(node.store, node.store, node.snaps)).toBe(false);
    await nodes.close();
  });

  it('a node that was added has state of its own (test 7)', async () => {
    const { nodes, time, raft } = await cluster(1);
    const added = nodes.add();
    const exists = () => hasExistingState(added.store, added.store, added.snaps);
    expect(await exists()).toBe(false);
    await added.start();
    nodes.connect();
    await time.result(raft.addVoter(added.id, added.address));
    await time.result(raft.apply(utf8('x')));
    await nodes.agree(1);
    expect(await exists()).toBe(true);
    await nodes.close();
  });

  it('refuses a config that cannot work, before it touches anything', async () => {
    const { config, fsm, store, snaps, transport } = new TestCluster().add();
    const bad = { ...config, heartbeatTimeout: 1 };
    const start = newRaft(bad, fsm, store, store, snaps, transport);
    await expect(start).rejects.toThrow('HeartbeatTimeout is too low');
  });

  it('does not look at the config it was given again', async () => {
    const { nodes, leader } = await cluster(1);
    leader.config.localID = 'somebody else';
    expect(leader.raft.leaderWithID().id).toBe('a');
    await nodes.close();
  });
});

describe('applying', () => {
  it('a single node leads, says so on its channel, and answers with its FSM (test 9)', async () => {
    const { nodes, time, raft } = await cluster(1);
    expect(await raft.leaderCh().receive()).toEqual({ done: false, value: true });
    const future = raft.apply(utf8('test'));
    expect(() => future.response()).toThrow('not done');
    expect(await time.result(future)).toBe(1);
    expect([future.response(), future.index(), future.outcome()]).toEqual([1, 3, 'applied']);
    await nodes.close();
  });

  it('three nodes elect a leader that all know by name (test 10, test 11)', async () => {
    const { nodes, leader } = await cluster(3);
    applyMany(leader, 5);
    await nodes.agree(5);
    for (const { raft } of nodes.nodes) {
      expect(raft.leaderWithID()).toEqual({ address: leader.address, id: leader.id });
      expect(raft.leader()).toBe(leader.address);
    }
    await nodes.close();
  });

  it('only the leader takes commands (S29, test 29)', async () => {
    const { nodes, time, others } = await cluster(3);
    for (const { raft } of others) {
      const future = raft.apply(utf8('x'));
      expect([await time.error(future), await time.error(future)]).toEqual([
        ErrNotLeader,
        ErrNotLeader,
      ]);
      expect(future.outcome()).toBe('not-applied');
    }
    await nodes.close();
  });

  it('a hundred at a time are applied, before a barrier (S61, test 30, test 33)', async () => {
    const { nodes, time, leader, raft } = await cluster(3);
    const futures = applyMany(leader, 100);
    await time.result(raft.barrier());
    expect(leader.applied).toHaveLength(100);
    expect(await Promise.all(futures)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    await nodes.agree(100);
    await nodes.close();
  });

  it('takes the bytes at the call: the buffer may be used again', async () => {
    const { nodes, time, leader, raft } = await cluster(3);
    const buffer = utf8('first');
    const futures = [raft.apply(buffer)];
    buffer.set(utf8('again'));
    futures.push(raft.applyLog({ data: buffer, extensions: buffer }));
    buffer.fill(0);
    await time.result(Promise.all(futures));
    expect(leader.applied).toEqual(['first', 'again']);
    await nodes.agree(2);
    await nodes.close();
  });

  it('a command that is not let in within its time is refused (S55, test 31)', async () => {
    const store = new AbleHookedStore();
    const { nodes, time, leader, raft } = await cluster(1, { store });
    const gate = new Gate();
    store.onWrite = gate.pass;
    const large = new Uint8Array(65 * 1024 * 1024);
    const admitted = raft.apply(large);
    await time.pass(5);
    const patient = raft.apply(utf8('patient'), 5000);
    const hasty = raft.apply(utf8('hasty'), 100);
    const before = time.scheduler.nowMs;
    expect(await time.error(hasty)).toBe(ErrEnqueueTimeout);
    expect(time.scheduler.nowMs - before).toBeLessThan(150);
    expect(hasty.outcome()).toBe('not-applied');
    gate.open();
    await time.result(Promise.all([admitted, patient]));
    expect(leader.applied.slice(1)).toEqual(['patient']);
    await nodes.close();
  });

  it('refuses what are no bytes and no time', async () => {
    const { nodes, raft } = await cluster(1);
    const text: unknown = 'text';
    expect(() => Reflect.apply(raft.apply, raft, [text])).toThrow('command must be a Uint8Array');
    expect(() => raft.apply(utf8('x'), Number.NaN)).toThrow('timeout must be a number');
    await nodes.close();
  });

  it('the same seed gives the same run: an election, a partition and 1,000 commands', async () => {
    const run = async (seed: number) => {
      const { nodes, time, leader, others } = await cluster(3, {}, seed);
      const [lost, ...rest] = others;
      if (lost === undefined) throw new Error('no follower');
      nodes.isolate(lost);
      applyMany(leader, 1000);
      await nodes.agree(1000, [leader, ...rest]);
      nodes.connect();
      await nodes.agree(1000);
      await time.pass(500);
      await nodes.close();
      const lines = nodes.nodes.map((node) => node.lines);
      return JSON.stringify([leader.id, time.scheduler.nowMs, time.scheduler.eventsRun, lines]);
    };
    const [once, twice, other] = [await run(7), await run(7), await run(8)];
    expect(twice).toBe(once);
    expect(other).not.toBe(once);
  });
});

describe('losing the leader or a follower', () => {
  it('the others elect another; what the old one could not commit is lost (test 16)', async () => {
    const { nodes, time, leader, others } = await cluster(3);
    await time.result(leader.raft.apply(utf8('test')));
    await nodes.agree(1);
    const oldTerm = leader.raft.currentTerm();
    nodes.isolate(leader);
    const lost = leader.raft.apply(utf8('lost'));
    const next = await nodes.leader(others);
    expect(next.raft.currentTerm()).toBeGreaterThan(oldTerm);
    expect(await time.error(lost)).toBe(ErrLeadershipLost);
    expect(lost.outcome()).toBe('unknown');
    await time.result(next.raft.apply(utf8('apply')));
    nodes.connect();
    await nodes.agree(2);
    expect(leader.applied).toEqual(['test', 'apply']);
    await nodes.close();
  });

  it('a leader without a quorum steps down, and says so (S51)', async () => {
    const { nodes, time, leader, raft, others } = await cluster(2);
    await raft.leaderCh().receive();
    nodes.isolate(leader);
    let isTold: unknown;
    void raft
      .leaderCh()
      .receive()
      .then(({ value }) => {
        isTold = value;
      });
    await time.until(() => isTold === false, 'leaderCh says false', 200);
    expect(raft.state()).not.toBe(RaftState.Leader);
    expect(raft.lastContact()).not.toBeNull();
    await time.pass(200);
    for (const { raft: node } of [leader, ...others]) {
      expect(node.leaderWithID()).toEqual({ address: '', id: '' });
    }
    expect(await time.error(raft.verifyLeader())).toBe(ErrNotLeader);
    await nodes.close();
  });

  it('a follower that was away or restarted catches up without an election (test 32)', async () => {
    const { nodes, time, leader, raft, others } = await cluster(3);
    const [away, restarted] = others;
    if (away === undefined || restarted === undefined) throw new Error('two followers wanted');
    nodes.isolate(away);
    await time.result(Promise.all(applyMany(leader, 100)));
    const term = raft.currentTerm();
    await time.result(restarted.stop());
    restarted.renew();
    nodes.connect();
    await restarted.start();
    await nodes.agree(100);
    expect([leader.isLeader, raft.currentTerm()]).toEqual([true, term]);
    await nodes.close();
  });
});

describe('what a node says of itself', () => {
  it('stats are words for people, under all of Go’s keys and no other (S24, S159)', async () => {
    const { nodes, time, leader, raft } = await cluster(3);
    await time.result(Promise.all(applyMany(leader, 3)));
    const { term, latest_configuration: servers, ...stats } = raft.stats();
    expect(stats).toEqual({
      state: 'Leader',
      last_log_index: '5',
      last_log_term: term,
      commit_index: '5',
      applied_index: '5',
      fsm_pending: '0',
      last_snapshot_index: '0',
      last_snapshot_term: '0',
      protocol_version: '3',
      protocol_version_min: '0',
      protocol_version_max: '3',
      snapshot_version_min: '0',
      snapshot_version_max: '1',
      latest_configuration_index: '1',
      num_peers: '2',
      last_contact: '0',
    });
    expect(term).toBe(String(raft.currentTerm()));
    expect(servers).toBe(
      '[{Suffrage:Voter ID:a Address:a:1} {Suffrage:Voter ID:b Address:b:1} ' +
        '{Suffrage:Voter ID:c Address:c:1}]',
    );
    expect([raft.lastIndex(), raft.commitIndex(), raft.appliedIndex()]).toEqual([5, 5, 5]);
    expect(await time.error(raft.snapshot())).toBeNull();
    expect(raft.stats()).toMatchObject({ last_snapshot_index: '5', last_snapshot_term: term });
    await nodes.close();
  });

  it('its last contact is a duration, "never", or 0 for a leader (S159)', async () => {
    const { nodes, time, raft, others } = await cluster(2);
    const [other] = others;
    if (other === undefined) throw new Error('no follower');
    const contactOf = (node: TestNode) => {
      const { last_contact: contact } = node.raft.stats();
      return contact;
    };
    expect(contactOf(nodes.nodes.find((node) => node.raft === raft) ?? other)).toBe('0');
    const before = other.raft.lastContact();
    await time.pass(20);
    const after = other.raft.lastContact();
    expect(after?.getTime()).toBeGreaterThan(before?.getTime() ?? 0);
    nodes.isolate(other);
    await time.pass(1000);
    expect(contactOf(other)).toMatch(/^(1\.0|99\d)\d*m?s$/);
    const fresh = nodes.add();
    await fresh.start();
    expect([contactOf(fresh), fresh.raft.lastContact()]).toEqual(['never', null]);
    expect(fresh.raft.stats()).toMatchObject({ num_peers: '0', latest_configuration: '[]' });
    await nodes.close();
  });

  it('who has no vote counts no peers (S159)', async () => {
    const { nodes, time, raft } = await cluster(1);
    const added = nodes.add();
    await added.start();
    nodes.connect();
    const peers = async () => {
      await time.until(() => added.raft.lastIndex() === raft.lastIndex(), 'it has caught up');
      return [raft, added.raft].map((node) => {
        const { num_peers: count } = node.stats();
        return Number(count);
      });
    };
    await time.result(raft.addNonvoter(added.id, added.address));
    expect(await peers()).toEqual([0, 0]);
    await time.result(raft.addVoter(added.id, added.address));
    expect(await peers()).toEqual([1, 1]);
    await nodes.close();
  });

  it('its text is its address and its state (S160)', async () => {
    const { nodes, leader, raft } = await cluster(1);
    expect(`${raft}`).toBe(`Node at ${leader.address} [Leader]`);
    await nodes.close();
    expect(`${raft}`).toBe(`Node at ${leader.address} [Shutdown]`);
  });
});
