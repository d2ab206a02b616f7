import type { Outcome } from '../core/input.ts';
import { asError } from '../errors.ts';

/** Runs a call; what it comes to is one value, whichever way it ends, thrown or rejected. */
export async function outcomeOf<T>(call: () => Promise<T>): Promise<Outcome<T>> {
  try {
    return { reply: await call() };
  } catch (error) {
    return { error: asError(error) };
  }
}
