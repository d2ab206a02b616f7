import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { Gate, ListFSM, TestCluster, type TestNodeOptions } from '../../testing/runtime-fixture.ts';
import { ErrLeadershipLost, ErrRaftShutdown } from '../errors.ts';

/** A cluster of `count` voters, its leader and the others. */
async function cluster(count: number, options: TestNodeOptions = {}, seed = 1) {
  const nodes = await new TestCluster(seed).start(count, () => options);
  const leader = await nodes.leader();
  const others = nodes.nodes.filter((node) => node !== leader);
  return { nodes, time: nodes.time, leader, raft: leader.raft, others };
}

describe('a read', () => {
  it('a leader that sees a quorum is confirmed (S67)', async () => {
    for (const count of [1, 3]) {
      const { nodes, time, raft, others } = await cluster(count);
      expect(await time.error(raft.verifyLeader())).toBeNull();
      if (others[0] !== undefined) nodes.isolate(others[0]);
      expect(await time.error(raft.verifyLeader())).toBeNull();
      await nodes.close();
    }
  });

  it('a leader that was deposed without knowing is not confirmed (S69)', async () => {
    const { nodes, time, leader, raft } = await cluster(3);
    nodes.isolate(leader);
    const verify = raft.verifyLeader();
    const read = raft.readIndex();
    const impatient = await time.error(raft.readIndex(5));
    expect(impatient?.message).toMatch('within 5 ms');
    expect([await time.error(verify), await time.error(read)]).toEqual([
      ErrLeadershipLost,
      ErrLeadershipLost,
    ]);
    await nodes.close();
  });

  it('a linear read waits for the FSM, not only for the quorum', async () => {
    const fsm = new ListFSM();
    const gate = new Gate();
    const { nodes, time, leader, raft } = await cluster(1, { fsm });
    fsm.onApply = gate.pass;
    raft.apply(utf8('x'));
    await time.until(() => gate.waiting === 1, 'it is committed');
    let read: number | undefined;
    void raft.readIndex().then((index) => {
      read = index;
    });
    await time.pass(1000);
    expect([read, leader.applied]).toEqual([undefined, []]);
    gate.open();
    await time.until(() => read !== undefined, 'the read is done');
    expect([read, leader.applied]).toEqual([3, ['x']]);
    await nodes.close();
  });

  it('that waits for the FSM ends with the node', async () => {
    const fsm = new ListFSM();
    const gate = new Gate();
    const { time, raft } = await cluster(1, { fsm });
    fsm.onApply = gate.pass;
    raft.apply(utf8('x'));
    await time.until(() => gate.waiting === 1, 'it is committed');
    const read = raft.readIndex();
    await time.pass(10);
    const shutdown = raft.shutdown();
    expect(await time.error(read, 10)).toBe(ErrRaftShutdown);
    gate.open();
    expect(await time.error(shutdown)).toBeNull();
  });
});
