import { utf8ToString } from '../internal/bytes.ts';
import { decodeConfiguration } from '../raft/configuration-codec.ts';
import { asError, RaftError } from '../raft/errors.ts';
import { LogType } from '../raft/log.ts';
import { decodeRecord, decodeUint64, decodeValue } from '../store/entry-codec.ts';
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

const FORMAT = 'quorate store 1';

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

async function readEntries(file: LMDBFile, report: Report) {
  const runs: Run[] = [];
  const unreadable = new Set<number>();
  let entries = 0;
  for await (const { key, value } of file.database('logs', (text) => report('', text))) {
    entries += 1;
    let index = 0;
    try {
      index = decodeUint64(key, 'a key of the log');
      const { term, type, data } = decodeRecord(index, value);
      const last = runs.at(-1);
      if (last !== undefined && last.term === term && last.last === index - 1) last.last = index;
      else runs.push({ first: index, last: index, term });
      if (type === LogType.LogConfiguration) decodeConfiguration(data ?? new Uint8Array());
    } catch (error) {
      unreadable.add(index);
      report(index === 0 ? '' : `index ${index}`, error);
    }
  }
  return { entries, runs, unreadable };
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
    await checkFormat(file, report);
    const log = await readEntries(file, report);
    const terms = await readTerms(file, report);
    return { ...log, ...terms, isInUse: await file.hasChanged() };
  } finally {
    await file.close();
  }
}
