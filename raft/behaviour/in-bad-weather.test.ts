import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { randomInteger, seededRandom } from '../../internal/random.ts';
import { leadersOf } from '../../testing/behaviour-fixture.ts';
import { TestCluster, type TestNode } from '../../testing/runtime-fixture.ts';
import { type Writer, writer } from '../../testing/writer-fixture.ts';

// What hashicorp's fuzz tests do, a tenth as slow: they have timeouts of a second, and these nodes
// of 50 ms. All nodes are voters.

const MANY = 10_000;

/** All nodes were told the same, each command once and every one of `words`. */
async function expectAll(nodes: TestCluster, words: readonly string[]): Promise<void> {
  const longest = Math.max(...nodes.nodes.map(({ applied }) => applied.length));
  await nodes.agree(longest);
  const applied = nodes.nodes[0]?.applied ?? [];
  expect(new Set(applied).size).toBe(applied.length);
  const known = new Set(applied);
  expect(words.filter((word) => !known.has(word))).toEqual([]);
}

async function expectWritten(nodes: TestCluster, writes: Writer): Promise<void> {
  await nodes.leader();
  await nodes.time.pass(300);
  await writes.stop();
  await expectAll(nodes, writes.acknowledged);
  expect(writes.acknowledged.length).toBeGreaterThan(100);
  expect([...writes.leaders.values()].filter(({ size }) => size > 1)).toEqual([]);
  await nodes.close();
}

/** Lets votes take 50 to 100 ms: requests on their way out, or replies on their way in. */
function delayVotes(
  { nodes, time }: TestCluster,
  way: 'requests' | 'replies',
  slow: readonly TestNode[],
): void {
  const random = seededRandom(1);
  const pause = () =>
    new Promise<void>((resume) => {
      time.scheduler.schedule(randomInteger(random, 50, 100), () => resume());
    });
  const addresses = new Set(slow.map(({ address }) => address));
  for (const { transport } of nodes) {
    const ask = transport.requestVote.bind(transport);
    transport.requestVote = async (id, target, request) => {
      if (way === 'requests' && addresses.has(target)) await pause();
      const reply = await ask(id, target, request);
      if (way === 'replies' && addresses.has(target)) await pause();
      return reply;
    };
  }
}

/** Cuts off one leader after the other, and joins it again. */
async function losesLeaders(nodes: TestCluster, count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    const leader = await nodes.leader();
    await nodes.time.pass(200);
    nodes.isolate(leader);
    const others = nodes.nodes.filter((node) => node !== leader);
    await nodes.time.until(() => leadersOf(others).length > 0, 'another one leads');
    nodes.connect();
  }
}

/** Sends `count` commands at once; those that are acknowledged go to `words`. */
function applyMany({ raft }: TestNode, name: string, count: number, words: string[]) {
  return Promise.all(
    Array.from({ length: count }, async (_, at) => {
      const word = `${name}-${at}`;
      const error = await raft.apply(utf8(word)).error();
      if (error === null) words.push(word);
    }),
  );
}

describe('five nodes', () => {
  it('apply ten thousand commands (test 155)', async () => {
    const nodes = await new TestCluster().start(5);
    const words: string[] = [];
    const leader = await nodes.leader();
    await nodes.time.result(applyMany(leader, 'word', MANY, words));
    expect(words).toHaveLength(MANY);
    expect(await nodes.leader()).toBe(leader);
    await expectAll(nodes, words);
    await nodes.close();
  });

  it('elect, though two of them are asked late (test 156)', async () => {
    const nodes = await new TestCluster().start(5);
    delayVotes(nodes, 'requests', nodes.nodes.slice(0, 2));
    const writes = writer(nodes);
    await losesLeaders(nodes, 5);
    await expectWritten(nodes, writes);
  });

  it('elect, though three of them are heard late (test 157)', async () => {
    const nodes = await new TestCluster().start(5);
    delayVotes(nodes, 'replies', nodes.nodes.slice(0, 3));
    const writes = writer(nodes);
    await losesLeaders(nodes, 5);
    await expectWritten(nodes, writes);
  });

  it('outlive partitions that cut off whoever leads (test 158)', async () => {
    const nodes = await new TestCluster().start(5);
    const random = seededRandom(1);
    const writes = writer(nodes);
    await nodes.leader();
    for (let round = 0; round < 10; round += 1) {
      const leaders = leadersOf(nodes.nodes).slice(0, 1);
      const others = nodes.nodes.filter((node) => !leaders.includes(node));
      const group = [...leaders, ...others.slice(0, randomInteger(random, 0, 2))];
      nodes.isolate(...group);
      await nodes.time.pass(400);
      const luck = random.next();
      if (luck < 0.3) nodes.connect();
      else if (luck < 0.9)
        for (const a of group) for (const b of nodes.nodes) nodes.connect([a, b]);
      await nodes.time.pass(500);
    }
    nodes.connect();
    await expectWritten(nodes, writes);
  });

  it('keep what was acknowledged while leaders hand over (test 163)', async () => {
    const nodes = await new TestCluster().start(5);
    const words: string[] = [];
    for (let batch = 0; batch < 4; batch += 1) {
      const leader = await nodes.leader();
      const before = words.length;
      const applied = applyMany(leader, `batch-${batch}`, MANY / 4, words);
      const error = await nodes.time.error(leader.raft.leadershipTransfer());
      await nodes.time.result(applied);
      expect(error).toBeNull();
      await nodes.time.until(() => !leader.isLeader, 'the leader has handed over');
      expect(words.length).toBeGreaterThan(before);
    }
    await nodes.leader();
    await expectAll(nodes, words);
    await nodes.close();
  });
});
