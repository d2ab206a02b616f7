import { Configuration, type Server, ServerSuffrage } from './configuration.ts';
import { RaftError } from './errors.ts';

/** A value as an error text shows it: what it is, and which one where that is short. */
export function describe(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'object') return Array.isArray(value) ? 'an array' : 'an object';
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 40));
  if (typeof value === 'function' || typeof value === 'symbol') return `a ${typeof value}`;
  return String(value);
}

function refuse(name: string, expected: string, value: unknown): never {
  throw new RaftError(
    'ERR_INVALID_ARGUMENT',
    `${name} must be ${expected}, got ${describe(value)}`,
  );
}

/** Throws unless `timeout` is a number of milliseconds that a wait can be made of. */
export function checkTimeout(timeout: unknown): void {
  if (typeof timeout === 'number' && timeout >= 0 && timeout < Number.POSITIVE_INFINITY) return;
  refuse('timeout', 'a number of milliseconds, 0 to wait for ever', timeout);
}

/** Throws unless `value` is bytes. */
export function checkBytes(name: string, value: unknown): void {
  if (!(value instanceof Uint8Array)) refuse(name, 'a Uint8Array', value);
}

/** Throws unless `value` is an object. */
export function checkObject(name: string, expected: string, value: unknown): void {
  if (typeof value !== 'object' || value === null) refuse(name, expected, value);
}

/** Throws unless `value` is a string. */
export function checkString(name: string, value: unknown): void {
  if (typeof value !== 'string') refuse(name, 'a string', value);
}

/** Throws unless `value` can be an index of the log, 0 for none. */
export function checkIndex(name: string, value: unknown): void {
  if (Number.isSafeInteger(value) && Number(value) >= 0) return;
  refuse(name, 'a whole number from 0 to 2^53 - 1', value);
}

/** Throws unless `value` is a stream of bytes, as far as that can be seen. */
export function checkStream(name: string, value: unknown): void {
  if (typeof value === 'object' && value !== null && Symbol.asyncIterator in value) return;
  refuse(name, 'an AsyncIterable of Uint8Array', value);
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
    return refuse(`meta.${name}`, `a whole number from 0 to ${limit}`, value);
  };
  return {
    version: number('version', Number.MAX_SAFE_INTEGER),
    // Two more indexes must be left for the burned one and the entry behind it.
    index: number('index', Number.MAX_SAFE_INTEGER - 2),
    size: number('size', Number.MAX_SAFE_INTEGER),
  };
}

const suffrages: readonly unknown[] = Object.values(ServerSuffrage);

function checkServer(name: string, server: unknown): void {
  if (typeof server !== 'object' || server === null) return refuse(name, 'a Server', server);
  const { id, address, suffrage } = server as Partial<Server>;
  checkString(`${name}.id`, id);
  checkString(`${name}.address`, address);
  if (!suffrages.includes(suffrage)) refuse(`${name}.suffrage`, 'a ServerSuffrage', suffrage);
}

/** A copy of a configuration that a caller gave; throws unless it has the form of one. */
export function copyConfiguration(value: unknown): Configuration {
  const servers =
    typeof value === 'object' && value !== null && 'servers' in value ? value.servers : undefined;
  if (!Array.isArray(servers)) return refuse('configuration', 'a Configuration', value);
  servers.forEach((server, at) => {
    checkServer(`configuration.servers[${at}]`, server);
  });
  return new Configuration(servers).clone();
}
