import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { onAbort } from './abort.ts';

describe('onAbort', () => {
  it('tells everybody who waits, once, by one listener', () => {
    const { signal, ...caller } = controller();
    const told: number[] = [];
    for (let i = 0; i < 100; i += 1) onAbort(signal, () => told.push(i));
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    caller.abort();
    caller.abort();
    expect(told).toEqual(Array.from({ length: 100 }, (_, i) => i));
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
  });

  it('does not tell who stopped waiting, and stops listening with the last of them', () => {
    const { signal, ...caller } = controller();
    const told: string[] = [];
    const stops = [onAbort(signal, () => told.push('a')), onAbort(signal, () => told.push('b'))];
    stops[0]?.();
    stops[0]?.();
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    stops[1]?.();
    expect(getEventListeners(signal, 'abort')).toHaveLength(0);
    onAbort(signal, () => told.push('c'));
    caller.abort();
    stops[1]?.();
    expect(told).toEqual(['c']);
  });
});

function controller() {
  const made = new AbortController();
  return { signal: made.signal, abort: () => made.abort() };
}
