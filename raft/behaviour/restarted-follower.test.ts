import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { firstOf, type Led, led, slower } from '../../testing/behaviour-fixture.ts';
import type { TestNode } from '../../testing/runtime-fixture.ts';
import type { ObservationData } from '../observation.ts';

/** What a node's observers are told of one kind, from now on. */
function observed(node: TestNode, kind: ObservationData['kind']): ObservationData[] {
  const seen: ObservationData[] = [];
  node.raft.registerObserver({
    observe: ({ data }) => {
      if (data.kind === kind) seen.push(data);
      return undefined;
    },
  });
  return seen;
}

/** Starts a node that was stopped again, with other timeouts. */
async function restart({ nodes }: Led, node: TestNode, timeout: number): Promise<void> {
  node.renew();
  node.config = { ...node.config, heartbeatTimeout: timeout, electionTimeout: timeout };
  nodes.connect();
  await node.start();
}

describe('a follower that is restarted', () => {
  it('comes back without an election (test 18)', async () => {
    const cluster = await led(3, { config: slower });
    const { nodes, time, leader, raft, others } = cluster;
    const [restarted] = firstOf(others, 1);
    const futures = Array.from({ length: 10 }, (_, i) => raft.apply(utf8(`${i}`)));
    await time.result(Promise.all(futures));
    const term = raft.currentTerm();
    await time.result(restarted.stop());
    await restart(cluster, restarted, 100);
    await time.pass(250);
    expect([leader.isLeader, raft.currentTerm()]).toEqual([true, term]);
    expect(await nodes.leader()).toBe(leader);
    await nodes.agree(10);
    for (const node of nodes.nodes) {
      const { servers } = await time.result(node.raft.getConfiguration());
      expect(servers.map(({ id }) => id)).toEqual(['a', 'b', 'c']);
    }
    await nodes.close();
  });

  it.each([
    ['with the same timeouts', 50],
    ['with long ones', 1000],
  ])('after five seconds, %s, brings no new leader (test 78)', async (_, timeout) => {
    const cluster = await led(3);
    const { nodes, time, leader, raft, others } = cluster;
    const [restarted, other] = firstOf(others, 2);
    await time.result(restarted.stop());
    const changes = [leader, other].map((node) => observed(node, 'LeaderObservation'));
    await time.pass(5000);
    const term = raft.currentTerm();
    await restart(cluster, restarted, timeout);
    await time.pass(2000);
    expect([changes, raft.currentTerm(), leader.isLeader]).toEqual([[[], []], term, true]);
    await nodes.close();
  });

  it('with long timeouts that are reloaded waits by the new ones (test 78)', async () => {
    const cluster = await led(3);
    const { nodes, time, leader, raft, others } = cluster;
    const [restarted] = firstOf(others, 1);
    await time.result(restarted.stop());
    await time.pass(5000);
    await restart(cluster, restarted, 1000);
    await time.pass(2000);
    const asked = others.flatMap((node) => [
      observed(node, 'RequestVoteRequest'),
      observed(node, 'RequestPreVoteRequest'),
    ]);
    for (const node of others) {
      const longer = { heartbeatTimeout: 250, electionTimeout: 250 };
      node.raft.reloadConfig({ ...node.raft.reloadableConfig(), ...longer });
    }
    const term = raft.currentTerm();
    await time.pass(300);
    expect([asked.flat(), leader.isLeader, raft.currentTerm()]).toEqual([[], true, term]);
    await time.result(leader.stop());
    await time.pass(50);
    expect(asked.flat()).toEqual([]);
    await time.pass(600);
    expect(asked.flat().map(({ kind }) => kind)).toContain('RequestVoteRequest');
    expect((await nodes.leader(others)).raft.currentTerm()).toBeGreaterThan(term);
    await nodes.close();
  });
});
