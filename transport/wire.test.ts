import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { concatBytes } from '../internal/bytes.ts';
import { Decoder } from '../internal/msgpack/decode.ts';
import { Encoder } from '../internal/msgpack/encode.ts';
import { MsgpackError } from '../internal/msgpack/error.ts';
import { Timestamp } from '../internal/timestamp.ts';
import type { Log } from '../raft/log.ts';
import {
  AppendEntriesRequest,
  AppendEntriesResponse,
  InstallSnapshotRequest,
  RequestPreVoteRequest,
  RequestVoteRequest,
  RequestVoteResponse,
  type RPCRequest,
  TimeoutNowRequest,
} from '../raft/messages.ts';
import { ReceiveBuffer } from './receive-buffer.ts';
import { writeAll } from './stream-layer.ts';
import {
  decodeRequest,
  encodeParts,
  encodeRequest,
  readAnswer,
  readAppendEntriesResponse,
  readRequestVoteResponse,
  VALUES_PER_REPLY,
  writeAnswer,
} from './wire.ts';

const bytes = (...values: number[]) => new Uint8Array(values);
const rpcHeader = { protocolVersion: 3, id: bytes(1, 2), addr: bytes(3) };

function entry(index: number, data: Uint8Array | null): Log {
  const appendedAt = new Timestamp(1_700_000_000, 5, 3600);
  return { index, term: 2, type: 0, data, extensions: null, appendedAt };
}

const requests: RPCRequest[] = [
  new AppendEntriesRequest({
    rpcHeader,
    term: 300,
    leader: bytes(),
    prevLogEntry: 70_000,
    prevLogTerm: 2,
    leaderCommitIndex: 2 ** 40,
    entries: [entry(1, bytes(1, 2, 3)), entry(2, null), entry(3, new Uint8Array(300).fill(7))],
  }),
  new AppendEntriesRequest({ rpcHeader, term: 1, entries: [] }),
  new RequestVoteRequest({ rpcHeader, term: 9, candidate: bytes(4), leadershipTransfer: true }),
  new RequestPreVoteRequest({ rpcHeader, term: 9, lastLogIndex: 200 }),
  new InstallSnapshotRequest({ rpcHeader, term: 9, peers: bytes(0x90), size: 40_000 }),
  new TimeoutNowRequest({ rpcHeader }),
];

function frame(request: RPCRequest): { type: number; struct: Uint8Array } {
  const encoded = encodeRequest(request);
  return { type: encoded[0] ?? -1, struct: encoded.slice(1) };
}

describe('a request', () => {
  it.each(requests.map((r) => [r.kind, r] as const))('%s is read as it was written', (_k, r) => {
    const { type, struct } = frame(r);
    const buffer = new ReceiveBuffer();
    buffer.push(struct);
    const decoder = buffer.takeValues(1) ?? expect.fail('not complete');
    expect(decodeRequest(type, decoder)).toEqual(r);
  });

  it.each(requests.map((r) => [r.kind, r] as const))('%s may be cut anywhere', (_kind, r) => {
    const { type, struct } = frame(r);
    const behind = bytes(0x99, 0x98);
    for (let cut = 0; cut <= struct.length; cut += 1) {
      const buffer = new ReceiveBuffer();
      buffer.push(struct.slice(0, cut));
      let decoder = buffer.takeValues(1);
      if (cut < struct.length) expect(decoder).toBeNull();
      else expect(decodeRequest(type, decoder ?? expect.fail('not complete'))).toEqual(r);
      buffer.push(new Uint8Array([...struct.slice(cut), ...behind]));
      if (cut < struct.length) {
        decoder = buffer.takeValues(1);
        expect(decodeRequest(type, decoder ?? expect.fail('not complete'))).toEqual(r);
      }
      expect(buffer.takeBytes(9)).toEqual(behind);
    }
  });

  it('with a negative snapshot size is refused', () => {
    const to = new Encoder();
    to.mapHeader(1);
    to.string('Size');
    to.int(-1);
    const buffer = new ReceiveBuffer();
    buffer.push(to.finish());
    const decoder = buffer.takeValues(1) ?? expect.fail('not complete');
    expect(() => decodeRequest(2, decoder)).toThrow('Size: expected 0 bytes or more, got -1');
  });

  it('with an unknown log type or too many entries is refused', () => {
    const request = (entries: (to: Encoder) => void): Decoder => {
      const to = new Encoder();
      to.mapHeader(1);
      to.string('Entries');
      entries(to);
      const buffer = new ReceiveBuffer();
      buffer.push(to.finish());
      return buffer.takeValues(1) ?? expect.fail('not complete');
    };
    const badType = request((to) => {
      to.arrayHeader(1);
      to.arrayHeader(3);
      for (const value of [1, 1, 6]) to.uint(value);
    });
    expect(() => decodeRequest(0, badType)).toThrow(
      'Entries: Type: expected a log type of 0 to 5, got 6',
    );
    const tooMany = request((to) => {
      to.arrayHeader(65_537);
      for (let i = 0; i < 65_537; i += 1) to.nil();
    });
    expect(() => decodeRequest(0, tooMany)).toThrow('Entries: expected at most 65536 elements');
  });

  it('of an unknown type is refused', () => {
    expect(() => decodeRequest(5, new Decoder(bytes(0x80)))).toThrow('unknown rpc type 5');
  });

  it('writes its entries once: no byte of them is moved to make room', () => {
    const data = new Uint8Array(100_000);
    const request = new AppendEntriesRequest({
      rpcHeader,
      entries: Array.from({ length: 8 }, (_, i) => entry(i, data)),
    });
    const set = vi.spyOn(Uint8Array.prototype, 'set');
    try {
      encodeRequest(request);
      const moved = set.mock.calls.reduce((sum, [source]) => sum + source.length, 0);
      expect(moved).toBeLessThan(8 * data.length + 10_000);
    } finally {
      set.mockRestore();
    }
  });
});

