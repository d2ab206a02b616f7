import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { concatBytes, copyBytes, utf8 } from '../internal/bytes.ts';
import { Timestamp, ZERO_TIME } from '../internal/timestamp.ts';
import { type Log, LogType } from '../raft/log.ts';
import {
  decodeRecord,
  decodeUint64,
  decodeValue,
  encodeLogs,
  encodeUint64,
  encodeValue,
} from './entry-codec.ts';

const SAMPLE: Log = {
  index: 7,
  term: 3,
  type: LogType.LogCommand,
  data: utf8('set x=1'),
  extensions: null,
  appendedAt: new Timestamp(1_700_000_000, 123_456_789, 3600),
};

function recordOf(log: Log): Uint8Array {
  const [pair] = encodeLogs([log]);
  if (pair === undefined) throw new Error('no record');
  return copyBytes(pair.record);
}

/** The two worked examples of the document, as pairs of key and record. */
function documentedExamples(): string[][] {
  const text = readFileSync(new URL('../docs/formats.md', import.meta.url), 'utf8');
  return [...text.matchAll(/^ {4}key +(.*)\n {4}record +(.*(?:\n {12}.*)*)/gm)].map((found) =>
    found.slice(1).map((hex) => hex.replace(/\s+/g, '')),
  );
}

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');

const body = fc.option(fc.uint8Array({ maxLength: 300 }), { nil: null });
const anyLog: fc.Arbitrary<Log> = fc.record({
  index: fc.maxSafeNat().map((n) => Math.max(n, 1)),
  term: fc.maxSafeNat(),
  type: fc.constantFrom(...Object.values(LogType)),
  data: body,
  extensions: body,
  appendedAt: fc
    .tuple(
      fc.integer({ min: -62_135_596_800, max: 253_402_300_799 }),
      fc.integer({ min: 0, max: 999_999_999 }),
      fc.option(fc.integer({ min: -86_400, max: 86_400 }), { nil: null }),
    )
    .map(([seconds, nanoseconds, zone]) => new Timestamp(seconds, nanoseconds, zone)),
});

