import { describe, expect, it } from 'vitest';
import { firstOf, led, slower, stranger } from '../../testing/behaviour-fixture.ts';
import { headerOf } from '../../testing/core-fixture.ts';
import { ErrEnqueueTimeout, ErrLeadershipLost, ErrNotLeader, ErrRaftShutdown } from '../errors.ts';
import { EntryFuture } from '../future.ts';
import { RequestPreVoteRequest } from '../messages.ts';
import { InFlightEntries, Ledger, type Waiter } from './ledger.ts';

function recorder(): Waiter & { readonly heard: unknown[] } {
  const heard: unknown[] = [];
  return { heard, settle: (value) => void heard.push(value), fail: (e) => void heard.push(e) };
}

describe('the ledger', () => {
  it('answers a ticket once', () => {
    const ledger = new Ledger();
    const waiter = recorder();
    const ticket = ledger.open(waiter);
    ledger.settle(ticket, 'yes');
    ledger.settle(ticket, 'again');
    ledger.fail(ticket, ErrRaftShutdown);
    expect(waiter.heard).toEqual(['yes']);
    expect(ledger.size).toBe(0);
  });

  it('never gives a number twice', () => {
    const ledger = new Ledger();
    const tickets = [1, 2, 3].map(() => ledger.open(recorder()));
    for (const ticket of tickets) ledger.settle(ticket, null);
    tickets.push(ledger.open(recorder()));
    expect(new Set(tickets).size).toBe(4);
  });

  it('fails everybody who is left, and may be used while it does', () => {
    const ledger = new Ledger();
    const answered = recorder();
    const left = recorder();
    const late = recorder();
    ledger.settle(ledger.open(answered), 1);
    ledger.open({
      settle: () => {},
      fail: () => void ledger.open(late),
    });
    ledger.open(left);
    ledger.failAll(ErrRaftShutdown);
    expect([answered.heard, left.heard, late.heard]).toEqual([[1], [ErrRaftShutdown], []]);
    expect(ledger.size).toBe(1);
  });
});

describe('a full ledger', () => {
  const MOST = 65_536;

  it('is one that 65,536 wait in, until one of them is answered', () => {
    const ledger = new Ledger();
    let last = 0;
    for (let i = 1; i < MOST; i += 1) last = ledger.open(recorder());
    expect([ledger.size, ledger.isFull]).toEqual([MOST - 1, false]);
    ledger.open(recorder());
    expect([ledger.size, ledger.isFull]).toEqual([MOST, true]);
    ledger.settle(last, null);
    expect(ledger.isFull).toBe(false);
  });

  it('lets a leader that nobody answers refuse more questions, and nothing else', async () => {
    const { nodes, time, leader, raft, others } = await led(3, { config: { ...slower } });
    nodes.isolate(leader);
    const waiting = Array.from({ length: MOST }, () => raft.verifyLeader());
    const [first] = waiting;
    const [follower] = firstOf(others, 1);
    for (const refused of [raft.verifyLeader(), raft.readIndex(), raft.leadershipTransfer()]) {
      expect(await time.error(refused, 1)).toBe(ErrEnqueueTimeout);
    }
    const request = new RequestPreVoteRequest({ rpcHeader: headerOf(follower.id), term: 1 });
    const answer = stranger(nodes).requestPreVote(leader.id, leader.address, request);
    expect(await time.result(answer, 5)).toMatchObject({ granted: false });
    await time.until(() => !leader.isLeader, 'it steps down');
    expect(await first?.error()).toBe(ErrLeadershipLost);
    expect(await time.error(raft.verifyLeader())).toBe(ErrNotLeader);
    await nodes.close();
  });
});

describe('futures in flight', () => {
  it('are taken by index, the ones before with it', () => {
    const inFlight = new InFlightEntries();
    const futures = [new EntryFuture(), new EntryFuture(), new EntryFuture()];
    futures.forEach((future, i) => {
      inFlight.push(10 + i, future, 100);
    });
    expect([inFlight.size, inFlight.bytes]).toEqual([3, 300]);
    expect(inFlight.take(9)).toBeNull();
    expect(inFlight.take(10)).toBe(futures[0]);
    expect(inFlight.take(12)).toBe(futures[2]);
    expect([inFlight.size, inFlight.bytes]).toEqual([0, 0]);
  });

  it('know their index as soon as they are done', () => {
    const inFlight = new InFlightEntries();
    const [command, change] = [new EntryFuture(), new EntryFuture()];
    inFlight.push(4, command, 1);
    inFlight.push(5, null, 1);
    inFlight.bind(5, change);
    inFlight.take(4)?.applied('a');
    inFlight.take(5)?.applied(undefined);
    expect([command.index(), change.index()]).toEqual([4, 5]);
    expect([command.response(), command.outcome()]).toEqual(['a', 'applied']);
  });

  it('are lost behind an index, oldest first, with outcome unknown', async () => {
    const inFlight = new InFlightEntries();
    const futures = [1, 2, 3, 4].map(() => new EntryFuture());
    const order: number[] = [];
    futures.forEach((future, i) => {
      inFlight.push(i + 1, future, 1);
      void future.error().then(() => order.push(i + 1));
    });
    inFlight.failAfter(2, ErrLeadershipLost);
    expect(inFlight.size).toBe(2);
    expect(await futures[3]?.error()).toBe(ErrLeadershipLost);
    expect(futures[3]?.outcome()).toBe('unknown');
    expect(futures[1]?.isSettled).toBe(false);
    expect(order).toEqual([3, 4]);
  });

  it('go on behind entries that others wrote between two leaderships of this node', () => {
    const inFlight = new InFlightEntries();
    const [early, late] = [new EntryFuture(), new EntryFuture()];
    inFlight.push(70, early, 10);
    inFlight.push(88, late, 10);
    expect([inFlight.size, inFlight.bytes]).toEqual([19, 20]);
    expect(inFlight.take(70)).toBe(early);
    expect(inFlight.take(75)).toBeNull();
    expect(inFlight.take(88)).toBe(late);
  });

  it('refuse what would settle the wrong future', () => {
    const inFlight = new InFlightEntries();
    inFlight.push(5, null, 1);
    expect(() => inFlight.push(5, null, 1)).toThrow('in the order of entries');
    expect(() => inFlight.bind(4, new EntryFuture())).toThrow('only the newest');
  });
});
