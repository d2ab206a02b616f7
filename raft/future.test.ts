import { describe, expect, it } from 'vitest';
import { Configuration } from './configuration.ts';
import { EntryFuture, KnownConfiguration, SettableFuture, WithoutResponse } from './future.ts';

const failure = new Error('failed');

describe('a future', () => {
  it('that ends well has no error and a value (S164, test 141)', async () => {
    const future = new SettableFuture<string>();
    expect(future.isSettled).toBe(false);
    expect(future.succeed('done')).toBe(true);
    expect(future.isSettled).toBe(true);
    expect(await future.error()).toBeNull();
    expect(await future.error()).toBeNull();
    expect(await future).toBe('done');
  });

  it('that ends badly gives the same error whenever it is asked (S164, test 142)', async () => {
    const future = new SettableFuture<string>();
    future.fail(failure);
    expect(await future.error()).toBe(failure);
    expect(await future.error()).toBe(failure);
    await expect(future).rejects.toBe(failure);
  });

  it('tells everybody who waited before it ended (test 143)', async () => {
    const future = new SettableFuture<number>();
    const waiting = [future.error(), future.error(), future.then((n) => n + 1)];
    setTimeout(() => future.succeed(41), 1);
    expect(await Promise.all(waiting)).toEqual([null, null, 42]);
    const failing = new SettableFuture<number>();
    const errors = [failing.error(), failing.then(null, (error: unknown) => error)];
    setTimeout(() => failing.fail(failure), 1);
    expect(await Promise.all(errors)).toEqual([failure, failure]);
  });

  it('tells any number of those who wait, in their order', async () => {
    const future = new SettableFuture<number>();
    const told: number[] = [];
    const waiting = Array.from({ length: 100_000 }, (_, i) => future.then(() => told.push(i)));
    expect(future.succeed(1)).toBe(true);
    await Promise.all(waiting);
    expect(told).toEqual(waiting.map((_, i) => i));
  });

  it('ends once: what comes later is ignored (S164)', async () => {
    const good = new SettableFuture<string>();
    good.succeed('first');
    expect([good.succeed('second'), good.fail(failure)]).toEqual([false, false]);
    expect(await good).toBe('first');
    const bad = new SettableFuture<string>();
    bad.fail(failure);
    expect([bad.succeed('late'), bad.fail(new Error('other'))]).toEqual([false, false]);
    expect(await bad.error()).toBe(failure);
  });

  it('has an index once it is done', () => {
    const future = new SettableFuture<void>();
    future.setIndex(7);
    expect(() => future.index()).toThrow(/not done/);
    future.fail(failure);
    expect(future.index()).toBe(7);
    const refused = new SettableFuture<void>();
    refused.fail(failure);
    expect(refused.index()).toBe(0);
  });

  it('that fails and is not looked at is no unhandled rejection (S164)', async () => {
    const unhandled: unknown[] = [];
    const listen = (reason: unknown) => unhandled.push(reason);
    process.on('unhandledRejection', listen);
    try {
      new SettableFuture<void>().fail(failure);
      const asked = new SettableFuture<void>();
      const error = asked.error();
      asked.fail(failure);
      expect(await error).toBe(failure);
      await new Promise((resolve) => setTimeout(resolve, 5));
      expect(unhandled).toEqual([]);
    } finally {
      process.off('unhandledRejection', listen);
    }
  });
});

describe('the future of an entry', () => {
  it('that was applied has the response', async () => {
    const future = new EntryFuture();
    expect(() => future.response()).toThrow(/not done/);
    expect(() => future.outcome()).toThrow(/not done/);
    future.setIndex(3);
    future.applied({ answer: 42 });
    expect(await future).toEqual({ answer: 42 });
    expect(future.response()).toEqual({ answer: 42 });
    expect([future.outcome(), future.index()]).toEqual(['applied', 3]);
  });

  it('that was never appended was not applied', async () => {
    const future = new EntryFuture();
    future.refused(failure);
    expect([await future.error(), future.outcome()]).toEqual([failure, 'not-applied']);
    expect(future.response()).toBeUndefined();
  });

  it('that was lost may or may not be applied', async () => {
    const future = new EntryFuture();
    future.lost(failure);
    expect([await future.error(), future.outcome()]).toEqual([failure, 'unknown']);
  });

  it('keeps its first outcome', () => {
    const applied = new EntryFuture();
    applied.applied(1);
    applied.lost(failure);
    applied.refused(failure);
    expect([applied.outcome(), applied.response()]).toEqual(['applied', 1]);
    const lost = new EntryFuture();
    lost.lost(failure);
    lost.refused(failure);
    lost.applied(1);
    expect([lost.outcome(), lost.response()]).toEqual(['unknown', undefined]);
  });
});

describe('the future of a barrier or a configuration', () => {
  it('has the index of its entry and no response', async () => {
    const entry = new EntryFuture();
    const future = new WithoutResponse(entry);
    expect(() => future.index()).toThrow(/not done/);
    entry.setIndex(8);
    entry.applied('a response that is nobody’s business');
    expect(await future).toBeUndefined();
    expect([await future.error(), future.index()]).toEqual([null, 8]);
  });

  it('fails as its entry fails', async () => {
    const entry = new EntryFuture();
    const future = new WithoutResponse(entry);
    entry.lost(failure);
    expect(await future.error()).toBe(failure);
    await expect(future).rejects.toBe(failure);
    expect(await future.then(null, () => 'caught')).toBe('caught');
  });
});

describe('the future of a configuration that is known', () => {
  it('is done', async () => {
    const configuration = new Configuration();
    const future = new KnownConfiguration(configuration, 5);
    expect(await future).toBe(configuration);
    expect(future.configuration()).toBe(configuration);
    expect([future.index(), await future.error()]).toEqual([5, null]);
  });
});
