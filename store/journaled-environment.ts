import { randomFillSync } from 'node:crypto';
import { readdir, rm, statfs } from 'node:fs/promises';
import { join } from 'node:path';
import { assert } from '../internal/assert.ts';
import { asError } from '../raft/errors.ts';
import type { IndexRange } from './block-reader.ts';
import { syncDirectory } from './data-files.ts';
import { decodeRecord } from './entry-codec.ts';
import {
  JOURNAL_FILES,
  type JournalContents,
  JournalFile,
  NoRoomForJournal,
  readJournal,
} from './journal.ts';
import type { Environment, LMDBEnvironment, Transaction } from './lmdb-environment.ts';
import { openError, writeError } from './lmdb-errors.ts';
import { countOf, findRecord, type Records, sizeOf } from './records.ts';

/** Bytes of a file. What a crash leaves in both is read at the next start. */
const FILE_BYTES = 8 << 20;
/** Records of a file, which are kept in memory: small ones weigh more there than on the disk. */
const MOST_RECORDS = 16_384;
/** A new journal is made where there is room for so many of its files. */
const LEAST_FREE_FILES = 16;
/** A larger write goes to LMDB at once: to write it twice costs more than to wait twice. */
const MOST_JOURNALED = { bytes: 768 << 10, entries: 2048 };
/** What one transaction brings into LMDB: about three milliseconds of this thread. */
const MOST_MOVED = { bytes: 1 << 20, entries: 2048 };

/** A file of the journal, and the writes in it that LMDB does not have yet, in ascending order. */
interface Volume {
  readonly file: JournalFile;
  readonly writes: Records[];
  count: number;
}

async function hasJournal(path: string): Promise<boolean> {
  const names: readonly string[] = await readdir(path);
  return JOURNAL_FILES.some((name) => names.includes(name));
}

/** True when a file of the journal has had records. */
async function wasUsed(path: string): Promise<boolean> {
  for (const name of JOURNAL_FILES) {
    const contents = await readJournal(join(path, name));
    if (contents !== null && contents.order > 0) return true;
  }
  return false;
}

/** True when there is so much room that two files of a journal are not missed. */
async function hasRoom(path: string, fileBytes: number): Promise<boolean> {
  const { bavail, bsize } = await statfs(path);
  return bavail * bsize >= LEAST_FREE_FILES * fileBytes;
}

function newLife(): bigint {
  const [life = 1n] = randomFillSync(new BigUint64Array(1));
  return life;
}

/** True for a write that no journal takes. */
export function isTooLargeForJournal(logs: readonly Records[]): boolean {
  return countOf(logs) > MOST_JOURNALED.entries || sizeOf(logs) > MOST_JOURNALED.bytes;
}

/** The writes from `start` on that one transaction brings into LMDB: one at least. */
function takeMoved(writes: readonly Records[], start: number): readonly Records[] {
  let bytes = 0;
  let entries = 0;
  let end = start;
  for (; end < writes.length; end += 1) {
    bytes += writes[end]?.sizeBytes ?? 0;
    entries += writes[end]?.length ?? 0;
    const isTooMuch = bytes > MOST_MOVED.bytes || entries > MOST_MOVED.entries;
    if (isTooMuch && end > start) break;
  }
  return writes.slice(start, end);
}

/**
 * LMDB waits for the disk twice in every commit. What is appended to the log goes to a journal
 * instead, which waits once, is kept in memory, and is brought into LMDB in large transactions
 * behind the callers' backs. All other transactions go to LMDB.
 *
 * A crash leaves records in the journal; they are brought into LMDB when the environment is opened.
 * What LMDB has at that time is not brought in again: before anything is deleted at the end of the
 * log, both files are emptied, so the journal never has what was deleted.
 */
export class JournaledEnvironment implements Environment {
  readonly path: string;
  readonly #inner: LMDBEnvironment;
  #active: Volume;
  #spare: Volume;
  #order: number;
  #failure: Error | null = null;
  /** Brings the records of the spare file into LMDB; resolves also when that fails. */
  #movement: Promise<void> = Promise.resolve();

