import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { TestCluster, type TestNode } from '../../testing/runtime-fixture.ts';
import { ErrLeadershipTransferInProgress, ErrNotLeader } from '../errors.ts';

async function cluster(count: number) {
  const nodes = await new TestCluster().start(count);
  const leader = await nodes.leader();
  const others = nodes.nodes.filter((node) => node !== leader);
  const [target] = others;
  return { nodes, time: nodes.time, leader, raft: leader.raft, others, target: target ?? leader };
}

async function expectLeader(nodes: TestCluster, node: TestNode): Promise<void> {
  expect((await nodes.leader()).id).toBe(node.id);
}

describe('handing over the leadership', () => {
  it('55: to whoever needs the least', async () => {
    const { nodes, time, leader, raft } = await cluster(3);
    expect(await time.error(raft.leadershipTransfer())).toBeNull();
    expect(await nodes.leader()).not.toBe(leader);
    await nodes.close();
  });

  it('56, 65: to nobody fails', async () => {
    const alone = await cluster(1);
    const error = await alone.time.error(alone.raft.leadershipTransfer());
    expect(error?.message).toBe('cannot find peer');
    await alone.nodes.close();

    const { nodes, time, raft, target } = await cluster(2);
    await time.result(raft.demoteVoter(target.id));
    expect((await time.error(raft.leadershipTransfer()))?.message).toBe('cannot find peer');
    await nodes.close();
  });

  it('57, 58: to one of seven, while somebody writes', async () => {
    const { nodes, time, raft, target } = await cluster(7);
    const allowed = new Set<Error | null>([null, ErrNotLeader, ErrLeadershipTransferInProgress]);
    const errors: (Error | null)[] = [];
    const write = (): void => {
      const leader = nodes.nodes.find((node) => node.isLeader);
      void leader?.raft
        .apply(utf8('x'))
        .error()
        .then((error) => errors.push(error));
    };
    for (let ms = 1; ms < 50; ms += 1) time.scheduler.schedule(ms, write);
    await time.pass(10);
    const transfer = raft.leadershipTransferToServer(target.id, target.address);
    expect(await time.error(transfer)).toBeNull();
    await expectLeader(nodes, target);
    await time.pass(100);
    expect(errors.length).toBeGreaterThan(20);
    expect(errors.filter((error) => !allowed.has(error)).map(String)).toEqual([]);
    await nodes.close();
  });

  it('59, 60, 62: to an unknown id, a wrong address or itself fails', async () => {
    const { nodes, time, leader, raft, target } = await cluster(3);
    const to = async (id: string, address: string) =>
      (await time.error(raft.leadershipTransferToServer(id, address)))?.message;
    expect(await to('abc', 'abc:1')).toMatch('cannot find replication state');
    expect(await to(target.id, 'localhost')).toMatch('failed to make TimeoutNow RPC');
    expect(await to(leader.id, leader.address)).toBe('cannot transfer leadership to itself');
    expect(await time.error(raft.apply(utf8('x')))).toBeNull();
    await nodes.close();
  });

  it('61: to a server that is behind waits until it is not', async () => {
    const { nodes, time, raft, target } = await cluster(3);
    for (let i = 0; i < 1000; i += 1) raft.apply(utf8('x'));
    const transfer = raft.leadershipTransferToServer(target.id, target.address);
    expect(await time.error(transfer)).toBeNull();
    await expectLeader(nodes, target);
    await nodes.agree(1000);
    await nodes.close();
  });

  it('63: meanwhile the leader takes nothing, and afterwards it does again', async () => {
    const { nodes, time, leader, raft, target } = await cluster(3);
    nodes.isolate(target);
    await time.result(raft.apply(utf8('behind')));
    const transfer = raft.leadershipTransferToServer(target.id, target.address);
    await time.pass(1);
    const refused = [
      raft.apply(utf8('x')),
      raft.barrier(),
      raft.addVoter('z', 'z:1'),
      raft.addNonvoter('z', 'z:1'),
      raft.demoteVoter(target.id),
      raft.leadershipTransfer(),
    ];
    for (const future of refused) {
      expect(await time.error(future)).toBe(ErrLeadershipTransferInProgress);
    }
    expect((await time.error(transfer))?.message).toMatch(/transfer timeout|TimeoutNow/);
    expect(await time.error(raft.apply(utf8('y')))).toBeNull();
    expect(leader.applied).toEqual(['behind', 'y']);
    await nodes.close();
  });
});
