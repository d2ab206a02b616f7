import { describe, expect, it } from 'vitest';
import {
  checkLinearizable,
  type KeyValueInput,
  type KeyValueOperation,
  type KeyValueOutput,
  keyValueModel,
  type SequentialModel,
} from './index.ts';
import { doubtfulHistory, goodHistory } from './random-history.ts';

/** Tries every order of every choice of unknown operations: slow, and too simple to be wrong. */
function bruteForce(history: readonly KeyValueOperation[]): boolean {
  const values: Record<string, string | null> = {};
  const attempt = (left: readonly KeyValueOperation[], state: typeof values): boolean => {
    if (left.every(({ answer }) => answer === null)) return true;
    const firstAnswer = Math.min(...left.map(({ answer }) => answer?.at ?? Infinity));
    return left.some((operation) => {
      if (operation.calledAt > firstAnswer) return false;
      const { key } = operation.input;
      const next = keyValueModel.step(state[key] ?? null, operation.input);
      if (operation.answer !== null && !next.accepts(operation.answer.output)) return false;
      const others = left.filter((other) => other !== operation);
      return attempt(others, { ...state, [key]: next.state });
    });
  };
  return attempt(history, values);
}

function operation(
  input: KeyValueInput,
  calledAt: number,
  answeredAt: number | null,
  output?: KeyValueOutput,
): KeyValueOperation {
  return { input, calledAt, answer: answeredAt === null ? null : { at: answeredAt, output } };
}

const set = (value: string): KeyValueInput => ({ op: 'set', key: 'k', value });
const get: KeyValueInput = { op: 'get', key: 'k' };

function verdict(...history: KeyValueOperation[]): string {
  return checkLinearizable(history, keyValueModel).verdict;
}

describe('checkLinearizable', () => {
  it('takes an empty history', () => {
    expect(verdict()).toBe('linearizable');
  });

  it('finds a stale read, and says which and what the value was', () => {
    const history = [
      operation(set('a'), 1, 2),
      operation(set('b'), 3, 4),
      operation(get, 5, 6, 'a'),
    ];
    const report = checkLinearizable(history, keyValueModel);
    expect(report.verdict).toBe('broken');
    expect(report.message).toContain('"get"');
    expect(report.message).toContain('answered "a" at 6');
    expect(report.message).toContain('the state before could only be "b"');
  });

  it('lets two that overlap happen in either order, and everybody see the same one', () => {
    const writes = [operation(set('a'), 1, 10), operation(set('b'), 2, 9)];
    expect(verdict(...writes, operation(get, 11, 12, 'a'))).toBe('linearizable');
    expect(verdict(...writes, operation(get, 11, 12, 'b'))).toBe('linearizable');
    expect(verdict(...writes, operation(get, 11, 12, 'a'), operation(get, 13, 14, 'b'))).toBe(
      'broken',
    );
  });

  it('lets an operation of unknown outcome happen late, never, but not twice', () => {
    const late = [operation(set('a'), 1, null), operation(set('b'), 2, 3)];
    expect(verdict(...late, operation(get, 4, 5, 'b'), operation(get, 6, 7, 'a'))).toBe(
      'linearizable',
    );
    expect(verdict(...late, operation(get, 4, 5, 'b'))).toBe('linearizable');
    const again = [operation(get, 4, 5, 'a'), operation(set('c'), 6, 7), operation(get, 8, 9, 'a')];
    expect(verdict(...late, ...again)).toBe('broken');
  });

  it('lets no operation happen before it was called', () => {
    expect(verdict(operation(get, 1, 2, 'a'), operation(set('a'), 3, null))).toBe('broken');
  });

  it('judges every key by itself', () => {
    const other: KeyValueInput = { op: 'get', key: 'other' };
    expect(verdict(operation(set('a'), 1, 2), operation(other, 3, 4, null))).toBe('linearizable');
    expect(verdict(operation(set('a'), 1, 2), operation(other, 3, 4, 'a'))).toBe('broken');
  });

  it('takes calls before answers at one instant', () => {
    expect(verdict(operation(set('a'), 1, 2), operation(get, 2, 3, null))).toBe('linearizable');
  });

  it('refuses an answer that comes before its call', () => {
    expect(() => verdict(operation(get, 2, 1, null))).toThrow(RangeError);
    expect(() => verdict(operation(get, Number.NaN, 1, null))).toThrow(RangeError);
  });

  it('gives up at its limit and says so', () => {
    const history = goodHistory(1, { operations: 40, clients: 8, keys: 1, lostPercent: 0 });
    const report = checkLinearizable(history, keyValueModel, { maxSteps: 10 });
    expect(report.verdict).toBe('undecided');
    expect(report.message).toBe('40 operations were not judged in 10 steps');
  });

  it('agrees with the trial of every order on thousands of small histories', () => {
    const seen = { linearizable: 0, broken: 0, undecided: 0 };
    for (let seed = 1; seed <= 6000; seed += 1) {
      const shape = {
        operations: 3 + (seed % 5),
        clients: 1 + (seed % 4),
        keys: 1 + (seed % 2),
        lostPercent: (seed % 3) * 20,
      };
      const history = seed % 4 === 0 ? goodHistory(seed, shape) : doubtfulHistory(seed, shape);
      const report = checkLinearizable(history, keyValueModel);
      expect(report.verdict, JSON.stringify({ seed, history })).toBe(
        bruteForce(history) ? 'linearizable' : 'broken',
      );
      seen[report.verdict] += 1;
    }
    expect(seen.linearizable).toBeGreaterThan(1500);
    expect(seen.broken).toBeGreaterThan(1500);
  });

  it('judges long histories of many clients, with many unknown outcomes', () => {
    for (let seed = 1; seed <= 20; seed += 1) {
      const shape = { operations: 1000, clients: 5, keys: 20, lostPercent: 4 };
      const report = checkLinearizable(goodHistory(seed, shape), keyValueModel);
      expect(report, `seed ${seed}`).toEqual({ verdict: 'linearizable', message: '' });
    }
  });

  it('judges a state machine of any kind: a counter without parts or reads', () => {
    const counter: SequentialModel<number, 'add', number> = {
      initial: 0,
      step: (state) => ({ state: state + 1, accepts: (output) => output === state + 1 }),
      describe: String,
    };
    const add = (calledAt: number, at: number, output: number) =>
      ({ input: 'add', calledAt, answer: { at, output } }) as const;
    expect(checkLinearizable([add(1, 4, 2), add(2, 3, 1)], counter).verdict).toBe('linearizable');
    expect(checkLinearizable([add(1, 2, 2), add(3, 4, 1)], counter).verdict).toBe('broken');
  });
});
