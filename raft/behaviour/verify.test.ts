import { describe, expect, it } from 'vitest';
import { firstOf, led, stranger } from '../../testing/behaviour-fixture.ts';
import { headerOf } from '../../testing/core-fixture.ts';
import { ErrLeadershipLost, ErrNotLeader } from '../errors.ts';
import { AppendEntriesRequest } from '../messages.ts';

describe('verifying the leadership', () => {
  it('of three servers is answered by a majority (S67, test 34)', async () => {
    const { nodes, time, raft } = await led(3);
    expect(await time.error(raft.verifyLeader())).toBeNull();
    await nodes.close();
  });

  it('of one server is answered at once (S67, test 35)', async () => {
    const { nodes, time, raft } = await led(1);
    expect(await time.error(raft.verifyLeader(), 1)).toBeNull();
    await nodes.close();
  });

  it('fails where a follower knows of a newer term (S67, test 36)', async () => {
    const { nodes, time, leader, raft, others } = await led(2);
    const [follower] = firstOf(others, 1);
    expect((await raft.leaderCh().receive()).value).toBe(true);
    const term = raft.currentTerm() + 1;
    const newer = new AppendEntriesRequest({ rpcHeader: headerOf('x'), term });
    await time.result(stranger(nodes).appendEntries(follower.id, follower.address, newer));
    const verify = raft.verifyLeader();
    const told = raft.leaderCh().receive();
    expect((await time.result(told, 3 * 50)).value).toBe(false);
    expect([ErrNotLeader, ErrLeadershipLost]).toContain(await time.error(verify));
    expect([leader.isLeader, raft.leaderWithID().id]).toEqual([false, '']);
    expect(raft.currentTerm()).toBeGreaterThanOrEqual(term);
    await nodes.close();
  });

  it('is answered while one of three servers is cut off (S69, test 37)', async () => {
    const { nodes, time, raft, others } = await led(3);
    nodes.isolate(firstOf(others, 1)[0]);
    expect(await time.error(raft.verifyLeader())).toBeNull();
    await nodes.close();
  });

  it('waits for a quorum that does not answer, and ends with the leadership (S69)', async () => {
    const { nodes, time, leader, raft, others } = await led(3);
    nodes.isolate(...others);
    const start = time.scheduler.nowMs;
    expect(await time.error(raft.verifyLeader())).toBe(ErrLeadershipLost);
    expect([leader.isLeader, time.scheduler.nowMs - start >= 20]).toEqual([false, true]);
    await nodes.close();
  });
});
