import { copyBytes } from '../internal/bytes.ts';
import { Timestamp } from '../internal/timestamp.ts';
import { DAMAGE_ADVICE, RaftError } from '../raft/errors.ts';
import { isLogType, type Log, logTypeToString } from '../raft/log.ts';
import { crc32 } from './crc32.ts';
import { KEY_BYTES, RECORD_HEAD_BYTES, Records } from './records.ts';
import type { SpareMemory } from './spare-memory.ts';

/** Version of the layout below; `docs/formats.md` has the table. */
export const RECORD_VERSION = 1;

/** Version byte and checksum; the same for every record of a store. */
const ENVELOPE_BYTES = 5;
const LOG_HEADER_BYTES = 35;
const CHECKSUM = 1;
const TYPE = 5;
const FLAGS = 6;
const TERM = 7;
const SECONDS = 15;
const NANOSECONDS = 23;
const ZONE = 27;
const EXTENSIONS_LENGTH = 31;

const HAS_EXTENSIONS = 1;
const HAS_DATA = 2;
const IN_UTC = 4;
const KNOWN_FLAGS = HAS_EXTENSIONS | HAS_DATA | IN_UTC;

const TWO_TO_32 = 4_294_967_296;
/** A length has four bytes; LMDB itself allows no longer value either. */
const MAX_RECORD_BYTES = TWO_TO_32 - 1;

/** The error for bytes that are not what was written. */
export function corrupt(what: string, detail: string): RaftError {
  const text = `${what} is damaged on disk: ${detail}; ${DAMAGE_ADVICE}`;
  return new RaftError('ERR_STORE_CORRUPT', text);
}

/** Writes an integer from -2^53 to 2^53 as eight bytes, big-endian, two's complement. */
function setInt64(view: DataView, offset: number, value: number): void {
  view.setInt32(offset, Math.floor(value / TWO_TO_32));
  view.setUint32(offset + 4, value >>> 0);
}

function getInt64(view: DataView, offset: number): number {
  return view.getInt32(offset) * TWO_TO_32 + view.getUint32(offset + 4);
}

/** Eight bytes, big-endian: keys in this form sort as the numbers do. */
export function encodeUint64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  setInt64(new DataView(bytes.buffer), 0, value);
  return bytes;
}

/**
 * The number that {@link encodeUint64} made bytes of; throws `ERR_STORE_CORRUPT` for other bytes.
 */
export function decodeUint64(bytes: Uint8Array, what: string): number {
  if (bytes.length !== 8) throw corrupt(what, `a number has 8 bytes, got ${bytes.length}`);
  const value = getInt64(new DataView(bytes.buffer, bytes.byteOffset), 0);
  if (!Number.isSafeInteger(value) || value < 0) throw corrupt(what, 'a number is above 2^53-1');
  return value;
}

/** A key and what lies under it, as on disk. */
export interface Pair {
  readonly key: Uint8Array;
  readonly record: Uint8Array;
}

/**
 * Fills in version and checksum. The key is part of the sum: a record under a wrong key is found.
 */
function seal(record: Uint8Array, view: DataView, offset: number, end: number, keySum: number) {
  record[offset] = RECORD_VERSION;
  view.setUint32(offset + CHECKSUM, crc32(record, offset + ENVELOPE_BYTES, end, keySum));
}

/** Throws unless `record` has a version that is understood and the right checksum. */
function checkEnvelope(record: Uint8Array, key: Uint8Array, what: string): void {
  const version = record[0] ?? 0;
  if (version > RECORD_VERSION) {
    throw new RaftError(
      'ERR_STORE_VERSION',
      `${what} has record version ${version}, written by a newer release; ` +
        `this one understands version ${RECORD_VERSION}`,
    );
  }
  if (version !== RECORD_VERSION) throw corrupt(what, `record version ${version} does not exist`);
  if (record.length < ENVELOPE_BYTES) {
    throw corrupt(what, `expected ${ENVELOPE_BYTES} bytes or more, got ${record.length}`);
  }
  const stored = new DataView(record.buffer, record.byteOffset).getUint32(CHECKSUM);
  const actual = crc32(record, ENVELOPE_BYTES, record.length, crc32(key));
  if (stored !== actual) {
    const [is, ought] = [actual.toString(16), stored.toString(16)];
    throw corrupt(what, `expected checksum ${ought}, its bytes have ${is}`);
  }
}

/** Throws as {@link decodeRecord} does unless a record is whole and belongs to `key`. */
export function checkRecord(key: Uint8Array, record: Uint8Array): void {
  checkEnvelope(record, key, 'a record');
}

/** A stable value as it lies on disk: version, checksum, a copy of the bytes themselves. */
export function encodeValue(key: Uint8Array, value: Uint8Array): Pair {
  const record = new Uint8Array(ENVELOPE_BYTES + value.length);
  record.set(value, ENVELOPE_BYTES);
  seal(record, new DataView(record.buffer), 0, record.length, crc32(key));
  return { key: copyBytes(key), record };
}

function recordSizeBytes(log: Log): number {
  return LOG_HEADER_BYTES + (log.extensions?.length ?? 0) + (log.data?.length ?? 0);
}

function refuse(log: Log, expected: string, came: unknown): never {
  throw new RaftError(
    'ERR_INVALID_ARGUMENT',
    `log ${log.index}: ${expected} expected, got ${String(came)}`,
  );
}

