import { utf8 } from '../../internal/bytes.ts';
import { Decoder } from '../../internal/msgpack/decode.ts';
import { type Random, randomInteger } from '../../internal/random.ts';
import { ZERO_TIME } from '../../internal/timestamp.ts';
import { LogType } from '../../raft/log.ts';
import {
  AppendEntriesRequest,
  InstallSnapshotRequest,
  RequestPreVoteRequest,
  RequestVoteRequest,
  type RPCHeader,
} from '../../raft/messages.ts';
import { decodeRequest, encodeRequest } from '../../transport/wire.ts';

/** Requests of term 0, which every node refuses: what is left to test is how they are read. */
function harmlessFrames(): Uint8Array[] {
  const rpcHeader: RPCHeader = { protocolVersion: 3, id: utf8('x'), addr: utf8('127.0.0.1:1') };
  const entry = {
    index: 1,
    term: 0,
    type: LogType.LogCommand,
    data: new Uint8Array(300),
    extensions: null,
    appendedAt: ZERO_TIME,
  };
  return [
    new AppendEntriesRequest({ rpcHeader, entries: [entry, { ...entry, index: 2 }] }),
    new AppendEntriesRequest({ rpcHeader }),
    new RequestVoteRequest({ rpcHeader, lastLogIndex: 1 }),
    new RequestPreVoteRequest({ rpcHeader, lastLogIndex: 1 }),
    new InstallSnapshotRequest({ rpcHeader, lastLogIndex: 1, size: 100 }),
  ].map((request) => encodeRequest(request));
}

const frames = harmlessFrames();

function randomBytes(random: Random, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, () => randomInteger(random, 0, 255));
}

function pick<T>(random: Random, items: readonly T[], fallback: T): T {
  return items[randomInteger(random, 0, items.length - 1)] ?? fallback;
}

/** A few bytes changed, taken out or put in. */
function mutate(random: Random, frame: Uint8Array): Uint8Array {
  let bytes = Array.from(frame);
  for (let change = randomInteger(random, 1, 4); change > 0; change -= 1) {
    const at = randomInteger(random, 0, bytes.length - 1);
    const kind = randomInteger(random, 0, 3);
    if (kind === 0) bytes[at] = randomInteger(random, 0, 255);
    else if (kind === 1) bytes = bytes.toSpliced(at, randomInteger(random, 1, 8));
    else if (kind === 2) bytes = bytes.toSpliced(at, 0, ...randomBytes(random, 4));
    else bytes[at] = (bytes[at] ?? 0) ^ (1 << randomInteger(random, 0, 7));
  }
  return Uint8Array.from(bytes);
}

/**
 * True when a node would believe the frame. The wire has no authentication: a well-formed request
 * of a later term, or the order to stand for election, is not garbage but an impostor's.
 */
function isBelievable(frame: Uint8Array): boolean {
  const [type = 0] = frame;
  try {
    const request = decodeRequest(type, new Decoder(frame.subarray(1)));
    return request.kind === 'TimeoutNowRequest' || request.term > 0;
  } catch {
    return false;
  }
}

/** A length of four gigabytes where a text, some bytes, an array or a map is expected. */
const absurdLengths = [0xdb, 0xc6, 0xdd, 0xdf].map((head) =>
  Uint8Array.of(0, 0x81, head, 0xff, 0xff, 0xff, 0xff),
);

/** What one bad connection sends. */
export function garbage(random: Random): Uint8Array {
  const frame = pick(random, frames, new Uint8Array(1));
  switch (randomInteger(random, 0, 5)) {
    case 0:
      return randomBytes(random, randomInteger(random, 0, 2000));
    case 1:
      return frame.subarray(0, randomInteger(random, 0, frame.length - 1));
    case 2:
      return pick(random, absurdLengths, new Uint8Array(1));
    case 3:
      return utf8('GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n');
    default: {
      const mutated = mutate(random, frame);
      return isBelievable(mutated) ? garbage(random) : mutated;
    }
  }
}
