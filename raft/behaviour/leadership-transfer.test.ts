import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { headerOf } from '../../testing/core-fixture.ts';
import { TestCluster, type TestNode } from '../../testing/runtime-fixture.ts';
import { ErrLeadershipTransferInProgress, ErrNotLeader, ErrRaftShutdown } from '../errors.ts';
import { TimeoutNowRequest, TimeoutNowResponse } from '../messages.ts';

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
  it('goes to whoever needs the least (test 55)', async () => {
    const { nodes, time, leader, raft } = await cluster(3);
    expect(await time.error(raft.leadershipTransfer())).toBeNull();
    expect(await nodes.leader()).not.toBe(leader);
    await nodes.close();
  });

  it('fails with nobody to hand it to (S90, test 56)', async () => {
    const alone = await cluster(1);
    const error = await alone.time.error(alone.raft.leadershipTransfer());
    expect(error?.message).toBe('cannot find peer');
    await alone.nodes.close();
  });

  it('finds no nonvoter (S90, test 65)', async () => {
    const { nodes, time, raft, target } = await cluster(2);
    await time.result(raft.demoteVoter(target.id));
    expect((await time.error(raft.leadershipTransfer()))?.message).toBe('cannot find peer');
    await nodes.close();
  });

  it('goes to one of seven, while somebody writes (test 57, test 58)', async () => {
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

  it('to an unknown id, a bad address or itself fails (test 59, test 60, test 62)', async () => {
    const { nodes, time, leader, raft, target } = await cluster(3);
    const to = async (id: string, address: string) =>
      (await time.error(raft.leadershipTransferToServer(id, address)))?.message;
    expect(await to('abc', 'abc:1')).toMatch('cannot find replication state');
    expect(await to(target.id, 'localhost')).toMatch('failed to make TimeoutNow RPC');
    expect(await to(leader.id, leader.address)).toBe('cannot transfer leadership to itself');
    expect(await time.error(raft.apply(utf8('x')))).toBeNull();
    await nodes.close();
  });

  it('waits for a server that is behind (S91, test 61)', async () => {
    const { nodes, time, raft, target } = await cluster(3);
    for (let i = 0; i < 1000; i += 1) raft.apply(utf8('x'));
    const transfer = raft.leadershipTransferToServer(target.id, target.address);
    expect(await time.error(transfer)).toBeNull();
    await expectLeader(nodes, target);
    await nodes.agree(1000);
    await nodes.close();
  });

  it('takes nothing meanwhile, and all of it afterwards (S60, S93, test 53, test 63)', async () => {
    const { nodes, time, leader, raft, target } = await cluster(3);
    nodes.isolate(target);
    await time.result(raft.apply(utf8('behind')));
    const transfer = raft.leadershipTransferToServer(target.id, target.address);
    await time.pass(1);
    const refused = [
      raft.addNonvoter('z', 'z:1'),
      raft.addVoter('z', 'z:1'),
      raft.apply(utf8('x')),
      raft.barrier(),
      raft.demoteVoter(target.id),
      raft.removeServer(target.id, 0, 100),
      raft.leadershipTransfer(),
      raft.leadershipTransferToServer(target.id, target.address),
    ];
    for (const future of refused) {
      expect(await time.error(future)).toBe(ErrLeadershipTransferInProgress);
    }
    for (const future of [raft.verifyLeader(), raft.getConfiguration(), raft.snapshot()]) {
      expect(await time.error(future)).toBeNull();
    }
    const afterwards = transfer.error().then(() => raft.apply(utf8('y')).error());
    expect((await time.error(transfer))?.message).toMatch(/transfer timeout|TimeoutNow/);
    expect(await time.result(afterwards)).toBeNull();
    expect(leader.applied).toEqual(['behind', 'y']);
    await nodes.close();
  });

  it('gives up a server that does not catch up in time (S92, test 64)', async () => {
    const { nodes, time, raft, target } = await cluster(3);
    nodes.isolate(target);
    for (let i = 0; i < 10_000; i += 1) raft.apply(utf8('x'));
    await time.result(raft.barrier());
    const before = time.scheduler.nowMs;
    const transfer = raft.leadershipTransferToServer(target.id, target.address);
    expect((await time.error(transfer))?.message).toBe('leadership transfer timeout');
    expect(time.scheduler.nowMs - before).toBe(50);
    await nodes.close();
  });

  it('by a node that is shut down, or does not lead, is refused at once (S89)', async () => {
    const { nodes, time, raft, target, leader } = await cluster(3);
    const other = target.raft;
    expect(await time.error(other.leadershipTransfer())).toBe(ErrNotLeader);
    const toItself = other.leadershipTransferToServer(target.id, target.address);
    expect((await time.error(toItself))?.message).toBe('cannot transfer leadership to itself');
    expect(target.lines.at(-1)).toBe('info: cannot transfer leadership to itself');
    await nodes.close();
    expect(await time.error(raft.leadershipTransfer())).toBe(ErrRaftShutdown);
    const late = raft.leadershipTransferToServer(target.id, target.address);
    expect(await time.error(late)).toBe(ErrRaftShutdown);
    expect(leader.isLeader).toBe(false);
  });

  it('that is under way when its node stops does not hang (S92, test 66)', async () => {
    const { nodes, time, raft, target } = await cluster(3);
    nodes.isolate(target);
    await time.result(raft.apply(utf8('behind')));
    const transfer = raft.leadershipTransferToServer(target.id, target.address);
    await time.pass(1);
    const stopped = raft.shutdown();
    expect(await time.error(transfer, 10)).toBeNull();
    expect(await time.error(stopped)).toBeNull();
    await nodes.close();
  });

  it('can be ordered from outside: whoever hears TimeoutNow stands (S95)', async () => {
    const { nodes, time, leader, target } = await cluster(3);
    const rpc = leader.transport.timeoutNow(
      target.id,
      target.address,
      new TimeoutNowRequest({ rpcHeader: headerOf(leader.id) }),
    );
    expect(await time.result(rpc)).toBeInstanceOf(TimeoutNowResponse);
    await expectLeader(nodes, target);
    await nodes.close();
  });
});