/** Callers without types can pass anything; it must be refused before a byte is written. */
function checkEncodable(log: Log): void {
  const { type, data, extensions, appendedAt } = log;
  if (!isLogType(type)) refuse(log, 'type: a LogType', type);
  if (data !== null && !(data instanceof Uint8Array)) refuse(log, 'data: bytes or null', data);
  if (extensions !== null && !(extensions instanceof Uint8Array)) {
    refuse(log, 'extensions: bytes or null', extensions);
  }
  if (!(appendedAt instanceof Date) || Number.isNaN(appendedAt.getTime())) {
    refuse(log, 'appendedAt: a valid Date', appendedAt);
  }
  if (recordSizeBytes(log) > MAX_RECORD_BYTES) {
    refuse(log, `data and extensions of ${MAX_RECORD_BYTES} bytes or less`, recordSizeBytes(log));
  }
}

function writeRecord(log: Log, bytes: Uint8Array, view: DataView, offset: number): number {
  const { extensions, data } = log;
  const appendedAt = Timestamp.from(log.appendedAt);
  const zone = appendedAt.zoneOffsetSeconds;
  view.setUint8(offset + TYPE, log.type);
  view.setUint8(
    offset + FLAGS,
    (extensions === null ? 0 : HAS_EXTENSIONS) |
      (data === null ? 0 : HAS_DATA) |
      (zone === null ? IN_UTC : 0),
  );
  setInt64(view, offset + TERM, log.term);
  setInt64(view, offset + SECONDS, appendedAt.unixSeconds);
  view.setUint32(offset + NANOSECONDS, appendedAt.nanoseconds);
  view.setInt32(offset + ZONE, zone ?? 0);
  view.setUint32(offset + EXTENSIONS_LENGTH, extensions?.length ?? 0);
  let end = offset + LOG_HEADER_BYTES;
  if (extensions !== null) {
    bytes.set(extensions, end);
    end += extensions.length;
  }
  if (data !== null) {
    bytes.set(data, end);
    end += data.length;
  }
  return end;
}

/**
 * Entries as they lie on disk, in their order, but for version and checksum. `memory` is where the
 * buffer of a large write comes from. Throws `ERR_INVALID_ARGUMENT` for what is no entry.
 */
export function layOutLogs(logs: readonly Log[], memory?: SpareMemory): Records {
  let sizeBytes = 0;
  for (const log of logs) {
    checkEncodable(log);
    sizeBytes += RECORD_HEAD_BYTES + recordSizeBytes(log);
  }
  const bytes = memory?.take(sizeBytes) ?? new Uint8Array(sizeBytes);
  const view = new DataView(bytes.buffer);
  let offset = 0;
  const starts = logs.map((log) => {
    const key = offset;
    const start = key + RECORD_HEAD_BYTES;
    setInt64(view, key, log.index);
    offset = writeRecord(log, bytes, view, start);
    view.setUint32(key + KEY_BYTES, offset - start);
    return key;
  });
  return new Records(bytes, starts);
}

/** Entries as they lie on disk, in their order; see {@link layOutLogs}. */
export function encodeLogs(logs: readonly Log[], memory?: SpareMemory): Records {
  const records = layOutLogs(logs, memory);
  const { bytes } = records;
  const view = new DataView(bytes.buffer);
  let end = 0;
  for (let at = 0; at < records.length; at += 1) {
    const start = end + RECORD_HEAD_BYTES;
    const keySum = crc32(bytes, end, end + KEY_BYTES);
    end = start + records.sizeAt(at);
    seal(bytes, view, start, end, keySum);
  }
  return records;
}

/**
 * The entry that a record holds. `data` and `extensions` are views of `record`, which therefore
 * must belong to the caller.
 *
 * Throws `ERR_STORE_VERSION` for a record of a newer release and `ERR_STORE_CORRUPT` for one that
 * is damaged; both name the index.
 */
export function decodeRecord(index: number, record: Uint8Array): Log {
  checkEnvelope(record, encodeUint64(index), `log ${index}`);
  return readRecord(index, record);
}

/** What {@link decodeRecord} does, of a record that has neither version nor checksum. */
export function readRecord(index: number, record: Uint8Array): Log {
  const what = `log ${index}`;
  if (record.length < LOG_HEADER_BYTES) {
    throw corrupt(what, `expected ${LOG_HEADER_BYTES} bytes or more, got ${record.length}`);
  }
  const view = new DataView(record.buffer, record.byteOffset, record.length);
  const type = view.getUint8(TYPE);
  const flags = view.getUint8(FLAGS);
  if (!isLogType(type)) throw corrupt(what, `entry type ${logTypeToString(type)} does not exist`);
  if ((flags & ~KNOWN_FLAGS) !== 0) throw corrupt(what, `flags ${flags} do not exist`);
  const term = getInt64(view, TERM);
  if (!Number.isSafeInteger(term) || term < 0) throw corrupt(what, `term ${term} is out of range`);
  const dataStart = LOG_HEADER_BYTES + view.getUint32(EXTENSIONS_LENGTH);
  if (dataStart > record.length) throw corrupt(what, 'its extensions reach beyond its end');
  const zone = (flags & IN_UTC) === 0 ? view.getInt32(ZONE) : null;
  return {
    index,
    term,
    type,
    extensions: (flags & HAS_EXTENSIONS) === 0 ? null : part(record, LOG_HEADER_BYTES, dataStart),
    data: (flags & HAS_DATA) === 0 ? null : part(record, dataStart, record.length),
    appendedAt: new Timestamp(getInt64(view, SECONDS), view.getUint32(NANOSECONDS), zone),
  };
}

/** A plain view: `subarray` of a Node `Buffer` would be a `Buffer` again. */
function part(record: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(record.buffer, record.byteOffset + start, end - start);
}

/** The bytes that a stable record holds, as a view of it; throws as {@link decodeRecord} does. */
export function decodeValue(key: Uint8Array, record: Uint8Array, what: string): Uint8Array {
  checkEnvelope(record, key, what);
  return part(record, ENVELOPE_BYTES, record.length);
}