  private constructor(inner: LMDBEnvironment, files: readonly [JournalFile, JournalFile]) {
    this.path = inner.path;
    this.#inner = inner;
    const [active, spare] = files;
    this.#active = { file: active, writes: [], count: 0 };
    this.#spare = { file: spare, writes: [], count: 0 };
    this.#order = 0;
  }

  /**
   * Brings what a crash has left in the journal of `inner` into it; `null` when there is no journal
   * and no room for one.
   */
  static async open(
    inner: LMDBEnvironment,
    fileBytes = FILE_BYTES,
  ): Promise<JournaledEnvironment | null> {
    const opened: JournalFile[] = [];
    const found: JournalContents[] = [];
    try {
      const { path } = inner;
      if (!(await hasJournal(path)) && !(await hasRoom(path, fileBytes))) return null;
      for (const name of JOURNAL_FILES) {
        const [file, contents] = await JournalFile.open(join(inner.path, name), fileBytes);
        opened.push(file);
        found.push(contents);
      }
      await syncDirectory(inner.path);
      const [first, second] = opened;
      assert(first !== undefined && second !== undefined, 'two files were opened');
      const environment = new JournaledEnvironment(inner, [first, second]);
      await environment.#recover(found);
      return environment;
    } catch (error) {
      for (const file of opened) await file.close();
      if (!(error instanceof NoRoomForJournal) || (await wasUsed(inner.path))) {
        throw openError(error, inner.path);
      }
      for (const name of JOURNAL_FILES) await rm(join(inner.path, name), { force: true });
      return null;
    }
  }

  /** Brings what a crash has left in a journal into `inner`, which goes on without one. */
  static async absorb(inner: LMDBEnvironment): Promise<void> {
    if (!(await hasJournal(inner.path))) return;
    const environment = await JournaledEnvironment.open(inner);
    if (environment !== null) await environment.#closeFiles();
  }

  /** A copy of the record of the log at `index` that no later call changes. */
  readLog(index: number): Uint8Array | undefined {
    const record = this.#journaled(index);
    return record === undefined ? this.#inner.readLog(index) : record.slice();
  }

  /** A copy of a stable value's record that no later call changes. */
  readValue(key: Uint8Array, what: string): Uint8Array | undefined {
    return this.#inner.readValue(key, what);
  }

  /** Indexes of logs that are stored, in order. */
  logIndexes(range: IndexRange): number[] {
    const inner = this.#inner.logIndexes(range);
    const { start, end = Number.MAX_SAFE_INTEGER, reverse = false, limit } = range;
    // All that the journal has lies behind it.
    if (!reverse && inner.length === limit) return inner;
    // While records move they may be in both.
    const above = inner.at(reverse ? 0 : -1) ?? 0;
    const low = reverse ? above + 1 : Math.max(above + 1, start ?? 0);
    const high = reverse ? (start ?? Number.MAX_SAFE_INTEGER) : end - 1;
    const news = this.#journaledIndexes(low, high);
    const all = reverse ? [...news.reverse(), ...inner] : [...inner, ...news];
    return limit === undefined ? all : all.slice(0, limit);
  }

  /** Where the first block begins that begins at `index` or above. */
  blockFrom(index: number): number | undefined {
    return this.#inner.blockFrom(index);
  }

