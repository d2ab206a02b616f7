import { write } from 'node:fs';
import { constants, type FileHandle, open, readFile } from 'node:fs/promises';
import { platform } from 'node:process';
import { assert } from '../internal/assert.ts';
import { bytesEqual, utf8 } from '../internal/bytes.ts';
import { DAMAGE_ADVICE, RaftError } from '../raft/errors.ts';
import { crc32 } from './crc32.ts';
import { checkRecord, decodeUint64 } from './entry-codec.ts';
import { KEY_BYTES, RECORD_HEAD_BYTES, Records } from './records.ts';

/** Names of the files: while one of them is brought into LMDB, the other takes writes. */
export const JOURNAL_FILES = ['journal-0', 'journal-1'] as const;

/** The unit that a disk writes whole or not at all; a frame begins with one. */
const SECTOR_BYTES = 512;

/** The first sector of a file: what it is, its place among the files, its life, a checksum. */
const FILE_MARK = utf8('quorate journal 2\n');
const ORDER = 24;
const LIFE = 32;
const HEADER_SUM = 40;

/** A frame: mark, checksum of the rest of its head, life of the file, sector, bytes of records. */
const FRAME_MARK = 0x5152_4a46;
const FRAME_SUM = 4;
const FRAME_LIFE = 8;
const FRAME_SECTOR = 16;
const FRAME_LENGTH = 20;
const FRAME_HEAD_BYTES = 24;

const ZEROS_BYTES = 256 << 10;
const FULL_CODES: readonly unknown[] = ['ENOSPC', 'EDQUOT', 'EFBIG'];
/** Elsewhere the flag does not exist, or leaves the bytes in the cache of the drive. */
const WRITES_THROUGH = platform === 'linux';

/** What a file of the journal holds that counts. */
export interface JournalContents {
  /** Files are read in this order; 0 for a file that was never used. */
  readonly order: number;
  /** One for each write, in their order. */
  readonly writes: readonly Records[];
}

