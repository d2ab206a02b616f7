import { describe, expect, it } from 'vitest';
import { asyncNotify, Channel, ChannelClosedError, overrideNotify } from './channel.ts';

/** Whether a promise is settled after everything that could happen by itself has happened. */
async function isSettled(promise: Promise<unknown>): Promise<boolean> {
  let settled = false;
  promise.then(
    () => {
      settled = true;
    },
    () => {
      settled = true;
    },
  );
  await new Promise((resolve) => setTimeout(resolve, 0));
  return settled;
}

async function drained<T>(channel: Channel<T>): Promise<T[]> {
  const values: T[] = [];
  for await (const value of channel) values.push(value);
  return values;
}

describe('a channel with room', () => {
  it('takes values until it is full, and gives them back in order', async () => {
    const channel = new Channel<number>(2);
    expect([channel.trySend(1), channel.trySend(2), channel.trySend(3)]).toEqual([
      true,
      true,
      false,
    ]);
    expect([channel.length, channel.capacity]).toEqual([2, 2]);
    expect(await channel.receive()).toEqual({ done: false, value: 1 });
    expect(channel.tryReceive()).toEqual({ value: 2 });
    expect(channel.tryReceive()).toBeUndefined();
  });

  it('makes senders wait, and lets them in in order', async () => {
    const channel = new Channel<number>(1);
    await channel.send(1);
    const second = channel.send(2);
    const third = channel.send(3);
    expect(await isSettled(second)).toBe(false);
    expect(channel.tryReceive()).toEqual({ value: 1 });
    await second;
    expect(await isSettled(third)).toBe(false);
    expect([channel.tryReceive(), channel.tryReceive()]).toEqual([{ value: 2 }, { value: 3 }]);
    await third;
  });

  it('tells a value that is undefined from no value', () => {
    const channel = new Channel<undefined>(1);
    channel.trySend(undefined);
    expect(channel.tryReceive()).toEqual({ value: undefined });
    expect(channel.tryReceive()).toBeUndefined();
  });
});

describe('a channel without room', () => {
  it('passes a value only from hand to hand', async () => {
    const channel = new Channel<string>();
    expect(channel.trySend('nobody waits')).toBe(false);
    const received = channel.receive();
    expect(channel.trySend('a')).toBe(true);
    expect(await received).toEqual({ done: false, value: 'a' });
    const sent = channel.send('b');
    expect(await isSettled(sent)).toBe(false);
    expect(channel.tryReceive()).toEqual({ value: 'b' });
    await sent;
    expect(channel.length).toBe(0);
  });

  it('serves receivers in the order in which they came', async () => {
    const channel = new Channel<number>();
    const waiting = [channel.receive(), channel.receive()];
    channel.trySend(1);
    channel.trySend(2);
    expect((await Promise.all(waiting)).map(({ value }) => value)).toEqual([1, 2]);
  });
});

describe('a channel that is closed', () => {
  it('gives what it holds and then ends', async () => {
    const channel = new Channel<number>(3);
    channel.trySend(1);
    channel.trySend(2);
    channel.close();
    expect(channel.closed).toBe(true);
    expect(await drained(channel)).toEqual([1, 2]);
    expect(await channel.receive()).toEqual({ done: true, value: undefined });
  });

  it('ends whoever waits: receivers get nothing, senders an error', async () => {
    const empty = new Channel<number>();
    const receiver = empty.receive();
    empty.close();
    expect(await receiver).toEqual({ done: true, value: undefined });
    const full = new Channel<number>();
    const sender = full.send(1);
    full.close();
    await expect(sender).rejects.toBeInstanceOf(ChannelClosedError);
    expect(full.tryReceive()).toBeUndefined();
  });

  it('takes nothing more', async () => {
    const channel = new Channel<number>(1);
    channel.close();
    channel.close();
    expect(channel.trySend(1)).toBe(false);
    await expect(channel.send(1)).rejects.toMatchObject({ code: 'ERR_CHANNEL_CLOSED' });
  });
});

describe('a capacity', () => {
  it.each([-1, 1.5, Number.NaN, Number.POSITIVE_INFINITY])('of %f is refused', (capacity) => {
    expect(() => new Channel(capacity)).toThrow(/channel capacity must be an integer of 0 or more/);
  });
});

describe('asyncNotify', () => {
  it('makes one signal of many, and never waits (S5)', () => {
    const channel = new Channel<string>(1);
    asyncNotify(channel, 'first');
    asyncNotify(channel, 'second');
    expect([channel.tryReceive(), channel.tryReceive()]).toEqual([{ value: 'first' }, undefined]);
  });
});

describe('overrideNotify', () => {
  it('keeps the newest word only, and never waits (test 152)', () => {
    const channel = new Channel<boolean>(1);
    overrideNotify(channel, true);
    overrideNotify(channel, false);
    expect([channel.tryReceive(), channel.tryReceive()]).toEqual([{ value: false }, undefined]);
    overrideNotify(channel, true);
    expect(channel.tryReceive()).toEqual({ value: true });
  });

  it('does nothing to a channel that is closed', () => {
    const channel = new Channel<boolean>(1);
    channel.trySend(true);
    channel.close();
    overrideNotify(channel, false);
    expect(channel.trySend(false)).toBe(false);
  });
});