  /** Performs a transaction. Resolves when it is on the disk, rejects when nothing of it counts. */
  async commit(transaction: Transaction): Promise<void> {
    if (this.#failure !== null) throw this.#failure;
    if (this.#isForJournal(transaction)) return this.#append(transaction.logs);
    if (!this.#leavesJournalAlone(transaction)) await this.#empty();
    // What is deleted must not be left in a file whose records have just been moved.
    if (transaction.cut !== null) await this.#moved();
    await this.#inner.commit(transaction);
  }

  /** Closes the files. Nothing may be under way. */
  async close(): Promise<void> {
    if (this.#failure === null) await this.#empty().catch(() => {});
    await this.#movement;
    await this.#closeFiles();
    await this.#inner.close();
  }

  async #closeFiles(): Promise<void> {
    for (const { file } of [this.#active, this.#spare]) await file.close();
  }

  #isForJournal({ clear, cut, logs, overwritten, values }: Transaction): boolean {
    if (clear || cut !== null || values.length > 0 || overwritten !== null) return false;
    return logs.length > 0 && !isTooLargeForJournal(logs);
  }

  /** Values, and deletions of what LMDB has, touch nothing of the journal. */
  #leavesJournalAlone({ clear, cut, logs }: Transaction): boolean {
    if (clear || logs.length > 0) return false;
    if (this.#active.count + this.#spare.count === 0) return true;
    if (cut === null) return true;
    return this.#journaledIndexes(cut.min, cut.max).length === 0;
  }

  #journaledIndexes(low: number, high: number): number[] {
    const found: number[] = [];
    for (const { writes } of [this.#spare, this.#active]) {
      for (const records of writes) {
        for (let at = records.positionOf(low); at < records.length; at += 1) {
          const index = records.indexAt(at);
          if (index > high) break;
          found.push(index);
        }
      }
    }
    return found;
  }

  #journaled(index: number): Uint8Array | undefined {
    return findRecord(this.#active.writes, index) ?? findRecord(this.#spare.writes, index);
  }

  async #append(logs: readonly Records[]): Promise<void> {
    const { file, count } = this.#active;
    if (!file.hasRoomFor(logs) || count >= MOST_RECORDS) await this.#turnOver();
    try {
      await this.#active.file.append(logs);
    } catch (thrown) {
      this.#failure = await writeError(thrown, this.path, sizeOf(logs));
      throw this.#failure;
    }
    this.#active.writes.push(...logs);
    this.#active.count += countOf(logs);
  }

  /** The other file takes writes from here on, and what is in this one goes to LMDB. */
  async #turnOver(): Promise<void> {
    await this.#moved();
    [this.#active, this.#spare] = [this.#spare, this.#active];
    this.#movement = this.#move(this.#spare).catch((error: unknown) => {
      this.#failure = asError(error);
    });
  }

  /** Resolves when nothing is on its way into LMDB; rejects when that has failed. */
  async #moved(): Promise<void> {
    await this.#movement;
    if (this.#failure !== null) throw this.#failure;
  }

  async #move(volume: Volume): Promise<void> {
    if (volume.count === 0) return;
    await this.#bringIn(volume.writes);
    volume.writes.length = 0;
    volume.count = 0;
    await this.#begin(volume.file);
  }

  /** A file may hold so many small entries that one transaction of them would halt heartbeats. */
  async #bringIn(writes: readonly Records[]): Promise<void> {
    for (let at = 0; at < writes.length; ) {
      const logs = takeMoved(writes, at);
      at += logs.length;
      await this.#inner.commit({ clear: false, cut: null, logs, overwritten: null, values: [] });
    }
  }

  async #begin(file: JournalFile): Promise<void> {
    this.#order += 1;
    await file.reset(this.#order, newLife());
  }

  /** Brings everything into LMDB. */
  async #empty(): Promise<void> {
    await this.#movement;
    if (this.#active.count > 0) await this.#turnOver();
    await this.#moved();
  }

  async #recover(found: readonly JournalContents[]): Promise<void> {
    let last = this.#inner.logIndexes({ reverse: true, limit: 1 })[0] ?? 0;
    // By this index it is told what of the journal is new, and the rest of it is gone then.
    const top = this.#inner.readLog(last);
    if (top !== undefined && found.some(({ writes }) => writes.length > 0)) decodeRecord(last, top);
    const news: Records[] = [];
    for (const { order, writes } of [...found].sort((a, b) => a.order - b.order)) {
      this.#order = Math.max(this.#order, order);
      for (const write of writes) {
        const records = write.from(last + 1);
        if (records.length === 0) continue;
        news.push(records);
        last = records.indexAt(records.length - 1);
      }
    }
    await this.#bringIn(news);
    for (const { file } of [this.#active, this.#spare]) await this.#begin(file);
  }
}
