import { SECONDS_FROM_YEAR_ONE_TO_UNIX_EPOCH, Timestamp, ZERO_TIME } from '../timestamp.ts';
import { MsgpackError } from './error.ts';

/** How far a `Date` reaches from the epoch, in seconds; Go's times reach further. */
const MAX_DATE_SECONDS = 8.64e12;
/** Go's mark of a time that was taken in UTC. */
const UTC_ZONE = { minutes: -1, seconds: 0 };

function checked(seconds: number, nanoseconds: number, zone: number | null): Timestamp {
  if (!(Math.abs(seconds) < MAX_DATE_SECONDS)) {
    throw new MsgpackError(
      `expected a time within ${MAX_DATE_SECONDS} seconds of 1970, got ${seconds}`,
    );
  }
  if (nanoseconds > 999_999_999) {
    throw new MsgpackError(`expected at most 999999999 nanoseconds, got ${nanoseconds}`);
  }
  return new Timestamp(seconds, nanoseconds, zone);
}

/** Encoded times are copied out at once, so that none of them needs memory of its own. */
const scratch = new Uint8Array(16);
const scratchView = new DataView(scratch.buffer);
const scratchOf = new Map([4, 8, 12, 15, 16].map((size) => [size, scratch.subarray(0, size)]));

/** The time whose binary form lies in the scratch: a leader gives many entries the same one. */
let encodedLast: Timestamp | null = null;
let encodedSize: 15 | 16 = 15;

function written(size: 4 | 8 | 12 | 15 | 16): Uint8Array {
  return scratchOf.get(size) ?? scratch;
}

function writeSeconds(at: number, seconds: number): void {
  scratchView.setInt32(at, Math.floor(seconds / 2 ** 32));
  scratchView.setUint32(at + 4, (seconds % 2 ** 32) >>> 0);
}

function readUint32(bytes: Uint8Array, at: number): number {
  const high = ((bytes[at] ?? 0) << 24) | ((bytes[at + 1] ?? 0) << 16);
  return (high | ((bytes[at + 2] ?? 0) << 8) | (bytes[at + 3] ?? 0)) >>> 0;
}

function readSeconds(bytes: Uint8Array, at: number): number {
  return (readUint32(bytes, at) | 0) * 2 ** 32 + readUint32(bytes, at + 4);
}

/** Zone bytes: whole minutes, and seconds beyond them. Go refuses the minute that means UTC. */
function splitZone(offsetSeconds: number): { minutes: number; seconds: number } {
  const minutes = Math.trunc(offsetSeconds / 60);
  if (minutes === UTC_ZONE.minutes || Math.abs(minutes) > 32_767) {
    throw new MsgpackError(
      `expected a zone offset that is not minute -1 and within 32767, got ${offsetSeconds} seconds`,
    );
  }
  return { minutes, seconds: offsetSeconds - minutes * 60 };
}

/**
 * Go's `Time.MarshalBinary`: 15 bytes, or 16 when the zone is not a whole number of minutes. What
 * raft writes unless it is told otherwise. The result is valid until the next call.
 */
export function encodeBinaryTime(time: Timestamp): Uint8Array {
  if (time === encodedLast) return written(encodedSize);
  const offset = time.zoneOffsetSeconds;
  const zone = offset === null ? UTC_ZONE : splitZone(offset);
  const size = zone.seconds === 0 ? 15 : 16;
  scratchView.setUint8(0, size - 14);
  writeSeconds(1, time.unixSeconds + SECONDS_FROM_YEAR_ONE_TO_UNIX_EPOCH);
  scratchView.setUint32(9, time.nanoseconds);
  scratchView.setInt16(13, zone.minutes);
  scratchView.setInt8(15, zone.seconds);
  encodedLast = time;
  encodedSize = size;
  return written(size);
}

/**
 * The newer form of 4, 8 or 12 bytes, which knows no zone; `null` stands for Go's zero time. The
 * result is valid until the next call.
 */
export function encodeCompactTime(time: Timestamp): Uint8Array | null {
  if (time.isZero) return null;
  encodedLast = null;
  const seconds = time.unixSeconds;
  const nanoseconds = time.nanoseconds;
  if (seconds < 0 || seconds >= 2 ** 34) {
    scratchView.setUint32(0, nanoseconds);
    writeSeconds(4, seconds);
    return written(12);
  }
  if (nanoseconds === 0 && seconds < 2 ** 32) {
    scratchView.setUint32(0, seconds);
    return written(4);
  }
  scratchView.setUint32(0, nanoseconds * 4 + Math.floor(seconds / 2 ** 32));
  scratchView.setUint32(4, seconds % 2 ** 32);
  return written(8);
}

function decodeBinaryTime(bytes: Uint8Array, at: number, size: 15 | 16): Timestamp {
  const version = bytes[at] ?? 0;
  if (version !== size - 14) {
    throw new MsgpackError(`expected time version 1 in 15 bytes or 2 in 16, got ${version}`);
  }
  const minutes = (((bytes[at + 13] ?? 0) << 24) >> 16) | (bytes[at + 14] ?? 0);
  const seconds = size === 16 ? ((bytes[at + 15] ?? 0) << 24) >> 24 : 0;
  const isUtc = size === 15 && minutes === UTC_ZONE.minutes;
  const offset = minutes * 60 + seconds;
  // A zone that could not be written again would stop a later leader from replicating the entry.
  if (!isUtc) splitZone(offset);
  return checked(
    readSeconds(bytes, at + 1) - SECONDS_FROM_YEAR_ONE_TO_UNIX_EPOCH,
    readUint32(bytes, at + 9),
    isUtc ? null : offset,
  );
}

/** The bytes that were read last and their time: neighbouring entries mostly have the same. */
const decodedBytes = new Uint8Array(16);
let decodedSize: number | null = null;
let decodedLast = ZERO_TIME;

function isDecodedLast(bytes: Uint8Array, at: number, size: number): boolean {
  if (size !== decodedSize) return false;
  for (let i = 0; i < size; i += 1) if (bytes[at + i] !== decodedBytes[i]) return false;
  return true;
}

/** The moment that the `size` bytes at `at` stand for, in either form. */
export function decodeTime(bytes: Uint8Array, at: number, size: number): Timestamp {
  if (isDecodedLast(bytes, at, size)) return decodedLast;
  const time = decodeAnew(bytes, at, size);
  decodedBytes.set(bytes.subarray(at, at + size));
  decodedSize = size;
  decodedLast = time;
  return time;
}

function decodeAnew(bytes: Uint8Array, at: number, size: number): Timestamp {
  switch (size) {
    case 4:
      return checked(readUint32(bytes, at), 0, null);
    case 8: {
      const high = readUint32(bytes, at);
      return checked((high & 3) * 2 ** 32 + readUint32(bytes, at + 4), high >>> 2, null);
    }
    case 12:
      return checked(readSeconds(bytes, at + 4), readUint32(bytes, at), null);
    case 15:
    case 16:
      return decodeBinaryTime(bytes, at, size);
    default:
      throw new MsgpackError(`expected a time of 4, 8, 12, 15 or 16 bytes, got ${size}`);
  }
}
