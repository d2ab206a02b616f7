import { base64ToBytes, bytesToBase64 } from '../internal/base64.ts';
import { Configuration, type Server, ServerSuffrage } from '../raft/configuration.ts';
import { asError, RaftError } from '../raft/errors.ts';
import type { SnapshotMeta } from '../raft/snapshot.ts';

/** What meta.json holds: the metadata and the CRC-64 of state.bin, `null` while unfinished. */
export interface StoredSnapshotMeta {
  readonly meta: SnapshotMeta;
  readonly crc: Uint8Array | null;
}

/** Go's JSON encoder escapes what could end a script element or a JavaScript line. */
const escapedByGo = /[<>&\u2028\u2029]/g;

function escapeAsGo(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}

/** The text of meta.json, byte for byte as Go writes it. */
export function encodeSnapshotMeta({ meta, crc }: StoredSnapshotMeta): string {
  const servers = meta.configuration.servers.map(({ suffrage, id, address }) => ({
    Suffrage: suffrage,
    ID: id,
    Address: address,
  }));
  const text = JSON.stringify({
    Version: meta.version,
    ID: meta.id,
    Index: meta.index,
    Term: meta.term,
    Peers: meta.peers === null ? null : bytesToBase64(meta.peers),
    Configuration: { Servers: servers.length === 0 ? null : servers },
    ConfigurationIndex: meta.configurationIndex,
    Size: meta.size,
    CRC: crc === null ? null : bytesToBase64(crc),
  });
  return `${text.replace(escapedByGo, escapeAsGo)}\n`;
}

function malformed(text: string, cause?: Error): RaftError {
  const options = cause === undefined ? undefined : { cause };
  return new RaftError('ERR_MALFORMED_SNAPSHOT_META', `malformed meta.json: ${text}`, options);
}

/** A JSON object as Go reads it: keys in any case, and null the same as absent. */
class Fields {
  readonly #values: ReadonlyMap<string, unknown>;

  constructor(name: string, value: unknown) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw malformed(`${name} must be an object, got ${JSON.stringify(value)}`);
    }
    const entries = Object.entries(value).filter(([, field]) => field !== null);
    this.#values = new Map(entries.map(([key, field]) => [key.toLowerCase(), field]));
  }

  get(name: string): unknown {
    return this.#values.get(name.toLowerCase());
  }

  integer(name: string): number {
    const value = this.get(name) ?? 0;
    if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 0) return value;
    const limit = Number.MAX_SAFE_INTEGER;
    throw malformed(`${name} must be an integer from 0 to ${limit}, got ${JSON.stringify(value)}`);
  }

  text(name: string): string {
    const value = this.get(name) ?? '';
    if (typeof value === 'string') return value;
    throw malformed(`${name} must be a string, got ${JSON.stringify(value)}`);
  }

  bytes(name: string): Uint8Array | null {
    const value = this.get(name);
    if (value === undefined) return null;
    const bytes = typeof value === 'string' ? base64ToBytes(value) : undefined;
    if (bytes !== undefined) return bytes;
    throw malformed(`${name} must be base64, got ${JSON.stringify(value)}`);
  }
}

function decodeServer(value: unknown): Server {
  const fields = new Fields('Server', value);
  const suffrage = fields.integer('Suffrage');
  const known = Object.values(ServerSuffrage).find((candidate) => candidate === suffrage);
  if (known === undefined) throw malformed(`Suffrage must be 0, 1 or 2, got ${suffrage}`);
  return { suffrage: known, id: fields.text('ID'), address: fields.text('Address') };
}

function decodeConfiguration(value: unknown): Configuration {
  const servers = new Fields('Configuration', value).get('Servers') ?? [];
  if (Array.isArray(servers)) return new Configuration(servers.map(decodeServer));
  throw malformed(`Servers must be an array, got ${JSON.stringify(servers)}`);
}

/**
 * What meta.json says. Keys may be in any case, unknown ones are skipped, absent ones are zero (an
 * absent Version is version 0), as in Go. Throws a `RaftError` (`ERR_MALFORMED_SNAPSHOT_META`),
 * also for numbers above 2^53-1, which could not be kept exactly.
 */
export function decodeSnapshotMeta(text: string): StoredSnapshotMeta {
  const fields = new Fields('meta.json', parseJSON(text));
  return {
    meta: {
      version: fields.integer('Version'),
      id: fields.text('ID'),
      index: fields.integer('Index'),
      term: fields.integer('Term'),
      peers: fields.bytes('Peers'),
      configuration: decodeConfiguration(fields.get('Configuration') ?? {}),
      configurationIndex: fields.integer('ConfigurationIndex'),
      size: fields.integer('Size'),
    },
    crc: fields.bytes('CRC'),
  };
}

function parseJSON(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw malformed(asError(thrown).message, asError(thrown));
  }
}
