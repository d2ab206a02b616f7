import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Decoder } from '../internal/msgpack/decode.ts';
import { Encoder } from '../internal/msgpack/encode.ts';
import { MsgpackError } from '../internal/msgpack/error.ts';
import type { Struct } from '../internal/msgpack/struct.ts';
import { Timestamp } from '../internal/timestamp.ts';
import { Configuration } from '../raft/configuration.ts';
import {
  decodeConfiguration,
  decodePeers,
  encodeConfiguration,
  encodePeers,
} from '../raft/configuration-codec.ts';
import type { RPCReply } from '../raft/messages.ts';
import * as messages from '../raft/messages.ts';
import { ReceiveBuffer } from './receive-buffer.ts';
import {
  decodeRequest,
  encodeRequest,
  type ReplyReader,
  readAnswer,
  readAppendEntriesResponse,
  readRequestVoteResponse,
  readTimeoutNowResponse,
  VALUES_PER_REPLY,
  writeAnswer,
} from './wire.ts';
import { structs } from './wire-structs.ts';

/** What the Go program says of one value; see interop/go/vectors. */
interface Vector {
  readonly name: string;
  readonly kind: string;
  readonly value: unknown;
  readonly newTime?: boolean;
  readonly hex?: string;
  readonly length?: number;
  readonly sha256?: string;
}

/** A description of bytes, a long string, a time or a struct. */
interface Described {
  readonly hex?: string;
  readonly repeat?: string;
  readonly count?: number;
  readonly unix?: string;
  readonly nanos?: number;
  readonly offset?: number | null;
  readonly Suffrage?: string;
  readonly ID?: unknown;
  readonly Address?: unknown;
  readonly [field: string]: unknown;
}

const header = ['ProtocolVersion', 'ID', 'Addr'];

function load(file: string): Vector[] {
  const url = new URL(`../interop/vectors/${file}.json`, import.meta.url);
  return JSON.parse(readFileSync(url, 'utf8'));
}

function isDescribed(value: unknown): value is Described {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The value that a description stands for. */
function build(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(build);
  if (typeof value === 'string' && /^-?\d+$/.test(value)) return Number(value);
  if (!isDescribed(value)) return value;
  if (value.hex !== undefined) return fromHex(value.hex);
  if (value.repeat !== undefined) {
    return new Uint8Array(Number(value.count)).fill(Number.parseInt(value.repeat, 16));
  }
  if (value.unix !== undefined) {
    const zone = value.offset === null ? null : Number(value.offset);
    return new Timestamp(Number(value.unix), Number(value.nanos), zone);
  }
  return buildStruct(value);
}

function buildStruct(value: Described): Record<string, unknown> {
  const fields: Record<string, unknown> = {};
  const rpcHeader: Record<string, unknown> = {};
  for (const [key, described] of Object.entries(value)) {
    const name = key.replace(/^[A-Z]+(?![a-z])|^[A-Z]/, (capitals) => capitals.toLowerCase());
    (header.includes(key) && !('Index' in value) ? rpcHeader : fields)[name] = build(described);
  }
  return 'protocolVersion' in rpcHeader ? { ...fields, rpcHeader } : fields;
}

/** A value with its bytes as text, which compares a thousand times faster. */
function readable(value: unknown): unknown {
  if (value instanceof Uint8Array) return `bytes ${Buffer.from(value).toString('hex')}`;
  if (value instanceof Timestamp) {
    return `time ${value.getTime()} ${value.nanoseconds} ${value.zoneOffsetSeconds}`;
  }
  if (Array.isArray(value)) return value.map(readable);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, v]) => [key, readable(v)]));
}

function fromHex(hex: string): Uint8Array {
  return new Uint8Array(Buffer.from(hex, 'hex'));
}

/** Fails unless the bytes are the ones that Go made. */
function expectBytes(bytes: Uint8Array, vector: Vector): void {
  if (vector.hex !== undefined) {
    expect(Buffer.from(bytes).toString('hex')).toBe(vector.hex);
    return;
  }
  expect(bytes.length).toBe(vector.length);
  expect(createHash('sha256').update(bytes).digest('hex')).toBe(vector.sha256);
}

function written(vector: Vector, write: (to: Encoder) => void): Uint8Array {
  const to = new Encoder(0, vector.newTime === true ? 'compact' : 'binary');
  write(to);
  return to.finish();
}