describe('encodeLogs and decodeRecord', () => {
  it('write the examples of docs/formats.md', () => {
    const [pair] = encodeLogs([SAMPLE]);
    const value = encodeValue(utf8('CurrentTerm'), encodeUint64(3));
    expect([pair, value].map((p) => [hex(p?.key ?? utf8('')), hex(p?.record ?? utf8(''))])).toEqual(
      documentedExamples(),
    );
  });

  it('give back what they took, for any entries', () => {
    fc.assert(
      fc.property(fc.array(anyLog, { maxLength: 5 }), (logs) => {
        const pairs = [...encodeLogs(logs)];
        const back = pairs.map(({ key, record }) => decodeRecord(decodeUint64(key, 'key'), record));
        expect(back).toEqual(logs);
        for (const [i, { appendedAt }] of back.entries()) {
          expect(appendedAt.nanoseconds).toBe(logs[i]?.appendedAt.nanoseconds);
          expect(appendedAt.zoneOffsetSeconds).toBe(logs[i]?.appendedAt.zoneOffsetSeconds);
          expect(appendedAt.unixSeconds).toBe(logs[i]?.appendedAt.unixSeconds);
        }
      }),
    );
  });

  it('tell null from empty', () => {
    const empty = new Uint8Array(0);
    for (const data of [null, empty]) {
      for (const extensions of [null, empty]) {
        expect(decodeRecord(7, recordOf({ ...SAMPLE, data, extensions }))).toMatchObject({
          data,
          extensions,
        });
      }
    }
  });

  it('give plain byte arrays, also from a Buffer', () => {
    const { data } = decodeRecord(7, Buffer.from(recordOf(SAMPLE)));
    expect(Object.getPrototypeOf(data)).toBe(Uint8Array.prototype);
    expect(data).toEqual(SAMPLE.data);
  });

  it('find every flipped bit and every lost byte, and name the index', () => {
    const record = recordOf(SAMPLE);
    for (let bit = 0; bit < record.length * 8; bit += 1) {
      const damaged = copyBytes(record);
      damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(() => decodeRecord(7, damaged)).toThrow(/^log 7 /);
    }
    for (let length = 0; length < record.length; length += 1) {
      expect(() => decodeRecord(7, record.subarray(0, length))).toThrow(
        /^log 7 is damaged on disk/,
      );
    }
  });

  it('find a record that lies under another index', () => {
    expect(() => decodeRecord(8, recordOf(SAMPLE))).toThrow(
      expect.objectContaining({
        code: 'ERR_STORE_CORRUPT',
        message: expect.stringMatching(/^log 8 .*checksum/),
      }),
    );
  });

  it('refuse a newer record by naming both versions, before looking at its checksum', () => {
    const newer = recordOf(SAMPLE);
    newer[0] = 2;
    expect(() => decodeRecord(7, newer)).toThrow(
      expect.objectContaining({
        code: 'ERR_STORE_VERSION',
        message:
          'log 7 has record version 2, written by a newer release; this one understands version 1',
      }),
    );
  });

  it('refuse sealed nonsense: a type, flags or lengths that do not exist', () => {
    const key = encodeUint64(7);
    const sealed = (change: (inner: Uint8Array) => void, length = 40) => {
      const inner = recordOf(SAMPLE).slice(5, length);
      change(inner);
      return encodeValue(key, inner).record;
    };
    const cases: [RegExp, Uint8Array][] = [
      [/entry type 9 does not exist/, sealed((inner) => inner.fill(9, 0, 1))],
      [/flags 255 do not exist/, sealed((inner) => inner.fill(255, 1, 2))],
      [/term .* is out of range/, sealed((inner) => inner.fill(255, 2, 10))],
      [/extensions reach beyond its end/, sealed((inner) => inner.fill(255, 26, 30))],
      [/expected 35 bytes or more, got 34/, sealed(() => {}, 34)],
    ];
    for (const [message, record] of cases) {
      expect(() => decodeRecord(7, record)).toThrow(
        expect.objectContaining({
          code: 'ERR_STORE_CORRUPT',
          message: expect.stringMatching(message),
        }),
      );
    }
  });

  it('refuse what callers without types may pass', () => {
    const cases: [RegExp, object][] = [
      [/type: a LogType expected, got 6/, { type: 6 }],
      [/data: bytes or null expected, got text/, { data: 'text' }],
      [/extensions: bytes or null expected, got undefined/, { extensions: undefined }],
      [/appendedAt: a valid Date expected, got Invalid Date/, { appendedAt: new Date(Number.NaN) }],
      [/appendedAt: a valid Date expected, got null/, { appendedAt: null }],
    ];
    for (const [message, change] of cases) {
      expect(() => encodeLogs([SAMPLE, Object.assign({ ...SAMPLE }, change)])).toThrow(
        expect.objectContaining({
          code: 'ERR_INVALID_ARGUMENT',
          message: expect.stringMatching(message),
        }),
      );
    }
  });

  it('keep a Date that is no Timestamp to the millisecond, in UTC', () => {
    const log = Object.assign({ ...SAMPLE }, { appendedAt: new Date(-1) });
    const { appendedAt } = decodeRecord(7, recordOf(log));
    expect(appendedAt).toMatchObject({ nanoseconds: 999_000_000, zoneOffsetSeconds: null });
    expect(decodeRecord(7, recordOf({ ...SAMPLE, appendedAt: ZERO_TIME })).appendedAt.isZero).toBe(
      true,
    );
  });
});

describe('encodeUint64', () => {
  it('sorts as the numbers do and is given back', () => {
    const numbers = [0, 1, 255, 256, 2 ** 32 - 1, 2 ** 32, 2 ** 52 + 1, Number.MAX_SAFE_INTEGER];
    const encoded = numbers.map(encodeUint64);
    expect(encoded.map((bytes) => decodeUint64(bytes, 'n'))).toEqual(numbers);
    expect(encoded.map(hex)).toEqual(encoded.map(hex).sort());
  });

  it('does not read what is no number below 2^53', () => {
    expect(() => decodeUint64(utf8('short'), 'term')).toThrow(/^term .* has 8 bytes, got 5/);
    const big = concatBytes([Uint8Array.of(0, 32), new Uint8Array(6)]);
    expect(() => decodeUint64(big, 'term')).toThrow(/^term .* above 2\^53-1/);
  });
});

describe('decodeValue', () => {
  it('finds a value that is damaged, newer, or under another key', () => {
    const { key, record } = encodeValue(utf8('k'), utf8('value'));
    expect(decodeValue(key, record, 'k')).toEqual(utf8('value'));
    expect(() => decodeValue(utf8('l'), record, 'l')).toThrow(
      /^l is damaged on disk: expected checksum/,
    );
    record[7] = 0;
    expect(() => decodeValue(key, record, 'k')).toThrow(/^k is damaged on disk: expected checksum/);
    record[0] = 3;
    expect(() => decodeValue(key, record, 'k')).toThrow(/^k has record version 3/);
    expect(() => decodeValue(key, new Uint8Array(0), 'k')).toThrow(/record version 0 does not/);
  });
});
