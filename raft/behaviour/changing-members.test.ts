import { describe, expect, it } from 'vitest';
import { firstOf, type Led, led } from '../../testing/behaviour-fixture.ts';
import type { TestNode } from '../../testing/runtime-fixture.ts';
import { writer } from '../../testing/writer-fixture.ts';

// hashicorp's fuzz tests of these names call RemovePeer, which protocol 3 refuses, and go on: no
// server is ever removed there.

/** All of `nodes` were told the same commands, each once, and every one that was acknowledged. */
async function expectAll(cluster: Led, nodes: readonly TestNode[], words: readonly string[]) {
  const longest = () => Math.max(...nodes.map(({ applied }) => applied.length));
  await cluster.nodes.agree(longest(), nodes);
  const [{ applied }] = firstOf(nodes, 1);
  expect(new Set(applied).size).toBe(applied.length);
  expect(applied).toEqual(expect.arrayContaining([...words]));
  expect(words.length).toBeGreaterThan(100);
}

async function join(cluster: Led, count: number): Promise<TestNode[]> {
  const joined: TestNode[] = [];
  for (let i = 0; i < count; i += 1) {
    const node = cluster.nodes.add();
    cluster.nodes.connect();
    await node.start();
    await cluster.time.result(cluster.raft.addVoter(node.id, node.address));
    joined.push(node);
  }
  return joined;
}

function idsOf({ raft }: TestNode): string[] {
  return raft
    .getConfiguration()
    .configuration()
    .servers.map(({ id }) => id);
}

describe('while somebody writes', () => {
  it('two servers join, two others leave, and nothing is lost (test 159, test 160)', async () => {
    const cluster = await led(3);
    const { nodes, time, leader, raft, others } = cluster;
    const writes = writer(cluster.nodes);
    await time.pass(300);
    const joined = await join(cluster, 2);
    expect(idsOf(leader)).toEqual(['a', 'b', 'c', 'd', 'e']);
    await time.pass(300);
    for (const { id } of others) await time.result(raft.removeServer(id));
    await time.pass(300);
    await writes.stop();
    const rest = [leader, ...joined];
    expect(rest.map(idsOf)).toEqual(rest.map(() => rest.map(({ id }) => id).sort()));
    expect(await nodes.leader(rest)).toBe(leader);
    await expectAll(cluster, rest, writes.acknowledged);
    await nodes.close();
  });

  it('the leader of five is removed, and nothing is lost (test 161)', async () => {
    const cluster = await led(5, { config: { shutdownOnRemove: false } });
    const { nodes, time, leader, raft, others } = cluster;
    const writes = writer(cluster.nodes);
    await time.pass(300);
    await time.result(raft.removeServer(leader.id));
    const next = await nodes.leader(others);
    await time.pass(500);
    await writes.stop();
    expect(idsOf(next)).toEqual(others.map(({ id }) => id));
    expect(leader.isLeader).toBe(false);
    await expectAll(cluster, others, writes.acknowledged);
    await nodes.close();
  });

  it('a server is removed that is cut off, and disturbs nobody afterwards (test 162)', async () => {
    const cluster = await led(5);
    const { nodes, time, leader, raft, others } = cluster;
    const [gone, ...staying] = others;
    if (gone === undefined) throw new Error('there are five nodes');
    const writes = writer(cluster.nodes);
    await time.pass(300);
    nodes.isolate(gone);
    await time.result(raft.removeServer(gone.id));
    const term = raft.currentTerm();
    await time.pass(3000);
    nodes.connect();
    await time.pass(10_000);
    await writes.stop();
    const rest = [leader, ...staying];
    expect([leader.isLeader, raft.currentTerm()]).toEqual([true, term]);
    await expectAll(cluster, rest, writes.acknowledged);
    expect(gone.applied.length).toBeLessThan(leader.applied.length);
    await nodes.close();
  });
});
