import { assert } from '../../internal/assert.ts';
import type { MaybePromise } from '../../raft/log.ts';

/** One check of a port's contract. `run` rejects when the contract is broken. */
export interface ConformanceCase {
  /** What must hold. */
  readonly name: string;
  /** Checks it; rejects with an `Error` that says what was expected and what came. */
  run(): Promise<void>;
}

/** How a suite gets at the store under test. Each case opens a store of its own. */
export interface StoreFactory<S> {
  /** A new, empty store. */
  open(): MaybePromise<S>;
  /** The same store after its process ended, when it outlives that. It was not closed before. */
  reopen?(store: S): MaybePromise<S>;
  /** Ends a store; nothing of it is needed any more. */
  close(store: S): MaybePromise<void>;
}

/** A case that gets a store of its own, which is closed however the case ends. */
export function storeCase<S>(
  factory: StoreFactory<S>,
  name: string,
  check: (store: S) => Promise<void>,
): ConformanceCase {
  return {
    name,
    async run() {
      const store = await factory.open();
      try {
        await check(store);
      } finally {
        await factory.close(store);
      }
    },
  };
}

/** What a call throws or rejects with; fails when it does neither. */
export async function failureOf(what: string, call: () => unknown): Promise<unknown> {
  let answer: unknown;
  try {
    answer = await call();
  } catch (thrown) {
    return thrown;
  }
  assert(false, `${what}: expected to fail, answered ${String(answer)}`);
}

/** Fails unless the two are the same value. */
export function assertSame(what: string, actual: unknown, expected: unknown): void {
  const text = `${what}: expected ${String(expected)}, got ${String(actual)}`;
  assert(Object.is(actual, expected), text);
}