describe('a large request in small chunks', () => {
  it('is copied a bounded number of times', () => {
    const { type, struct } = frame(
      new AppendEntriesRequest({ rpcHeader, entries: [entry(1, new Uint8Array(8 * 1024 * 1024))] }),
    );
    const buffer = new ReceiveBuffer();
    const set = vi.spyOn(Uint8Array.prototype, 'set');
    try {
      let decoder: Decoder | null = null;
      for (let at = 0; at < struct.length; at += 65_536) {
        buffer.push(struct.subarray(at, at + 65_536));
        decoder = buffer.takeValues(1);
      }
      const moved = set.mock.calls.reduce((sum, [source]) => sum + source.length, 0);
      expect(moved).toBeLessThan(4 * struct.length);
      const request = decodeRequest(type, decoder ?? expect.fail('not complete'));
      expect(request.kind === 'AppendEntriesRequest' && request.entries?.[0]?.data?.length).toBe(
        8 * 1024 * 1024,
      );
    } finally {
      set.mockRestore();
    }
  });

  it('leaves entries that own exactly their bytes', () => {
    const { type, struct } = frame(
      new AppendEntriesRequest({ entries: [entry(1, bytes(1, 2, 3)), entry(2, bytes())] }),
    );
    const buffer = new ReceiveBuffer();
    buffer.push(struct);
    const request = decodeRequest(type, buffer.takeValues(1) ?? expect.fail('not complete'));
    struct.fill(0xff);
    expect(request.kind === 'AppendEntriesRequest' && request.entries?.[0]?.data).toEqual(
      bytes(1, 2, 3),
    );
    const data = request.kind === 'AppendEntriesRequest' ? request.entries?.[0]?.data : null;
    expect(data?.buffer.byteLength).toBe(3);
  });
});

describe('entries that go to more than one follower', () => {
  const logs = [entry(1, bytes(1, 2)), entry(2, null), entry(3, bytes(3))];
  const of = (entries: readonly Log[] | null, leader = bytes(7)): RPCRequest =>
    new AppendEntriesRequest({
      rpcHeader,
      term: 3,
      leader,
      prevLogEntry: 0,
      prevLogTerm: 0,
      entries,
      leaderCommitIndex: 0,
    });
  const afresh = (request: RPCRequest, format?: 'compact') => {
    encodeRequest(of([entry(9, bytes(9))]));
    return encodeRequest(request, format);
  };

  it.each<[string, RPCRequest, 'compact' | undefined]>([
    ['the same entries', of([...logs], bytes(8)), undefined],
    ['one more', of([...logs, entry(4, null)]), undefined],
    ['one less', of(logs.slice(0, 2)), undefined],
    [
      'another one in the middle',
      of([...logs.slice(0, 1), entry(2, bytes(5)), ...logs.slice(2)]),
      undefined,
    ],
    ['none', of([]), undefined],
    ['nil', of(null), undefined],
    ['the same entries, times in the other format', of([...logs]), 'compact'],
  ])('are written as if each were the first: %s', (_, second, format) => {
    const expected = afresh(second, format);
    const sent = [...logs];
    const first = encodeRequest(of(sent));
    const firstBytes = first.slice();
    expect(encodeRequest(second, format)).toEqual(expected);
    expect(first).toEqual(firstBytes);
    // The list may be used again for other entries; what was sent of it is not.
    sent[1] = entry(2, bytes(6));
    expect(encodeRequest(of(sent))).toEqual(afresh(of(sent)));
  });
});