function titled(vectors: Vector[]): [string, Vector][] {
  return vectors.map((v) => [`${v.kind} ${v.name}${v.newTime === true ? ' (new time)' : ''}`, v]);
}

const zeroOf: Readonly<Record<string, () => object>> = {
  AppendEntriesRequest: () => new messages.AppendEntriesRequest({}),
  AppendEntriesResponse: () => new messages.AppendEntriesResponse({}),
  RequestVoteRequest: () => new messages.RequestVoteRequest({}),
  RequestVoteResponse: () => new messages.RequestVoteResponse({}),
  RequestPreVoteRequest: () => new messages.RequestPreVoteRequest({}),
  RequestPreVoteResponse: () => new messages.RequestPreVoteResponse({}),
  InstallSnapshotRequest: () => new messages.InstallSnapshotRequest({}),
  InstallSnapshotResponse: () => new messages.InstallSnapshotResponse({}),
  TimeoutNowRequest: () => new messages.TimeoutNowRequest({}),
  TimeoutNowResponse: () => new messages.TimeoutNowResponse({}),
};

// The description says which struct it is; the types of both sides meet only here.
const structOf = structs as unknown as Readonly<Record<string, Struct<unknown>>>;

function structFor(kind: string): Struct<unknown> {
  const name = kind.startsWith('TimeoutNow')
    ? 'timeoutNow'
    : kind[0]?.toLowerCase() + kind.slice(1);
  return structOf[name] ?? expect.fail(`no struct for ${kind}`);
}

/** A message with nothing in it yet. */
function draftOf(kind: string): object {
  const { kind: _kind, ...zero } = { kind: '', ...(zeroOf[kind]?.() ?? {}) };
  return { ...zero, rpcHeader: { protocolVersion: 0, id: null, addr: null } };
}

describe('messages.json', () => {
  it.each(titled(load('messages')))('%s', (_title, vector) => {
    const value = build(vector.value);
    const struct = structFor(vector.kind);
    const bytes = written(vector, (to) => struct.write(to, value));
    expectBytes(bytes, vector);
    const read = struct.read(Decoder.ofWhole(bytes), draftOf(vector.kind));
    if (vector.kind === 'Log') expect(readable(read)).toMatchObject(Object(readable(value)));
    else expect(readable(read)).toEqual(readable(value));
  });
});

// Bytes that Go would not write, with what it reads from them: other fields, in other forms.
describe('odd.json', () => {
  it.each(titled(load('odd')))('%s', (_title, vector) => {
    const bytes = fromHex(vector.hex ?? expect.fail('no bytes'));
    const read = () => structFor(vector.kind).read(Decoder.ofWhole(bytes), draftOf(vector.kind));
    if (vector.value === 'refused') expect(read).toThrow(MsgpackError);
    else expect(readable(read())).toEqual(readable(build(vector.value)));
  });
});

describe('configurations.json', () => {
  const peers = {
    encodePeer: (_id: string, address: string) => new TextEncoder().encode(address),
    decodePeer: (bytes: Uint8Array) => new TextDecoder().decode(bytes),
  };
  const vectors = load('configurations');

  it.each(titled(vectors.filter((v) => v.kind === 'Configuration')))('%s', (_title, vector) => {
    const described = vector.value as { Servers: Described[] | null };
    const text = (value: unknown): string => {
      if (typeof value === 'string') return value;
      const { repeat, count } = value as { repeat: string; count: number };
      return repeat.repeat(count);
    };
    const servers = (described.Servers ?? []).map((server) => ({
      suffrage: Number(server.Suffrage) as 0 | 1 | 2,
      id: text(server.ID),
      address: text(server.Address),
    }));
    const configuration = new Configuration(servers);
    const bytes = encodeConfiguration(configuration);
    expectBytes(bytes, vector);
    expect(decodeConfiguration(bytes)).toEqual(configuration);
  });

  it.each(titled(vectors.filter((v) => v.kind === 'Peers')))('%s', (_title, vector) => {
    const addresses = (build(vector.value) ?? []) as Uint8Array[];
    const servers = addresses.map(peers.decodePeer).map((address) => ({
      suffrage: 0 as const,
      id: address,
      address,
    }));
    const bytes = encodePeers(new Configuration(servers), peers);
    expectBytes(bytes, vector);
    expect(decodePeers(bytes, peers).servers).toEqual(servers);
  });
});

