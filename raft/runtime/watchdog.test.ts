import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { led } from '../../testing/behaviour-fixture.ts';
import { Gate, HookedStore, ListFSM, VirtualTime } from '../../testing/runtime-fixture.ts';
import { RaftState } from '../state.ts';
import { Watchdog } from './watchdog.ts';

const LIMIT_MS = 300;

function setUp() {
  const time = new VirtualTime();
  const expired: string[] = [];
  const start = time.scheduler.nowMs;
  const dog = new Watchdog(time.clock, LIMIT_MS, ({ what }, ageMs) => {
    expired.push(`${what} after ${ageMs} at ${time.scheduler.nowMs - start}`);
  });
  return { time, dog, expired };
}

describe('what is watched', () => {
  it('and ends in time is not noticed', async () => {
    const { time, dog, expired } = setUp();
    for (let i = 0; i < 10; i += 1) {
      const watched = dog.begin(`${i}`);
      await time.pass(LIMIT_MS - 1);
      dog.end(watched);
    }
    await time.pass(10 * LIMIT_MS);
    expect(expired).toEqual([]);
  });

  it('is noticed when its time is over, the oldest first', async () => {
    const { time, dog, expired } = setUp();
    dog.begin('first');
    await time.pass(100);
    dog.begin('second');
    await time.pass(LIMIT_MS);
    expect(expired).toEqual(['first after 300 at 300']);
  });

  it('has its time anew with every part that is done', async () => {
    const { time, dog, expired } = setUp();
    const long = dog.begin('long');
    const other = dog.begin('other');
    for (let i = 0; i < 5; i += 1) {
      await time.pass(LIMIT_MS - 10);
      dog.progress(long);
      dog.progress(other);
    }
    dog.end(other);
    dog.progress(other);
    expect(expired).toEqual([]);
    await time.pass(2 * LIMIT_MS);
    expect(expired).toEqual(['long after 300 at 1750']);
  });

  it('is not held to the time in which the process stood still', async () => {
    const { time, dog, expired } = setUp();
    const watched = dog.begin('write');
    time.scheduler.schedule(10, () => time.clock.pause());
    time.clock.deliver(50, () => dog.end(watched));
    time.scheduler.schedule(10 * LIMIT_MS, () => time.clock.resume());
    await time.pass(20 * LIMIT_MS);
    expect(expired).toEqual([]);
  });

  it('is not held to a standstill that was over when its time would have been', async () => {
    const { time, dog, expired } = setUp();
    const watched = dog.begin('write');
    time.scheduler.schedule(40, () => time.clock.pause());
    time.scheduler.schedule(LIMIT_MS - 10, () => time.clock.resume());
    time.clock.deliver(LIMIT_MS + 50, () => dog.end(watched));
    await time.pass(20 * LIMIT_MS);
    expect(expired).toEqual([]);
  });

  it('that hangs is noticed after a standstill too', async () => {
    const { time, dog, expired } = setUp();
    dog.begin('write');
    time.scheduler.schedule(10, () => time.clock.pause());
    time.scheduler.schedule(1000, () => time.clock.resume());
    await time.pass(2000);
    // 10 ms before it, the 20 that its timer had left, and the rest after it.
    expect(expired).toEqual(['write after 300 at 1270']);
  });

  it('has the answer that has arrived taken before it is given up', async () => {
    const { time, dog, expired } = setUp();
    const watched = dog.begin('write');
    time.scheduler.schedule(LIMIT_MS - 20, () => time.clock.pause());
    time.clock.deliver(LIMIT_MS - 10, () => dog.end(watched));
    time.scheduler.schedule(LIMIT_MS + 20, () => time.clock.resume());
    await time.pass(2 * LIMIT_MS);
    expect(expired).toEqual([]);
  });

  it('is forgotten when the watch ends, and no timer stays', async () => {
    const { time, dog, expired } = setUp();
    dog.begin('write');
    dog.close();
    dog.begin('later');
    const { eventsRun } = time.scheduler;
    await time.pass(10 * LIMIT_MS);
    expect([expired, time.scheduler.eventsRun]).toEqual([[], eventsRun]);
  });
});

describe('a disk that hangs while it is read', () => {
  it.each([
    ['the FSM needs an entry', 1],
    ['a follower needs an entry', 3],
  ])('ends its leader when %s (#503)', async (_, count) => {
    const stores = [0, 1, 2].map(() => new HookedStore());
    const fsm = new ListFSM();
    const { time, nodes, leader, raft, others } = await led(count, (i) => ({
      store: stores[i] ?? new HookedStore(),
      fsm: i === 0 && count === 1 ? fsm : new ListFSM(),
      config: { diskTimeout: LIMIT_MS },
    }));
    const { store } = leader;
    if (!(store instanceof HookedStore)) throw new Error('expected a store that can hang');
    const [behind] = others;
    const gate = new Gate();
    if (behind === undefined) fsm.onApply = gate.pass;
    else nodes.isolate(behind);
    // More than memory keeps, so that the oldest must be read from the store.
    for (let i = 0; i < 40; i += 1) raft.apply(new Uint8Array(1024 * 1024));
    await time.until(() => raft.commitIndex() >= 42, 'they are committed');
    store.onRead = () => new Promise(() => {});
    const last = raft.apply(utf8('last'));
    await time.pass(5);
    gate.open();
    if (behind !== undefined) nodes.connect();
    await time.until(() => raft.state() === RaftState.Shutdown, 'it stops');
    expect(raft.fatal).toMatchObject({ code: 'ERR_STORE_TIMEOUT' });
    expect(raft.fatal?.message).toMatch(/^read of entries \d+ to \d+ has not been answered/);
    await time.error(last);
    await time.error(raft.shutdown());
    for (const node of others) await time.result(node.stop());
  });
});