describe('a request in parts', () => {
  const large = new Uint8Array(9000).fill(7);
  const newRequest = () =>
    new AppendEntriesRequest({
      rpcHeader,
      term: 3,
      entries: [entry(1, bytes(1)), entry(2, large), entry(3, null), entry(4, large)],
      leaderCommitIndex: 9,
    });

  it('is the same bytes, one part behind the other', () => {
    const request = newRequest();
    const whole = encodeRequest(newRequest());
    expect(concatBytes([...encodeParts(request, 'binary')])).toEqual(whole);
    // What a second follower gets does not depend on what the first one got.
    expect(concatBytes([...encodeParts(request, 'binary')])).toEqual(whole);
    expect(encodeRequest(request)).toEqual(whole);
  });

  it('copies the data of no large entry', () => {
    expect(encodeParts(newRequest(), 'binary').filter((part) => part === large)).toHaveLength(2);
    const small = new AppendEntriesRequest({ entries: [entry(1, bytes(1))] });
    expect(encodeParts(small, 'binary')).toEqual([encodeRequest(small)]);
  });

  it('is for a second follower the bytes of the first, not a copy of them', () => {
    const logs = Array.from({ length: 100 }, (_, i) => entry(i + 1, new Uint8Array(200).fill(i)));
    const requestFor = (id: Uint8Array) =>
      new AppendEntriesRequest({ rpcHeader: { ...rpcHeader, id }, term: 3, entries: [...logs] });
    const expected = encodeRequest(requestFor(bytes(2)), 'compact');
    encodeRequest(new AppendEntriesRequest({ entries: [entry(1, bytes(1))] }));
    const [first] = encodeParts(requestFor(bytes(1)), 'compact');
    const second = encodeParts(requestFor(bytes(2)), 'compact');
    expect(second).toHaveLength(3);
    expect(second[1]?.buffer).toBe(first?.buffer);
    expect(concatBytes([...second])).toEqual(expected);
  });

  it('asks a stream that takes one chunk at a time for each of them', () => {
    const sent: Uint8Array[] = [];
    const stream = { write: (chunk: Uint8Array) => sent.push(chunk) !== 2 };
    const parts = [bytes(1), bytes(2), bytes(3)];
    expect(writeAll(stream, parts)).toBe(false);
    expect(sent).toEqual(parts);
  });
});

describe('an answer', () => {
  function written(response: Parameters<typeof writeAnswer>[1]): ReceiveBuffer {
    const to = new Encoder(4);
    writeAnswer(to, response);
    const buffer = new ReceiveBuffer();
    buffer.push(to.finish());
    return buffer;
  }

  it('keeps the text of an error to the letter (S190)', () => {
    const error = new Error('100%d of it: ünïcode %!s(MISSING)');
    const decoder = written({ error, response: null }).takeValues(VALUES_PER_REPLY);
    const answer = readAnswer(decoder ?? expect.fail(), readRequestVoteResponse);
    expect(answer.error).toMatchObject({ message: error.message, code: 'ERR_REMOTE' });
  });

  it('without a response is one of zero values', () => {
    const decoder = written({ error: null, response: null }).takeValues(VALUES_PER_REPLY);
    const answer = readAnswer(decoder ?? expect.fail(), readRequestVoteResponse);
    expect(answer).toEqual({ error: null, response: new RequestVoteResponse({}) });
  });

  it('is complete only with its response', () => {
    const response = new AppendEntriesResponse({ term: 4, lastLog: 90, success: true });
    const all = written({ error: null, response }).takeBytes(1000);
    const buffer = new ReceiveBuffer();
    for (const byte of all.subarray(0, -1)) {
      buffer.push(bytes(byte));
      expect(buffer.takeValues(VALUES_PER_REPLY)).toBeNull();
    }
    buffer.push(all.slice(-1));
    const decoder = buffer.takeValues(VALUES_PER_REPLY) ?? expect.fail('not complete');
    expect(readAnswer(decoder, readAppendEntriesResponse)).toEqual({ error: null, response });
  });
});

describe('damaged bytes', () => {
  /** Reads all it can; the only way to fail is the codec's own error. */
  function readAll(type: number, damaged: Uint8Array, chunk: number): void {
    const buffer = new ReceiveBuffer();
    try {
      for (let at = 0; at < damaged.length; at += chunk) {
        buffer.push(damaged.slice(at, at + chunk));
        for (let d = buffer.takeValues(1); d !== null; d = buffer.takeValues(1)) {
          decodeRequest(type, d);
          if (buffer.length === 0) break;
        }
      }
    } catch (error) {
      if (!(error instanceof MsgpackError)) throw error;
    }
    expect(buffer.length).toBeLessThanOrEqual(damaged.length);
  }

  it('give the codec error or a message, never anything else', () => {
    const change = fc.record({ at: fc.nat(2000), to: fc.nat(255), drop: fc.nat(3) });
    fc.assert(
      fc.property(
        fc.constantFrom(...requests),
        fc.array(change, { minLength: 1, maxLength: 5 }),
        fc.integer({ min: 1, max: 700 }),
        (request, changes, chunk) => {
          const { type, struct } = frame(request);
          let damaged = [...struct];
          for (const { at, to, drop } of changes) {
            damaged.splice(at % damaged.length, drop, to);
            if (damaged.length === 0) damaged = [to];
          }
          readAll(type, new Uint8Array(damaged), chunk);
        },
      ),
      { numRuns: 5000 },
    );
  });

  it('of any kind give the codec error or a message', () => {
    fc.assert(
      fc.property(fc.nat(4), fc.uint8Array({ minLength: 1, maxLength: 200 }), (type, garbage) =>
        readAll(type, garbage, 7),
      ),
      { numRuns: 5000 },
    );
  });
});
