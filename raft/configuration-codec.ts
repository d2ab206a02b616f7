import { Decoder } from '../internal/msgpack/decode.ts';
import { Encoder } from '../internal/msgpack/encode.ts';
import { MsgpackError } from '../internal/msgpack/error.ts';
import { type Field, name, Struct } from '../internal/msgpack/struct.ts';
import {
  Configuration,
  type Server,
  type ServerAddress,
  type ServerID,
  ServerSuffrage,
} from './configuration.ts';
import { RaftError } from './errors.ts';

/** More servers than this are taken for damage. */
const MAX_SERVERS = 65_536;

interface ServerDraft {
  suffrage: ServerSuffrage;
  id: ServerID;
  address: ServerAddress;
}

function isSuffrage(value: number): value is ServerSuffrage {
  return value >= ServerSuffrage.Voter && value <= ServerSuffrage.Staging;
}

const suffrageField: Field<ServerDraft> = {
  key: 'Suffrage',
  write: (to, from) => to.int(from.suffrage),
  read: (from, into) => {
    const value = from.int();
    if (!isSuffrage(value)) throw new MsgpackError(`expected a suffrage of 0 to 2, got ${value}`);
    into.suffrage = value;
  },
};

const serverStruct = new Struct<ServerDraft>([
  suffrageField,
  name('ID', 'id'),
  name('Address', 'address'),
]);

interface ConfigurationDraft {
  /** `null` is Go's nil slice, which a configuration without servers has. */
  servers: readonly Server[] | null;
}

const serversField: Field<ConfigurationDraft> = {
  key: 'Servers',
  write: (to, { servers }) => {
    if (servers === null) {
      to.nil();
      return;
    }
    to.arrayHeader(servers.length);
    for (const server of servers) serverStruct.write(to, server);
  },
  read: (from, into) => {
    const count = from.arrayHeader(MAX_SERVERS);
    const servers: Server[] = [];
    for (let i = 0; i < count; i += 1) {
      const draft: ServerDraft = { suffrage: ServerSuffrage.Voter, id: '', address: '' };
      servers.push(serverStruct.read(from, draft));
    }
    into.servers = servers;
  },
};

const configurationStruct = new Struct<ConfigurationDraft>([serversField]);

/** Runs `decode`, turning an error of the codec into one of the library. */
function decoding<T>(what: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof MsgpackError)) throw error;
    throw new RaftError(
      'ERR_MALFORMED_CONFIGURATION',
      `failed to decode ${what}: ${error.message}`,
      { cause: error },
    );
  }
}

/**
 * The bytes that stand for a configuration in log entries and snapshots. No servers are written as
 * Go's nil slice. Go: `EncodeConfiguration`.
 */
export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const encoder = new Encoder(16 + 96 * configuration.servers.length);
  const servers = configuration.servers.length === 0 ? null : configuration.servers;
  configurationStruct.write(encoder, { servers });
  return encoder.finish().slice();
}

/**
 * The configuration that {@link encodeConfiguration} made bytes of. Throws a `RaftError`
 * (`ERR_MALFORMED_CONFIGURATION`) where Go panics. Go: `DecodeConfiguration`.
 */
export function decodeConfiguration(bytes: Uint8Array): Configuration {
  return decoding('configuration', () => {
    const draft = configurationStruct.read(Decoder.ofWhole(bytes), { servers: null });
    return new Configuration(draft.servers ?? []);
  });
}

/** The half of a `Transport` that writes addresses. */
export interface PeerEncoder {
  encodePeer(id: ServerID, address: ServerAddress): Uint8Array;
}

/** The half of a `Transport` that reads addresses. */
export interface PeerDecoder {
  decodePeer(bytes: Uint8Array): ServerAddress;
}

/**
 * The voters as protocol versions before 2 knew them: their encoded addresses. Go: `encodePeers`.
 */
export function encodePeers(configuration: Configuration, transport: PeerEncoder): Uint8Array {
  const voters = configuration.servers.filter((server) => server.suffrage === ServerSuffrage.Voter);
  const encoder = new Encoder(8 + 64 * voters.length);
  if (voters.length === 0) encoder.nil();
  else encoder.arrayHeader(voters.length);
  for (const { id, address } of voters) encoder.bytes(transport.encodePeer(id, address));
  return encoder.finish().slice();
}

/**
 * A configuration of voters whose id is their address. Throws a `RaftError`
 * (`ERR_MALFORMED_CONFIGURATION`). Go: `decodePeers`.
 */
export function decodePeers(bytes: Uint8Array, transport: PeerDecoder): Configuration {
  return decoding('peers', () => {
    const decoder = Decoder.ofWhole(bytes);
    const count = decoder.arrayHeader(MAX_SERVERS);
    const servers: Server[] = [];
    for (let i = 0; i < count; i += 1) {
      const address = transport.decodePeer(decoder.bytes() ?? new Uint8Array(0));
      servers.push({ suffrage: ServerSuffrage.Voter, id: address, address });
    }
    return new Configuration(servers);
  });
}
