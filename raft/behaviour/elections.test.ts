import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import {
  firstOf,
  isCandidate,
  type Led,
  leadersOf,
  led,
  stranger,
} from '../../testing/behaviour-fixture.ts';
import { headerOf } from '../../testing/core-fixture.ts';
import {
  AbleHookedStore,
  Gate,
  HookedStore,
  TestCluster,
  type TestNode,
} from '../../testing/runtime-fixture.ts';
import { Configuration, ServerSuffrage } from '../configuration.ts';
import {
  ErrCantBootstrap,
  ErrLeadershipLost,
  ErrNotLeader,
  ErrRaftShutdown,
  type RaftError,
} from '../errors.ts';
import { RequestPreVoteRequest, RequestVoteRequest } from '../messages.ts';
import { bootstrapCluster } from '../recover.ts';
import type { SnapshotMeta } from '../snapshot.ts';
import { RaftState } from '../state.ts';

/** Go's `propagateTimeout`: two heartbeat timeouts and a commit timeout. */
const PROPAGATE_MS = 105;

/** The request for a vote that `from` would make, `ahead` terms from now. */
function voteBy(from: TestNode, ahead: number, leadershipTransfer = false): RequestVoteRequest {
  return new RequestVoteRequest({
    rpcHeader: headerOf(from.id),
    term: from.raft.currentTerm() + ahead,
    lastLogIndex: from.raft.lastIndex(),
    lastLogTerm: from.raft.currentTerm(),
    leadershipTransfer,
  });
}

function preVoteBy(from: TestNode, ahead = 1): RequestPreVoteRequest {
  return new RequestPreVoteRequest({
    rpcHeader: headerOf(from.id),
    term: from.raft.currentTerm() + ahead,
    lastLogIndex: from.raft.lastIndex(),
    lastLogTerm: from.raft.currentTerm(),
  });
}

async function applyMany({ time }: Led, { raft }: TestNode, count: number): Promise<void> {
  const futures = Array.from({ length: count }, (_, i) => raft.apply(utf8(`${i}`)));
  await time.result(Promise.all(futures));
}

describe('a leader that loses its followers', () => {
  it('steps down within two leases, and nobody is known to lead (S51, test 17)', async () => {
    const { nodes, time, leader, raft, others } = await led(2);
    const [follower] = firstOf(others, 1);
    expect((await raft.leaderCh().receive()).value).toBe(true);
    const told = raft.leaderCh().receive();
    nodes.isolate(follower);
    const before = time.scheduler.nowMs;
    expect((await time.result(told, 100)).value).toBe(false);
    expect(time.scheduler.nowMs - before).toBeLessThanOrEqual(2 * 50);
    expect(raft.lastContact()).not.toBeNull();
    expect(leadersOf(nodes.nodes)).toEqual([]);
    const contact = follower.raft.lastContact();
    await time.pass(200);
    expect(follower.raft.lastContact()).toEqual(contact);
    for (const node of [leader, follower]) {
      expect(node.raft.leaderWithID()).toEqual({ address: '', id: '' });
    }
    await nodes.close();
  });

  it('is seen to step down before its disk has the newer term (S51)', async () => {
    const { nodes, time, leader, raft, others } = await led(3, () => ({
      store: new AbleHookedStore(),
    }));
    const [other] = firstOf(others, 1);
    const gate = new Gate();
    const { store } = leader;
    if (!(store instanceof HookedStore)) throw new Error('expected a store that can be held up');
    expect((await raft.leaderCh().receive()).value).toBe(true);
    const term = raft.currentTerm();
    store.onWrite = gate.pass;
    const vote = stranger(nodes).requestVote(leader.id, leader.address, voteBy(other, 5, true));
    vote.catch(() => {});
    await time.until(() => gate.waiting > 0, 'the term is on its way to the disk');
    expect(raft.state()).toBe(RaftState.Follower);
    expect(raft.leaderWithID()).toEqual({ address: '', id: '' });
    expect((await raft.leaderCh().receive()).value).toBe(false);
    expect(raft.currentTerm()).toBe(term);
    gate.open();
    await time.until(() => raft.currentTerm() === term + 5, 'the disk has the term');
    await nodes.close();
  });

  it('counts the end of its office as contact (S27, S49)', async () => {
    const { nodes, time, leader, raft } = await led(3);
    nodes.isolate(leader);
    await time.until(() => !leader.isLeader, 'it steps down');
    const now = 1_700_000_000_000 + time.scheduler.nowMs;
    expect(Math.abs((raft.lastContact()?.getTime() ?? 0) - now)).toBeLessThan(5);
    await nodes.close();
  });
});