describe('scalars.json', () => {
  const vectors = load('scalars');
  const of = (kind: string) => titled(vectors.filter((v) => v.kind === kind));

  it.each(of('uint64'))('%s', (_title, vector) => {
    const bytes = written(vector, (to) => to.uint(Number(vector.value)));
    expectBytes(bytes, vector);
    expect(Decoder.ofWhole(bytes).uint()).toBe(Number(vector.value));
  });

  it.each(of('int64'))('%s', (_title, vector) => {
    const bytes = written(vector, (to) => to.int(Number(vector.value)));
    expectBytes(bytes, vector);
    expect(Decoder.ofWhole(bytes).int()).toBe(Number(vector.value));
  });

  it.each(of('bytes'))('%s', (_title, vector) => {
    const value = build(vector.value) as Uint8Array | null;
    const bytes = written(vector, (to) => to.bytes(value));
    expectBytes(bytes, vector);
    expect(readable(Decoder.ofWhole(bytes).bytes())).toBe(readable(value));
  });

  it.each(of('string'))('%s', (_title, vector) => {
    const described = vector.value;
    const text =
      typeof described === 'string' ? described : 's'.repeat(Number(Object(described).count));
    const bytes = written(vector, (to) => to.string(text));
    expectBytes(bytes, vector);
    expect(Decoder.ofWhole(bytes).name()).toBe(text);
  });

  it.each(of('time'))('%s', (_title, vector) => {
    const time = build(vector.value) as Timestamp;
    const bytes = written(vector, (to) => to.time(time));
    expectBytes(bytes, vector);
    const read = Decoder.ofWhole(bytes).time();
    expect(read.getTime()).toBe(time.getTime());
    expect(read.nanoseconds).toBe(time.nanoseconds);
    expect(read.zoneOffsetSeconds).toBe(vector.newTime === true ? null : time.zoneOffsetSeconds);
  });
});

/** A reader that stands behind the error text of a reply. */
function afterError(bytes: Uint8Array): Decoder {
  const decoder = Decoder.ofWhole(bytes, VALUES_PER_REPLY);
  decoder.skip();
  return decoder;
}

describe('frames.json', () => {
  const vectors = load('frames');
  const requests = vectors.filter((v) => !v.kind.startsWith('reply:'));
  const replies = vectors.filter((v) => v.kind.startsWith('reply:'));
  const readers: Readonly<Record<string, ReplyReader<RPCReply>>> = {
    AppendEntriesResponse: readAppendEntriesResponse,
    RequestVoteResponse: readRequestVoteResponse,
    TimeoutNowResponse: readTimeoutNowResponse,
  };

  it.each(titled(requests))('%s', (_title, vector) => {
    const frame = fromHex(vector.hex ?? '');
    const type = frame[0] ?? expect.fail('an empty frame');
    const buffer = new ReceiveBuffer();
    buffer.push(frame.subarray(1));
    const request = decodeRequest(type, buffer.takeValues(1) ?? expect.fail('not complete'));
    expect(request).toMatchObject(Object(build(vector.value)));
    const state = buffer.takeBytes(100);
    expect(Buffer.from(state).toString()).toBe(
      request.kind === 'InstallSnapshotRequest' ? 'state' : '',
    );
    const encoded = encodeRequest(request, vector.newTime === true ? 'compact' : 'binary');
    expect(Buffer.from([...encoded, ...state]).toString('hex')).toBe(vector.hex);
  });

  it.each(titled(replies))('%s', (_title, vector) => {
    const described = vector.value as { error: string; response: Described | null };
    const kind = vector.kind.slice('reply:'.length);
    const read = readers[kind] ?? expect.fail(`no reader for ${kind}`);
    const bytes = fromHex(vector.hex ?? '');
    const answer = readAnswer(Decoder.ofWhole(bytes, VALUES_PER_REPLY), read);
    if (answer.error === null)
      expect(answer.response).toMatchObject(Object(build(described.response)));
    else expect(answer.error.message).toBe(described.error);
    const response = read(afterError(bytes));
    const again = written(vector, (to) =>
      writeAnswer(to, {
        error: answer.error,
        response: described.response === null ? null : response,
      }),
    );
    expectBytes(again, vector);
  });
});
