import { readFileSync } from 'node:fs';
import process from 'node:process';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import fc from 'fast-check';
import { afterEach, beforeAll, describe, expect, it } from 'vitest';
import { MsgpackError } from '../internal/msgpack/error.ts';
import { type Random, randomInteger, seededRandom } from '../internal/random.ts';
import { RaftError } from '../raft/errors.ts';
import { recordConversations } from './suite/conversation.ts';
import type { Recording } from './suite/link-proxy.ts';
import { rounds } from './suite/long.ts';
import { killPeers } from './suite/peer-process.ts';
import { READERS, ReplyReaderOf, RequestReader, type StreamReader } from './suite/wire-reader.ts';

const FRAMES = rounds(1_000_000, 10_000_000);
const FRAMES_A_RUN = 1000;
const LONGEST_SEED_BYTES = 2000;
/** What a heap may differ by without anything having leaked. */
const TOLERATED_BYTES = 16e6;
/** Of CPU time: far more than short frames take, far less than a walk that is not linear. */
const LONGEST_RUN_MS = 1000;

/** Lengths that no frame has the bytes for, and nesting. */
const BOMBS = [
  'ddffffffff',
  'dfffffffff',
  'dbffffffff',
  'c6ffffffff',
  'dc8fff',
  '9191919191',
  'c1',
];
const bombs = BOMBS.map((hex) => new Uint8Array(Buffer.from(hex, 'hex')));

let recordings: Recording[] = [];
let seeds: Uint8Array[] = [];

/** The frames that the Go program has written down. */
function vectors(): Uint8Array[] {
  const url = new URL('vectors/frames.json', import.meta.url);
  const found: unknown = JSON.parse(readFileSync(url, 'utf8'));
  if (!Array.isArray(found)) throw new Error('expected a list of vectors');
  return found.flatMap(({ hex }) => (typeof hex === 'string' ? [Buffer.from(hex, 'hex')] : []));
}

/** What crossed on one connection. */
function bytesOf({ chunks }: Recording): Uint8Array {
  return new Uint8Array(Buffer.concat(chunks));
}

beforeAll(async () => {
  recordings = (await recordConversations()).filter(({ chunks }) => chunks.length > 0);
  const recorded = recordings.flatMap(({ chunks }) => chunks);
  seeds = [...vectors(), ...recorded].map((chunk) => chunk.subarray(0, LONGEST_SEED_BYTES));
}, 120_000);

afterEach(killPeers);

function pick<T>(random: Random, items: readonly T[]): T {
  const item = items[randomInteger(random, 0, items.length - 1)];
  if (item === undefined) throw new Error('nothing to pick from');
  return item;
}

/** A seed with a few bytes changed, taken out, put in, or with the end of another one. */
function mutate(random: Random): Uint8Array {
  let bytes = Uint8Array.from(pick(random, seeds));
  for (let change = randomInteger(random, 1, 4); change > 0; change -= 1) {
    const at = randomInteger(random, 0, Math.max(bytes.length - 1, 0));
    const put = (middle: Uint8Array, dropBytes: number) =>
      new Uint8Array(
        Buffer.concat([bytes.subarray(0, at), middle, bytes.subarray(at + dropBytes)]),
      );
    const kind = randomInteger(random, 0, 5);
    if (kind === 0) bytes[at] = randomInteger(random, 0, 255);
    else if (kind === 1) bytes[at] = (bytes[at] ?? 0) ^ (1 << randomInteger(random, 0, 7));
    else if (kind === 2) bytes = put(new Uint8Array(), randomInteger(random, 1, 8));
    else if (kind === 3) bytes = put(pick(random, bombs), randomInteger(random, 0, 5));
    else if (kind === 4) bytes = bytes.slice(0, at);
    else bytes = put(pick(random, seeds).subarray(at), bytes.length);
  }
  return bytes;
}

