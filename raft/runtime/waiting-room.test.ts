import { describe, expect, it } from 'vitest';
import { VirtualTime } from '../../testing/runtime-fixture.ts';
import { ErrEnqueueTimeout, ErrRaftShutdown } from '../errors.ts';
import { type Guest, WaitingRoom } from './waiting-room.ts';

function setUp() {
  const time = new VirtualTime();
  const room = new WaitingRoom<Guest>(time.clock);
  const refused: string[] = [];
  const guest = (name: string, deadlineMs = 0, sizeBytes = 1) => ({
    deadlineMs,
    sizeBytes,
    hasLeft: false,
    refuse: (error: Error) => void refused.push(`${name}: ${error.message}`),
  });
  const leave = (one: ReturnType<typeof guest>): void => {
    one.hasLeft = true;
    room.leave(one);
  };
  return { time, room, refused, guest, leave };
}

describe('a waiting room', () => {
  it('lets guests in by the order in which they came', () => {
    const { room, guest } = setUp();
    const guests = [guest('a'), guest('b'), guest('c')];
    for (const one of guests) expect(room.enter(one)).toBe(true);
    expect(room.length).toBe(3);
    expect([room.next(), room.next(), room.next(), room.next()]).toEqual([...guests, undefined]);
  });

  it('refuses whoever waited too long, and passes over', async () => {
    const { time, room, refused, guest } = setUp();
    const patient = guest('patient');
    room.enter(guest('hasty', 10));
    room.enter(patient);
    await time.pass(11);
    expect(room.next()).toBe(patient);
    expect(refused).toEqual([`hasty: ${ErrEnqueueTimeout.message}`]);
  });

  it('refuses at the deadline when nobody asks for the next', async () => {
    const { time, room, refused, guest } = setUp();
    room.enter(guest('a', 30));
    room.enter(guest('never'));
    room.enter(guest('b', 20));
    room.watchDeadlines();
    await time.pass(25);
    expect(refused).toEqual([`b: ${ErrEnqueueTimeout.message}`]);
    await time.pass(25);
    expect(refused).toHaveLength(2);
    expect(room.length).toBe(1);
  });

  it('R3: refuses at its deadline whoever came later and waits shorter', async () => {
    const { time, room, refused, guest } = setUp();
    room.enter(guest('long', 10_000));
    room.watchDeadlines();
    await time.pass(1);
    room.enter(guest('short', 100));
    room.watchDeadlines();
    await time.pass(150);
    expect(refused).toEqual([`short: ${ErrEnqueueTimeout.message}`]);
  });

  it('keeps the order of those who stay when others leave', async () => {
    const { time, room, guest } = setUp();
    const [a, c] = [guest('a'), guest('c')];
    room.enter(a);
    room.enter(guest('b', 10));
    room.enter(c);
    room.watchDeadlines();
    await time.pass(20);
    expect([room.next(), room.next()]).toEqual([a, c]);
  });

  it('has a size, by heads and by bytes, and tells whoever does not fit in at once (S2)', () => {
    const byHeads = setUp();
    for (let i = 0; i < 65_536; i += 1) byHeads.room.enter(byHeads.guest(`${i}`));
    expect(byHeads.room.enter(byHeads.guest('one too many'))).toBe(false);
    expect(byHeads.refused).toEqual([`one too many: ${ErrEnqueueTimeout.message}`]);

    const byBytes = setUp();
    const large = 200 * 1024 * 1024;
    expect(byBytes.room.enter(byBytes.guest('a', 0, large))).toBe(true);
    expect(byBytes.room.enter(byBytes.guest('b', 0, large))).toBe(true);
    expect(byBytes.room.enter(byBytes.guest('c', 0, 1))).toBe(false);
    byBytes.room.next();
    expect(byBytes.room.enter(byBytes.guest('d', 0, 1))).toBe(true);
  });

  it('has room again for as many as have given up, by heads and by bytes (S2)', () => {
    const { room, refused, guest, leave } = setUp();
    const guests = Array.from({ length: 65_536 }, (_, i) => guest(`${i}`, 0, 4096));
    for (const one of guests) room.enter(one);
    const [first, ...others] = guests;
    if (first === undefined) throw new Error('expected guests');
    expect(room.enter(guest('one too many'))).toBe(false);
    leave(first);
    expect(room.enter(guest('in its place', 0, 4096))).toBe(true);
    expect(room.enter(guest('one too many'))).toBe(false);
    for (const one of others) leave(one);
    expect(room.length).toBe(1);
    expect(room.enter(guest('large', 0, 256 * 1024 * 1024 - 4096))).toBe(true);
    expect(refused).toHaveLength(2);
  });

  it('passes over whoever has given up, and refuses nobody twice', async () => {
    const { time, room, refused, guest, leave } = setUp();
    const guests = ['a', 'b', 'c', 'd', 'e'].map((name) => guest(name, 20));
    for (const one of guests) room.enter(one);
    room.watchDeadlines();
    const [a, b, , , e] = guests;
    for (const one of [b, e]) if (one !== undefined) leave(one);
    expect([room.length, room.next(), room.length]).toEqual([3, a, 2]);
    await time.pass(30);
    expect(refused.map((text) => text.slice(0, 2))).toEqual(['c:', 'd:']);
    expect([room.length, room.next()]).toEqual([0, undefined]);
  });

  it('is empty after everybody was refused, and keeps no timer', async () => {
    const { time, room, refused, guest } = setUp();
    room.enter(guest('a', 50));
    room.enter(guest('b'));
    room.watchDeadlines();
    room.refuseAll(ErrRaftShutdown);
    expect(room.length).toBe(0);
    const { eventsRun } = time.scheduler;
    await time.pass(100);
    expect(refused.map((text) => text.slice(0, 2))).toEqual(['a:', 'b:']);
    expect(time.scheduler.eventsRun).toBe(eventsRun);
  });
});
