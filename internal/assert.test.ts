import { describe, expect, it } from 'vitest';
import { AssertionError, assert, unreachable } from './assert.ts';

describe('assert', () => {
  it('throws what was expected when that does not hold, and nothing else', () => {
    expect(() => assert(true, 'fine')).not.toThrow();
    const broken = () => assert(1 > 2, 'one must be above two');
    expect(broken).toThrow(AssertionError);
    expect(broken).toThrow(
      expect.objectContaining({ message: 'one must be above two', code: 'ERR_ASSERTION' }),
    );
  });
});

describe('unreachable', () => {
  it('names what came', () => {
    const never: (value: never) => never = unreachable;
    const input = { kind: 'unknown' } as never;
    expect(() => never(input)).toThrow('unreachable case: {"kind":"unknown"}');
  });
});
