import { describe, expect, it } from 'vitest';
import { isPromiseLike, newDeferred } from './deferred.ts';

describe('a deferred', () => {
  it('is settled from outside, once', async () => {
    const good = newDeferred<string>();
    good.resolve('first');
    good.resolve('second');
    good.reject(new Error('late'));
    expect(await good.promise).toBe('first');
    const bad = newDeferred<string>();
    bad.reject(new Error('first'));
    bad.resolve('late');
    await expect(bad.promise).rejects.toThrow('first');
  });
});

describe('isPromiseLike', () => {
  it.each([
    ['a promise', Promise.resolve(1), true],
    // biome-ignore lint/suspicious/noThenProperty: this is what is tested
    ['whatever has a then', { then: () => {} }, true],
    // biome-ignore lint/suspicious/noThenProperty: this is what is tested
    ['a then that is no function', { then: 1 }, false],
    ['null', null, false],
    ['a value', 7, false],
    ['nothing', undefined, false],
  ])('%s: %s', (_what, value, expected) => {
    expect(isPromiseLike(value)).toBe(expected);
  });
});
