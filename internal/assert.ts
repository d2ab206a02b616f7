/**
 * An invariant of this program does not hold. Never caused by input from outside: bytes, callers
 * and disks get their own errors.
 */
export class AssertionError extends Error {
  override readonly name = 'AssertionError';
  readonly code = 'ERR_ASSERTION';
}

/**
 * Throws when `condition` does not hold. `message` says what was expected and what is; it is a
 * function where the check is made so often that making the text would be felt.
 */
export function assert(condition: boolean, message: string | (() => string)): asserts condition {
  if (!condition) throw new AssertionError(typeof message === 'string' ? message : message());
}

/** Marks a branch that the types say cannot be reached. */
export function unreachable(value: never): never {
  throw new AssertionError(`unreachable case: ${JSON.stringify(value)}`);
}
