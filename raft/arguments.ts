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

/** Throws unless `value` is a stream of bytes, as far as that can be seen. */
export function checkStream(name: string, value: unknown): void {
  if (typeof value === 'object' && value !== null && Symbol.asyncIterator in value) return;
  throw new RaftError(
    'ERR_INVALID_ARGUMENT',
    `${name} must be an AsyncIterable of Uint8Array, got ${typeof value}`,
  );
}

/** What a restore must know of a snapshot; throws when it is not numbers that can be meant. */
export function checkedMeta(meta: unknown): {
  readonly version: number;
  readonly index: number;
  readonly size: number;
} {
  const given = typeof meta === 'object' && meta !== null ? meta : {};
  const number = (name: string, limit: number): number => {
    const value: unknown = Reflect.get(given, name);
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 && value <= limit) {
      return value;
    }
    throw new RaftError(
      'ERR_INVALID_ARGUMENT',
      `meta.${name} must be a whole number from 0 to ${limit}, got ${String(value)}`,
    );
  };
  return {
    version: number('version', Number.MAX_SAFE_INTEGER),
    // Two more indexes must be left for the burned one and the entry behind it.
    index: number('index', Number.MAX_SAFE_INTEGER - 2),
    size: number('size', Number.MAX_SAFE_INTEGER),
  };
}
