import { describe, expect, it } from 'vitest';
import { InmemStore } from '../../store/inmem-store.ts';
import { TestCluster, type TestNode } from '../../testing/runtime-fixture.ts';
import type { OpenSnapshot } from '../snapshot.ts';

/** A store that takes no entry behind a gap unless it is empty. */
class MonotonicStore extends InmemStore {
  isMonotonic(): boolean {
    return true;
  }
}

const command = (text: string) => new TextEncoder().encode(text);
const texts = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `c${from + i}`);

/** Has the leader apply commands, and waits until everybody has. */
async function applyAll(cluster: TestCluster, leader: TestNode, commands: readonly string[]) {
  await cluster.time.result(Promise.all(commands.map((c) => leader.raft.apply(command(c)))));
}

/** A snapshot of the first ten commands, which were applied to a cluster of their own. */
async function tenCommands(cluster: TestCluster, leader: TestNode): Promise<OpenSnapshot> {
  await applyAll(cluster, leader, texts(10));
  const taken = leader.raft.snapshot();
  await cluster.time.result(taken);
  return taken.open();
}

describe('Raft.restore', () => {
  const cases = [0, 1, 2, 100, 1000, 10_000].flatMap((offset) =>
    [false, true].flatMap((elsewhere) =>
      [false, true].map((monotonic) => ({ offset, elsewhere, monotonic })),
    ),
  );

  it.each(cases)(
    'takes over: $offset ahead, elsewhere: $elsewhere, monotonic: $monotonic (test 73)',
    async ({ offset, elsewhere, monotonic }) => {
      const store = () => ({ store: monotonic ? new MonotonicStore() : new InmemStore() });
      const cluster = await new TestCluster().start(3, store);
      const leader = await cluster.leader();
      const snapshot = await tenCommands(cluster, leader);
      await applyAll(cluster, leader, texts(10, 10));

      const target = elsewhere ? await new TestCluster(2).start(3, store) : cluster;
      const restoring = elsewhere ? await target.leader() : leader;
      const before = restoring.raft.lastIndex();
      const meta = { ...snapshot.meta, index: snapshot.meta.index + offset };
      await target.time.result(restoring.raft.restore(meta, snapshot.reader, 5000));

      const expected = Math.max(before, meta.index) + 2;
      await target.agree(10);
      await target.time.until(() => target.nodes.every((n) => n.raft.lastIndex() === expected));
      for (const node of target.nodes) {
        expect(node.applied).toEqual(texts(10));
        expect(await node.store.firstIndex()).toBe(expected);
        expect(await node.store.lastIndex()).toBe(expected);
      }
      await applyAll(target, restoring, texts(10, 20));
      await target.agree(20);
      expect(restoring.applied).toEqual([...texts(10), ...texts(10, 20)]);
      await target.close();
      if (elsewhere) await cluster.close();
    },
  );
});
