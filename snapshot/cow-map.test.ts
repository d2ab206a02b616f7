import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type CowMapSnapshot, newCowMap } from './cow-map.ts';

it('shows the moment of the snapshot while writes go on', () => {
  const map = newCowMap([
    ['a', 1],
    ['b', 2],
    ['c', 3],
  ]);
  const snapshot = map.snapshot();
  const steps = snapshot[Symbol.iterator]();
  expect(steps.next().value).toEqual(['a', 1]);
  map.set('a', 10);
  map.set('b', 20);
  map.delete('c');
  map.set('c', 30);
  map.set('d', 40);
  expect([...steps]).toEqual([
    ['b', 2],
    ['c', 3],
  ]);
  expect(snapshot.size).toBe(3);
  expect(Object.fromEntries(map)).toEqual({ a: 10, b: 20, c: 30, d: 40 });
});

it('keeps a snapshot through clear', () => {
  const map = newCowMap([['a', 1]]);
  const snapshot = map.snapshot();
  map.clear();
  map.set('a', 2);
  expect([...snapshot]).toEqual([['a', 1]]);
  snapshot.release();
  expect([...map]).toEqual([['a', 2]]);
});

it('refuses to be read after release, also in the middle', () => {
  const map = newCowMap([
    ['a', 1],
    ['b', 2],
  ]);
  const snapshot = map.snapshot();
  const steps = snapshot[Symbol.iterator]();
  steps.next();
  snapshot.release();
  snapshot.release();
  const text = 'snapshot of a CowMap was read after its release';
  expect(() => steps.next()).toThrow(text);
  expect(() => [...snapshot]).toThrow(text);
});

it('saves a value of undefined too', () => {
  const map = newCowMap<string, number | undefined>([['a', undefined]]);
  const snapshot = map.snapshot();
  map.set('a', 1);
  expect([...snapshot]).toEqual([['a', undefined]]);
});

it('keeps the old values of many cells', () => {
  const count = 10_000;
  const map = newCowMap<number, number>();
  for (let i = 0; i < count; i += 1) map.set(i, i);
  const snapshot = map.snapshot();
  for (const factor of [-1, -2]) for (let i = 0; i < count; i += 1) map.set(i, factor * i);
  expect([...snapshot]).toEqual(Array.from({ length: count }, (_, i) => [i, i]));
  expect(map.get(count - 1)).toBe(-2 * (count - 1));
});

type Action =
  | { readonly kind: 'set'; readonly key: number; readonly value: number }
  | { readonly kind: 'delete'; readonly key: number }
  | { readonly kind: 'clear' | 'snapshot' }
  | { readonly kind: 'iterate' | 'step' | 'release'; readonly which: number };

const key = fc.nat(7);
const which = fc.nat(5);
const actions: fc.Arbitrary<Action[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.record({ kind: fc.constant('set'), key, value: fc.nat(999) }) },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('delete'), key }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constantFrom('clear', 'snapshot') }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('snapshot') }) },
    { weight: 1, arbitrary: fc.record({ kind: fc.constant('release'), which }) },
    { weight: 5, arbitrary: fc.record({ kind: fc.constantFrom('iterate', 'step'), which }) },
  ),
  { maxLength: 80 },
);

interface Taken {
  readonly snapshot: CowMapSnapshot<number, number>;
  readonly copy: readonly [number, number][];
}

interface Walk {
  readonly of: Taken;
  readonly steps: Iterator<[number, number], undefined>;
  seen: number;
}

/** Does the same to a CowMap and to a Map that is copied for every snapshot, and compares. */
class Comparison {
  readonly map = newCowMap<number, number>();
  readonly model = new Map<number, number>();
  readonly taken: Taken[] = [];
  walks: Walk[] = [];

  perform(action: Action): void {
    if (action.kind === 'set') {
      this.map.set(action.key, action.value);
      this.model.set(action.key, action.value);
    } else if (action.kind === 'delete') {
      expect(this.map.delete(action.key)).toBe(this.model.delete(action.key));
    } else if (action.kind === 'clear') {
      this.map.clear();
      this.model.clear();
    } else if (action.kind === 'snapshot') {
      this.taken.push({ snapshot: this.map.snapshot(), copy: [...this.model] });
    } else if ('which' in action) {
      this.read(action.kind, action.which);
    }
  }

  read(kind: 'iterate' | 'step' | 'release', which: number): void {
    if (kind === 'step') {
      const walk = this.walks[which % this.walks.length];
      if (walk === undefined) return;
      expect(walk.steps.next().value).toEqual(walk.of.copy[walk.seen]);
      walk.seen += 1;
      return;
    }
    const at = which % this.taken.length;
    const of = this.taken[at];
    if (of === undefined) return;
    if (kind === 'iterate') {
      this.walks.push({ of, steps: of.snapshot[Symbol.iterator](), seen: 0 });
      return;
    }
    of.snapshot.release();
    this.taken.splice(at, 1);
    this.walks = this.walks.filter((walk) => walk.of !== of);
  }

  check(): void {
    expect([...this.map]).toEqual([...this.model]);
    expect([...this.map.keys()]).toEqual([...this.model.keys()]);
    expect([...this.map.values()]).toEqual([...this.model.values()]);
    expect(this.map.size).toBe(this.model.size);
    for (const { snapshot, copy } of this.taken) {
      expect([...snapshot]).toEqual(copy);
      expect(snapshot.size).toBe(copy.length);
    }
    for (const { of, steps, seen } of this.walks) {
      const rest: [number, number][] = [];
      for (let step = steps.next(); step.done !== true; step = steps.next()) rest.push(step.value);
      expect(rest).toEqual(of.copy.slice(seen));
    }
  }
}

describe('against a map that is copied', () => {
  it('every snapshot and every walk sees its own moment, in order', () => {
    const property = fc.property(actions, (list) => {
      const comparison = new Comparison();
      for (const action of list) comparison.perform(action);
      comparison.check();
    });
    fc.assert(property, { seed: 2026, numRuns: 3000 });
  });
});