describe('a vote while there is a leader', () => {
  it('is for that leader, or for whom it hands over to (S111, S112, test 21)', async () => {
    const { nodes, time, leader, others } = await led(3);
    const [first, second] = firstOf(others, 2);
    const trans = stranger(nodes);
    const ask = (to: TestNode, request: RequestVoteRequest) =>
      time.result(trans.requestVote(to.id, to.address, request));
    expect(await ask(second, voteBy(first, 10))).toMatchObject({ granted: false });
    expect(await ask(second, voteBy(first, 10, true))).toMatchObject({ granted: true });
    expect(await ask(first, voteBy(leader, 10))).toMatchObject({ granted: true });
    await nodes.close();
  });

  it('is not for a server that was removed (S111, test 22, #476)', async () => {
    const { nodes, time, leader, raft, others } = await led(3);
    const [removed, follower] = firstOf(others, 2);
    await time.result(raft.removeServer(removed.id));
    await time.until(() => follower.raft.commitIndex() === raft.commitIndex(), 'it is known');
    expect(removed.raft.state()).toBe(RaftState.Follower);
    const request = voteBy(removed, 10);
    nodes.isolate(leader);
    await time.until(() => isCandidate(follower), 'the other stands');
    const trans = stranger(nodes);
    const answer = trans.requestVote(follower.id, follower.address, request);
    expect(await time.result(answer)).toMatchObject({ granted: false, term: request.term });
    expect(follower.raft.currentTerm()).toBe(request.term);
    await nodes.close();
  });
});

describe('a nonvoter with a term from the future', () => {
  it('raises the term, and the cluster settles down (S111, test 23, #524, #483)', async () => {
    const cluster = await led(3);
    const { nodes, time, leader, raft, others } = cluster;
    const [away, other] = firstOf(others, 2);
    nodes.isolate(away);
    await time.result(raft.removeServer(away.id));
    const future = raft.currentTerm() + 20;
    await time.result(away.stop());
    away.store.setUint64(utf8('CurrentTerm'), future);
    await time.result(raft.addNonvoter(away.id, away.address));
    away.renew();
    nodes.connect();
    await away.start();
    const back = () => {
      const [now] = leadersOf([leader, other]);
      return now !== undefined && now.raft.currentTerm() >= future ? now : undefined;
    };
    await time.until(() => back() !== undefined, 'a leader has caught up with the term');
    const now = back();
    if (now === undefined) throw new Error('the leader is gone again');
    expect(away.raft.state()).toBe(RaftState.Follower);
    await applyMany(cluster, now, 100);
    await nodes.agree(100);

    await time.result(now.raft.removeServer(away.id));
    await time.result(now.raft.addVoter(away.id, away.address));
    await time.pass(10 * PROPAGATE_MS);
    await applyMany(cluster, now, 100);
    await nodes.agree(200);
    expect(await nodes.leader()).toBe(now);
    await nodes.close();
  });
});

describe('pre-vote', () => {
  it.each([
    [2, 3],
    [3, 2],
    [1, 2],
    [2, 1],
    [3, 0],
    [0, 3],
  ])('%i servers with and %i without it elect another leader (test 24)', async (on, off) => {
    const many = on > off ? { count: on, off: false } : { count: off, off: true };
    const nodes = await new TestCluster().start(many.count, () => ({
      config: { preVoteDisabled: many.off },
    }));
    const { time } = nodes;
    const first = await nodes.leader();
    for (let i = many.count; i < on + off; i += 1) {
      const added = nodes.add({ config: { preVoteDisabled: !many.off } });
      nodes.connect();
      await added.start();
      await time.result(first.raft.addVoter(added.id, added.address));
    }
    const leader = await nodes.leader();
    nodes.isolate(leader);
    const rest = nodes.nodes.filter((node) => node !== leader);
    const next = await nodes.leader(rest);
    expect(next.id).not.toBe(leader.id);
    await time.until(() => !leader.isLeader, 'the old one steps down');
    expect(await time.error(next.raft.apply(utf8('x')))).toBeNull();
    await nodes.close();
  });

  it('keeps a follower that was cut off from raising the term (test 25)', async () => {
    const { nodes, time, leader, raft, others } = await led(5);
    const [away] = firstOf(others, 1);
    const term = raft.currentTerm();
    nodes.isolate(away);
    await time.pass(10 * PROPAGATE_MS);
    const followers = (): number =>
      nodes.nodes.filter((node) => node.raft.state() === RaftState.Follower).length;
    expect([leader.isLeader, raft.currentTerm(), followers()]).toEqual([true, term, 3]);
    nodes.connect();
    await time.until(() => followers() === 4, 'it follows again');
    expect([leader.isLeader, raft.currentTerm()]).toEqual([true, term]);
    expect(away.raft.currentTerm()).toBe(term);
    await nodes.close();
  });

  it('is granted to the leader that is known (S118, test 26, #606)', async () => {
    const { nodes, time, leader, others } = await led(3);
    const [follower] = firstOf(others, 1);
    const answer = stranger(nodes).requestPreVote(follower.id, follower.address, preVoteBy(leader));
    expect(await time.result(answer)).toMatchObject({ granted: true });
    await nodes.close();
  });

  it('is refused to anybody else while a leader is known (S118, test 27)', async () => {
    const { nodes, time, others } = await led(3);
    const [follower, other] = firstOf(others, 2);
    const answer = stranger(nodes).requestPreVote(follower.id, follower.address, preVoteBy(other));
    expect(await time.result(answer)).toMatchObject({ granted: false });
    await nodes.close();
  });

  it('however often asked for, is no contact with a leader (S27, test 28, #609)', async () => {
    const { nodes, time, leader, others } = await led(3, { config: { commitTimeout: 5000 } });
    const trans = stranger(nodes);
    const granted: boolean[] = [];
    const spam = (): void => {
      for (const { id, address } of others) {
        trans.requestPreVote(id, address, preVoteBy(leader)).then(
          (reply) => void granted.push(reply.granted),
          () => {},
        );
      }
      time.scheduler.schedule(25, spam);
    };
    spam();
    await time.pass(200);
    expect([leader.isLeader, granted.length > 10, granted.every(Boolean)]).toEqual([
      true,
      true,
      true,
    ]);
    nodes.isolate(leader);
    for (const node of others) trans.connect(node.address, node.transport);
    await time.until(() => leadersOf(others).length > 0, 'one of them leads', 1000);
    await nodes.close();
  });
});

