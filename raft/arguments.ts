import { RaftError } from './errors.ts';

/** Throws unless `timeout` is a number of milliseconds that a wait can be made of. */
export function checkTimeout(timeout: number): void {
  if (typeof timeout !== 'number' || Number.isNaN(timeout)) {
    throw new RaftError(
      'ERR_INVALID_ARGUMENT',
      `timeout must be a number of milliseconds, 0 to wait for ever, got ${String(timeout)}`,
    );
  }
}

/** Throws unless `value` is bytes. */
export function checkBytes(name: string, value: unknown): void {
  if (value instanceof Uint8Array) return;
  throw new RaftError('ERR_INVALID_ARGUMENT', `${name} must be a Uint8Array, got ${typeof value}`);
}