/** True when a reader took the frame, false when it refused it in the way it should. */
function read(reader: StreamReader, frame: Uint8Array): boolean {
  try {
    reader.push(frame);
    return true;
  } catch (error) {
    if (error instanceof MsgpackError || error instanceof RaftError) return false;
    throw error;
  }
}

/** The CPU time in milliseconds that an act takes, which other processes do not change. */
function cpuMs(act: () => void): number {
  const before = process.cpuUsage();
  act();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

/** What is held once all garbage is gone. */
function heldBytes(): number {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

describe('a mutated frame', () => {
  it(`decodes or is refused, ${FRAMES} times, in time and memory`, () => {
    const before = heldBytes();
    let taken = 0;
    let refused = 0;
    let longestMs = 0;
    const property = fc.property(fc.integer({ min: 1, max: 2 ** 31 - 1 }), (seed) => {
      const random = seededRandom(seed);
      const ms = cpuMs(() => {
        for (let at = 0; at < FRAMES_A_RUN; at += 1) {
          if (read(pick(random, READERS)(), mutate(random))) taken += 1;
          else refused += 1;
        }
      });
      longestMs = Math.max(longestMs, ms);
      return ms < LONGEST_RUN_MS;
    });
    // Half a million errors, of whose stacks nobody reads one.
    const { stackTraceLimit } = Error;
    Error.stackTraceLimit = 0;
    try {
      fc.assert(property, { numRuns: FRAMES / FRAMES_A_RUN });
    } finally {
      Error.stackTraceLimit = stackTraceLimit;
    }
    console.log(
      `${taken} taken or waiting for more, ${refused} refused; ${FRAMES_A_RUN} of them took ` +
        `${longestMs.toFixed(0)} ms at most; ${seeds.length} seeds`,
    );
    expect(taken + refused).toBe(FRAMES);
    expect(Math.min(taken, refused)).toBeGreaterThan(FRAMES / 100);
    expect(heldBytes() - before).toBeLessThan(TOLERATED_BYTES);
  });
});

const readerOf = ({ direction }: Recording): StreamReader =>
  direction === 'requests' ? new RequestReader() : new ReplyReaderOf();

/** The start of a stream, short enough to be cut at each of its bytes. */
function startOf(recording: Recording): Uint8Array {
  return bytesOf(recording).slice(0, rounds(3000, 20_000));
}

describe('a recorded conversation', () => {
  it('has every kind of request, read without an error', () => {
    const kinds = new Set<unknown>();
    for (const recording of recordings) {
      const reader = readerOf(recording);
      reader.push(bytesOf(recording));
      for (const message of reader.messages) {
        if (typeof message === 'object' && message !== null && 'kind' in message) {
          kinds.add(message.kind);
        }
      }
    }
    expect([...kinds].sort()).toEqual([
      'AppendEntriesRequest',
      'InstallSnapshotRequest',
      'RequestPreVoteRequest',
      'RequestVoteRequest',
      'TimeoutNowRequest',
    ]);
  });

  it('is read the same wherever it is cut', () => {
    let cuts = 0;
    for (const recording of recordings) {
      const bytes = startOf(recording);
      const whole = readerOf(recording);
      whole.push(bytes.slice());
      const expected = JSON.stringify(whole.messages);
      const single = readerOf(recording);
      for (const byte of bytes) single.push(new Uint8Array([byte]));
      expect(JSON.stringify(single.messages)).toBe(expected);
      for (let cut = 1; cut < bytes.length; cut += 1) {
        const reader = readerOf(recording);
        reader.push(bytes.slice(0, cut));
        reader.push(bytes.slice(cut));
        cuts += 1;
        if (JSON.stringify(reader.messages) !== expected) {
          throw new Error(`read differently when cut at ${cut} of ${bytes.length}`);
        }
      }
    }
    console.log(`${recordings.length} streams, cut at ${cuts} places`);
    expect(cuts).toBeGreaterThan(1000);
  });
});