describe('a transport that knows no pre-vote', () => {
  it('is done without it, and says so (S31)', async () => {
    const nodes = new TestCluster();
    const suffrage = ServerSuffrage.Voter;
    for (let i = 0; i < 3; i += 1) nodes.add();
    const members = nodes.nodes.map(({ id, address }) => ({ suffrage, id, address }));
    for (const node of nodes.nodes) {
      const { config, store, snaps, transport } = node;
      Object.assign(transport, { requestPreVote: undefined });
      const configuration = new Configuration(members);
      await bootstrapCluster(config, store, store, snaps, transport, configuration);
    }
    nodes.connect();
    for (const node of nodes.nodes) await node.start();
    const leader = await nodes.leader();
    for (const { lines } of nodes.nodes) {
      expect(lines).toContain(
        'warn: pre-vote is disabled because it is not supported by the Transport',
      );
    }
    expect(leader.lines).not.toContain('debug: asking for pre-vote');
    await nodes.close();
  });
});

describe('whoever does not lead', () => {
  const meta = { version: 1, index: 1, size: 0 } as SnapshotMeta;
  async function* none(): AsyncGenerator<Uint8Array> {}

  /** Every request that only a leader takes, with its error. */
  async function answers({ time }: Led, { raft }: TestNode): Promise<(RaftError | null)[]> {
    const futures = [
      raft.apply(utf8('x')),
      raft.barrier(),
      raft.verifyLeader(),
      raft.readIndex(),
      raft.addVoter('z', 'z:1'),
      raft.addNonvoter('z', 'z:1'),
      raft.demoteVoter('a'),
      raft.removeServer('a'),
      raft.leadershipTransfer(),
      raft.restore(meta, none()),
    ];
    const errors = await Promise.all(futures.map((future) => time.error(future)));
    return errors as (RaftError | null)[];
  }

  it('as a follower refuses at once, and serves who asks for the members (S29)', async () => {
    const cluster = await led(3);
    const [follower] = firstOf(cluster.others, 1);
    const errors = await answers(cluster, follower);
    expect(errors).toEqual(errors.map(() => ErrNotLeader));
    const { servers } = await cluster.time.result(follower.raft.getConfiguration());
    expect(servers).toHaveLength(3);
    const error = await cluster.time.error(follower.raft.bootstrapCluster(votersOf(cluster)));
    expect(error).toBe(ErrCantBootstrap);
    await cluster.nodes.close();
  });

  it('as a candidate refuses too, also to be bootstrapped (S43)', async () => {
    const cluster = await led(3);
    const { nodes, time, others } = cluster;
    const [candidate] = firstOf(others, 1);
    nodes.isolate(candidate);
    await time.until(() => isCandidate(candidate), 'it stands');
    const errors = await answers(cluster, candidate);
    expect(errors).toEqual(errors.map(() => ErrNotLeader));
    const { servers } = await time.result(candidate.raft.getConfiguration());
    expect(servers).toHaveLength(3);
    const again = candidate.raft.bootstrapCluster(votersOf(cluster));
    expect(await time.error(again)).toBe(ErrCantBootstrap);
    await nodes.close();
  });

  it('as a leader refuses to be bootstrapped (S48)', async () => {
    const cluster = await led(1);
    const again = cluster.raft.bootstrapCluster(votersOf(cluster));
    expect(await cluster.time.error(again)).toBe(ErrCantBootstrap);
    await cluster.nodes.close();
  });

  it('because its office ended tells those who wait, in time (S49)', async () => {
    const { nodes, time, leader, raft } = await led(3);
    nodes.isolate(leader);
    const waiting = [raft.apply(utf8('x')), raft.barrier(), raft.verifyLeader()];
    const errors = await Promise.all(waiting.map((future) => time.error(future, 300)));
    expect(errors).toEqual([ErrLeadershipLost, ErrLeadershipLost, ErrLeadershipLost]);
    await nodes.close();
    expect(await time.error(raft.verifyLeader())).toBe(ErrRaftShutdown);
  });
});

function votersOf({ nodes }: Led): Configuration {
  const suffrage = ServerSuffrage.Voter;
  return new Configuration(nodes.nodes.map(({ id, address }) => ({ suffrage, id, address })));
}
