import { SECONDS_FROM_YEAR_ONE_TO_UNIX_EPOCH, Timestamp, ZERO_TIME } from '../timestamp.ts';
import { MsgpackError } from './error.ts';

/** How far a `Date` reaches from the epoch, in seconds; Go's times reach further. */
const MAX_DATE_SECONDS = 8.64e12;
/** Go's mark, in minutes, of a time that was taken in UTC. */
const UTC_MARK_MINUTES = -1;

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

function readSeconds(view: DataView, at: number): number {
  return view.getInt32(at) * 4_294_967_296 + view.getUint32(at + 4);
}

function writeSeconds(view: DataView, at: number, seconds: number): void {
  view.setInt32(at, Math.floor(seconds / 4_294_967_296));
  view.setUint32(at + 4, (seconds % 4_294_967_296) >>> 0);
}

/** Zone bytes: whole minutes, and seconds beyond them. Go refuses the minute that means UTC. */
function splitZone(offsetSeconds: number): { minutes: number; seconds: number } {
  const minutes = Math.trunc(offsetSeconds / 60);
  if (minutes === UTC_MARK_MINUTES || Math.abs(minutes) > 32_767) {
    throw new MsgpackError(
      `expected a zone offset that is not minute -1 and within 32767, got ${offsetSeconds} seconds`,
    );
  }
  return { minutes, seconds: offsetSeconds - minutes * 60 };
}

/**
 * Go's `Time.MarshalBinary`: 15 bytes, or 16 when the zone is not a whole number of minutes. What
 * raft writes unless it is told otherwise.
 */
export function encodeBinaryTime(time: Timestamp): Uint8Array {
  const zone =
    time.zoneOffsetSeconds === null
      ? { minutes: UTC_MARK_MINUTES, seconds: 0 }
      : splitZone(time.zoneOffsetSeconds);
  const bytes = new Uint8Array(zone.seconds === 0 ? 15 : 16);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, zone.seconds === 0 ? 1 : 2);
  writeSeconds(view, 1, time.unixSeconds + SECONDS_FROM_YEAR_ONE_TO_UNIX_EPOCH);
  view.setUint32(9, time.nanoseconds);
  view.setInt16(13, zone.minutes);
  if (zone.seconds !== 0) view.setInt8(15, zone.seconds);
  return bytes;
}

/** The newer form of 4, 8 or 12 bytes, which knows no zone; `null` stands for Go's zero time. */
export function encodeCompactTime(time: Timestamp): Uint8Array | null {
  if (time.isZero) return null;
  const seconds = time.unixSeconds;
  const nanoseconds = time.nanoseconds;
  const isShort = seconds >= 0 && seconds < 2 ** 34;
  if (isShort && nanoseconds === 0 && seconds < 2 ** 32) {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, seconds);
    return bytes;
  }
  const bytes = new Uint8Array(isShort ? 8 : 12);
  const view = new DataView(bytes.buffer);
  if (isShort) {
    view.setUint32(0, nanoseconds * 4 + Math.floor(seconds / 2 ** 32));
    view.setUint32(4, seconds % 2 ** 32);
  } else {
    view.setUint32(0, nanoseconds);
    writeSeconds(view, 4, seconds);
  }
  return bytes;
}

function decodeBinaryTime(view: DataView): Timestamp {
  const version = view.getUint8(0);
  if (version !== view.byteLength - 14) {
    throw new MsgpackError(
      `expected time version 1 in 15 bytes or 2 in 16, got ${version} in ${view.byteLength}`,
    );
  }
  const minutes = view.getInt16(13);
  const offset = minutes * 60 + (version === 2 ? view.getInt8(15) : 0);
  const isUtc = version === 1 && minutes === UTC_MARK_MINUTES;
  // A zone that could not be written again would stop a later leader from replicating the entry.
  if (!isUtc) splitZone(offset);
  return checked(
    readSeconds(view, 1) - SECONDS_FROM_YEAR_ONE_TO_UNIX_EPOCH,
    view.getUint32(9),
    isUtc ? null : offset,
  );
}

/** The moment that bytes of either form stand for; no bytes are Go's zero time. */
export function decodeTime(bytes: Uint8Array | null): Timestamp {
  if (bytes === null) return ZERO_TIME;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (bytes.byteLength) {
    case 4:
      return checked(view.getUint32(0), 0, null);
    case 8: {
      const high = view.getUint32(0);
      return checked((high & 3) * 2 ** 32 + view.getUint32(4), high >>> 2, null);
    }
    case 12:
      return checked(readSeconds(view, 4), view.getUint32(0), null);
    case 15:
    case 16:
      return decodeBinaryTime(view);
    default:
      throw new MsgpackError(`expected a time of 4, 8, 12, 15 or 16 bytes, got ${bytes.length}`);
  }
}
