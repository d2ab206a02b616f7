import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RingBuffer } from './ring-buffer.ts';

describe('RingBuffer', () => {
  it('does what an array does, and grows when it must', () => {
    const operation = fc.oneof(
      { weight: 4, arbitrary: fc.constant('push' as const) },
      { weight: 2, arbitrary: fc.constant('unshift' as const) },
      { weight: 3, arbitrary: fc.constant('shift' as const) },
      { weight: 2, arbitrary: fc.constant('pop' as const) },
      { weight: 1, arbitrary: fc.constant('clear' as const) },
    );
    const agree = (capacity: number, operations: readonly string[]) => {
      const ring = new RingBuffer<number>(capacity);
      let array: number[] = [];
      operations.forEach((what, item) => {
        if (what === 'push') {
          ring.push(item);
          array.push(item);
        } else if (what === 'unshift') {
          ring.unshift(item);
          array.unshift(item);
        } else if (what === 'shift') expect(ring.shift()).toBe(array.shift());
        else if (what === 'pop') expect(ring.pop()).toBe(array.pop());
        else {
          ring.clear();
          array = [];
        }
        expect(ring.length).toBe(array.length);
        for (let at = -1; at <= array.length; at += 1) expect(ring.at(at)).toBe(array[at]);
      });
    };
    const operations = fc.array(operation, { maxLength: 80 });
    fc.assert(fc.property(fc.integer({ min: 0, max: 5 }), operations, agree), { numRuns: 150 });
  });

  it('is empty once everything was taken out', () => {
    const ring = new RingBuffer<object>(2);
    ring.push({});
    ring.push({});
    ring.shift();
    ring.pop();
    expect([ring.shift(), ring.pop(), ring.at(0), ring.length]).toEqual([
      undefined,
      undefined,
      undefined,
      0,
    ]);
  });
});
