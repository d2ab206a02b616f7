import { stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { utf8ToString } from '../internal/bytes.ts';
import { decodeConfiguration } from '../raft/configuration-codec.ts';
import { asError, RaftError } from '../raft/errors.ts';
import { LogType } from '../raft/log.ts';
import { corrupt, decodeRecord, decodeUint64, decodeValue } from '../store/entry-codec.ts';
import { JOURNAL_FILES, type JournalContents, readJournal } from '../store/journal.ts';
import { readBlock } from '../store/log-blocks.ts';
import { type Finding, remedyFor } from './findings.ts';
import { LMDBFile } from './lmdb-file.ts';

/** Indexes of one term without a gap, both ends included. */
export interface Run {
  readonly first: number;
  last: number;
  readonly term: number;
}

/** What a store holds, as far as it can be read. */
export interface StoredLog {
  readonly entries: number;
  /** Oldest first; two neighbours differ in term or have a gap between them. */
  readonly runs: readonly Run[];
  /** Indexes whose records are damaged. */
  readonly unreadable: ReadonlySet<number>;
  /** `null` when it cannot be read. */
  readonly currentTerm: number | null;
  readonly voteTerm: number;
  /** True when the file was written while it was read. */
  readonly isInUse: boolean;
}

const FORMAT = 'quorate store 3';

type Report = (where: string, error: unknown) => void;

async function checkFormat(file: LMDBFile, report: Report): Promise<void> {
  for await (const { key, value } of file.root((text) => report('', text))) {
    if (utf8ToString(key) !== 'format') continue;
    const found = utf8ToString(value);
    if (found === FORMAT) return;
    const code = found.startsWith('quorate store ') ? 'ERR_STORE_VERSION' : 'ERR_STORE_FORMAT';
    report('', new RaftError(code, `its format is ${JSON.stringify(found)}, expected "${FORMAT}"`));
    return;
  }
  report('', new RaftError('ERR_STORE_FORMAT', 'it has no format mark: it is not a store of ours'));
}

/** The entries that were read so far. */
class Entries {
  readonly runs: Run[] = [];
  readonly unreadable = new Set<number>();
  entries = 0;
  last = 0;
  readonly #report: Report;

  constructor(report: Report) {
    this.#report = report;
  }

  add(key: Uint8Array, record: Uint8Array): void {
    this.entries += 1;
    let index = 0;
    try {
      index = decodeUint64(key, 'a key of the log');
      this.last = index;
      const { term, type, data } = decodeRecord(index, record);
      const last = this.runs.at(-1);
      if (last !== undefined && last.term === term && last.last === index - 1) last.last = index;
      else this.runs.push({ first: index, last: index, term });
      if (type === LogType.LogConfiguration) decodeConfiguration(data ?? new Uint8Array());
    } catch (error) {
      this.unreadable.add(index);
      this.#report(index === 0 ? '' : `index ${index}`, error);
    }
  }
}

/** The entries of LMDB, and behind them those that the journal has and LMDB has not. */
async function readEntries(file: LMDBFile, path: string, report: Report): Promise<Entries> {
  const entries = new Entries(report);
  for await (const { key, value } of file.database('logs', (text) => report('', text))) {
    try {
      const { records, damage } = readBlock(decodeUint64(key, 'a key of the log'), value);
      for (const pair of records) entries.add(pair.key, pair.record);
      if (damage !== null) throw corrupt('the log', damage);
    } catch (error) {
      report('', error);
    }
  }
  const journals: JournalContents[] = [];
  for (const name of JOURNAL_FILES) {
    try {
      const contents = await readJournal(join(dirname(path), name));
      if (contents !== null) journals.push(contents);
    } catch (error) {
      report('', error);
    }
  }
  for (const { writes } of journals.sort((a, b) => a.order - b.order)) {
    for (const { key, record } of writes.flatMap((records) => [...records])) {
      if (decodeUint64(key, 'a key of the journal') > entries.last) entries.add(key, record);
    }
  }
  return entries;
}

async function readTerms(file: LMDBFile, report: Report) {
  const numbers: { CurrentTerm: number | null; LastVoteTerm: number } = {
    CurrentTerm: 0,
    LastVoteTerm: 0,
  };
  for await (const { key, value } of file.database('stable', (text) => report('', text))) {
    const name = utf8ToString(key);
    const what = `stable key ${JSON.stringify(name)}`;
    try {
      const bytes = decodeValue(key, value, what);
      if (name === 'CurrentTerm' || name === 'LastVoteTerm') {
        numbers[name] = decodeUint64(bytes, what);
      }
    } catch (error) {
      report('', error);
      if (name === 'CurrentTerm') numbers.CurrentTerm = null;
    }
  }
  return { currentTerm: numbers.CurrentTerm, voteTerm: numbers.LastVoteTerm };
}

/** When the files of a journal were last written. */
async function writtenAt(path: string): Promise<string> {
  const times = JOURNAL_FILES.map((name) => stat(join(dirname(path), name)).catch(() => null));
  return (await Promise.all(times)).map((found) => found?.mtimeMs).join();
}

/**
 * Reads every record of a store and checks it; changes nothing.
 *
 * @param path the data file of LMDB
 * @param found is told of everything that is wrong
 */
export async function readLog(
  path: string,
  found: (finding: Finding) => void,
): Promise<StoredLog | null> {
  const report: Report = (where, thrown) => {
    const error = asError(thrown);
    const remedy = remedyFor(error instanceof RaftError ? error.code : '');
    found({ where: where === '' ? path : `${path}, ${where}`, what: error.message, remedy });
  };
  let file: LMDBFile;
  try {
    file = await LMDBFile.open(path);
  } catch (error) {
    report('', error);
    return null;
  }
  try {
    const before = await writtenAt(path);
    await checkFormat(file, report);
    const { entries, runs, unreadable } = await readEntries(file, path, report);
    const terms = await readTerms(file, report);
    const isInUse = (await file.hasChanged()) || (await writtenAt(path)) !== before;
    return { entries, runs, unreadable, ...terms, isInUse };
  } finally {
    await file.close();
  }
}