function sectorsOf(bytes: number): number {
  return Math.ceil(bytes / SECTOR_BYTES);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function corrupt(path: string, detail: string): RaftError {
  const text = `the journal ${path} is damaged on disk: ${detail}; ${DAMAGE_ADVICE}`;
  return new RaftError('ERR_STORE_CORRUPT', text);
}

/** How many sectors a write takes in a journal. */
function frameSectors(parts: readonly Records[]): number {
  let length = FRAME_HEAD_BYTES;
  for (const { bytes } of parts) length += bytes.length;
  return sectorsOf(length);
}

/** The bytes of one file, to be read. */
class Reading {
  readonly #path: string;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #life = 0n;

  constructor(path: string, bytes: Uint8Array) {
    this.#path = path;
    this.#bytes = bytes;
    this.#view = viewOf(bytes);
  }

  contents(): JournalContents {
    if (isBlank(this.#bytes)) return { order: 0, writes: [] };
    const mark = this.#bytes.subarray(0, FILE_MARK.length);
    if (!bytesEqual(mark, FILE_MARK)) throw corrupt(this.#path, 'it does not begin as a journal');
    const sum = crc32(this.#bytes, 0, HEADER_SUM);
    if (sum !== this.#view.getUint32(HEADER_SUM)) {
      throw corrupt(this.#path, 'its first sector has another checksum');
    }
    this.#life = this.#view.getBigUint64(LIFE);
    const order = decodeUint64(this.#bytes.subarray(ORDER, ORDER + 8), 'order of a journal');
    const writes: Records[] = [];
    let sector = 1;
    for (let length = this.#lengthAt(sector); length > 0; length = this.#lengthAt(sector)) {
      const found = this.#recordsAt(sector, length);
      if (found === null) break;
      writes.push(found);
      sector += sectorsOf(FRAME_HEAD_BYTES + length);
    }
    this.#checkNothingBehind(sector);
    return { order, writes };
  }

  /** Bytes of the records of the frame that begins at `sector`; 0 when none does. */
  #lengthAt(sector: number): number {
    const at = sector * SECTOR_BYTES;
    if (at + SECTOR_BYTES > this.#bytes.length) return 0;
    const isFrame =
      this.#view.getUint32(at) === FRAME_MARK &&
      this.#view.getBigUint64(at + FRAME_LIFE) === this.#life &&
      this.#view.getUint32(at + FRAME_SECTOR) === sector &&
      this.#view.getUint32(at + FRAME_SUM) ===
        crc32(this.#bytes, at + FRAME_LIFE, at + FRAME_HEAD_BYTES);
    const length = isFrame ? this.#view.getUint32(at + FRAME_LENGTH) : 0;
    return at + FRAME_HEAD_BYTES + length > this.#bytes.length ? 0 : length;
  }

  /** The records of a frame; `null` when one of them is not what was written. */
  #recordsAt(sector: number, length: number): Records | null {
    const start = sector * SECTOR_BYTES + FRAME_HEAD_BYTES;
    const bytes = this.#bytes.subarray(start, start + length);
    const view = viewOf(bytes);
    const starts: number[] = [];
    let at = 0;
    while (at + RECORD_HEAD_BYTES <= length) {
      const record = at + RECORD_HEAD_BYTES;
      const end = record + view.getUint32(at + KEY_BYTES);
      if (end > length) return null;
      const key = bytes.subarray(at, at + KEY_BYTES);
      try {
        checkRecord(key, bytes.subarray(record, end));
      } catch {
        return null;
      }
      decodeUint64(key, 'a key of the journal');
      starts.push(at);
      at = end;
    }
    return at === length ? new Records(bytes, starts) : null;
  }

  /**
   * One write is under way at a time, so only the last frame can be torn: a whole one behind a
   * broken one says that something was lost that had been acknowledged.
   */
  #checkNothingBehind(broken: number): void {
    const sectors = this.#bytes.length / SECTOR_BYTES;
    for (let sector = broken; sector < sectors; sector += 1) {
      const length = this.#lengthAt(sector);
      if (length === 0 || (sector === broken && this.#recordsAt(sector, length) === null)) continue;
      const at = broken * SECTOR_BYTES;
      throw corrupt(this.#path, `what begins at byte ${at} does not read, and more follows`);
    }
  }
}

/** A new file could not be made as long as it is to be. */
export class NoRoomForJournal extends Error {}

function isBlank(bytes: Uint8Array): boolean {
  return bytes.subarray(0, SECTOR_BYTES).every((byte) => byte === 0);
}

async function fillWithZeros(file: FileHandle, path: string, sizeBytes: number): Promise<void> {
  const zeros = new Uint8Array(ZEROS_BYTES);
  try {
    for (let at = 0; at < sizeBytes; ) {
      const length = Math.min(ZEROS_BYTES, sizeBytes - at);
      const { bytesWritten } = await file.write(zeros, 0, length, at);
      at += bytesWritten;
    }
    await file.sync();
  } catch (error) {
    const isFull = error instanceof Error && 'code' in error && FULL_CODES.includes(error.code);
    throw isFull ? new NoRoomForJournal(`no room for ${path}`, { cause: error }) : error;
  }
}

/** One system call; `FileHandle.write` makes room for the figures of a `stat` each time. */
function writeOnce(
  { fd }: FileHandle,
  bytes: Uint8Array,
  offset: number,
  length: number,
  position: number,
): Promise<number> {
  return new Promise((resolve, reject) => {
    write(fd, bytes, offset, length, position, (error, bytesWritten) => {
      if (error === null) resolve(bytesWritten);
      else reject(error);
    });
  });
}

/** What a file of the journal holds, for those who only look; `null` when there is none. */
export async function readJournal(path: string): Promise<JournalContents | null> {
  try {
    return new Reading(path, new Uint8Array(await readFile(path))).contents();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

/**
 * A file of fixed size that writes are appended to, each with one wait for the disk: the file is
 * filled with zeros when it is made, so that a write changes nothing but its own bytes.
 */
export class JournalFile {
  readonly #file: FileHandle;
  readonly #sectors: number;
  #buffer = new Uint8Array(0);
  #life = 0n;
  #next: number;

  private constructor(file: FileHandle, sectors: number) {
    this.#file = file;
    this.#sectors = sectors;
    this.#next = sectors;
  }

  /** Opens a file, or makes it with `sizeBytes`, and reads what is in it. */
  static async open(path: string, sizeBytes: number): Promise<[JournalFile, JournalContents]> {
    const { O_RDWR, O_CREAT, O_DSYNC } = constants;
    const flags = O_RDWR | O_CREAT | (WRITES_THROUGH ? O_DSYNC : 0);
    const file = await open(path, flags, 0o666);
    try {
      let bytes = new Uint8Array(await readFile(path));
      // A file whose making was cut short has no header yet; one of another release may be smaller.
      if (bytes.length < sizeBytes && isBlank(bytes)) {
        await fillWithZeros(file, path, sizeBytes);
        bytes = new Uint8Array(sizeBytes);
      }
      const journal = new JournalFile(file, Math.floor(bytes.length / SECTOR_BYTES));
      return [journal, new Reading(path, bytes).contents()];
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  /** True when a write fits behind the others. */
  hasRoomFor(parts: readonly Records[]): boolean {
    return this.#next + frameSectors(parts) <= this.#sectors;
  }

  /** Begins a new life, in which the file is empty. Resolves when that is on the disk. */
  async reset(order: number, life: bigint): Promise<void> {
    const header = new Uint8Array(SECTOR_BYTES);
    const view = viewOf(header);
    header.set(FILE_MARK);
    view.setBigUint64(ORDER, BigInt(order));
    view.setBigUint64(LIFE, life);
    view.setUint32(HEADER_SUM, crc32(header, 0, HEADER_SUM));
    await this.#write(header, SECTOR_BYTES, 0);
    this.#life = life;
    this.#next = 1;
  }

  /** Writes records behind the others. Resolves when they are on the disk. One at a time. */
  async append(parts: readonly Records[]): Promise<void> {
    assert(this.hasRoomFor(parts), 'a write to a file of the journal must fit into it');
    const sectors = frameSectors(parts);
    const bytes = this.#frame(parts, sectors);
    await this.#write(bytes, sectors * SECTOR_BYTES, this.#next * SECTOR_BYTES);
    this.#next += sectors;
  }

  /** Closes the file. Nothing may be under way. */
  close(): Promise<void> {
    return this.#file.close();
  }

  #frame(parts: readonly Records[], sectors: number): Uint8Array {
    const size = sectors * SECTOR_BYTES;
    if (this.#buffer.length < size) this.#buffer = new Uint8Array(2 * size);
    const bytes = this.#buffer;
    const view = viewOf(bytes);
    let at = FRAME_HEAD_BYTES;
    for (const part of parts) {
      bytes.set(part.bytes, at);
      at += part.bytes.length;
    }
    bytes.fill(0, at, size);
    view.setUint32(0, FRAME_MARK);
    view.setBigUint64(FRAME_LIFE, this.#life);
    view.setUint32(FRAME_SECTOR, this.#next);
    view.setUint32(FRAME_LENGTH, at - FRAME_HEAD_BYTES);
    view.setUint32(FRAME_SUM, crc32(bytes, FRAME_LIFE, FRAME_HEAD_BYTES));
    return bytes;
  }

  async #write(bytes: Uint8Array, length: number, position: number): Promise<void> {
    for (let done = 0; done < length; ) {
      done += await writeOnce(this.#file, bytes, done, length - done, position + done);
    }
    if (!WRITES_THROUGH) await this.#file.datasync();
  }
}
