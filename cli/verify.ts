import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { RaftError } from '../raft/errors.ts';
import { type Finding, REMEDIES, remedyFor } from './findings.ts';
import { readLog, type StoredLog } from './read-log.ts';
import { readSnapshots, type StoredSnapshots } from './read-snapshots.ts';

const DATA_FILE = 'data.mdb';
const SNAPSHOTS = 'snapshots';

/** What is said about a data directory. */
export interface Verdict {
  readonly isGood: boolean;
  readonly lines: readonly string[];
}

/** The command cannot begin: what was given is no data directory, or a node has it open. */
export class NotADataDirectory extends Error {}

interface Places {
  readonly stores: readonly string[];
  readonly snapshots: string | null;
}

/** A data directory has its store in itself or one level below, and its snapshots beside. */
async function findPlaces(directory: string): Promise<Places> {
  let names: string[];
  try {
    names = await readdir(directory);
  } catch {
    throw new NotADataDirectory(`expected a directory, got ${directory}`);
  }
  const stores: string[] = [];
  for (const path of [DATA_FILE, ...names.map((name) => join(name, DATA_FILE))]) {
    const found = await stat(join(directory, path)).catch(() => null);
    if (found?.isFile() === true) stores.push(join(directory, path));
  }
  const snapshots = names.includes(SNAPSHOTS) ? join(directory, SNAPSHOTS) : null;
  if (stores.length > 1) {
    throw new NotADataDirectory(`expected one store below ${directory}, got ${stores.join(', ')}`);
  }
  if (stores.length === 0 && snapshots === null) {
    throw new NotADataDirectory(
      `expected ${DATA_FILE} or ${SNAPSHOTS} in ${directory} or below it, found neither`,
    );
  }
  return { stores, snapshots };
}

/** What must hold between the entries of a log, and between them and the current term. */
function checkOrder(path: string, log: StoredLog, covered: number): Finding[] {
  const found: Finding[] = [];
  const add = (where: string, what: string) =>
    found.push({ where: `${path}, ${where}`, what, remedy: 'replace-node' });
  log.runs.forEach((run, at) => {
    const before = log.runs[at - 1];
    if (before === undefined) return;
    const missing: number[] = [];
    for (let index = before.last + 1; index < run.first; index += 1) {
      if (index > covered && !log.unreadable.has(index)) missing.push(index);
      if (missing.length > 1) break;
    }
    if (missing.length > 0) {
      add(`index ${missing[0]}`, `missing: the log goes on at ${run.first}, no snapshot covers it`);
    }
    if (run.term < before.term) {
      add(`index ${run.first}`, `its term ${run.term} is below ${before.term}, the term before it`);
    }
  });
  const lastTerm = Math.max(0, ...log.runs.map(({ term }) => term));
  // What is compared with a term that cannot be read is not wrong because of that.
  const currentTerm = log.currentTerm ?? Number.POSITIVE_INFINITY;
  if (currentTerm < lastTerm) {
    add('CurrentTerm', `term ${currentTerm} is below ${lastTerm}, the term of an entry`);
  }
  if (log.voteTerm > currentTerm) {
    add('LastVoteTerm', `term ${log.voteTerm} is ahead of the current term ${currentTerm}`);
  }
  return found;
}

/** What must hold between the log and the newest whole snapshot. */
function checkFit(path: string, log: StoredLog, snapshots: StoredSnapshots): Finding[] {
  const found: Finding[] = [];
  const add = (where: string, what: string) =>
    found.push({ where: `${path}, ${where}`, what, remedy: 'replace-node' });
  const newest = snapshots.good[0];
  const first = log.runs[0]?.first ?? 0;
  const covered = newest?.index ?? 0;
  if (first > covered + 1 && !log.unreadable.has(covered + 1)) {
    const until =
      newest === undefined ? 'there is no whole snapshot' : `snapshots end at ${covered}`;
    add(`index ${covered + 1}`, `missing: the log starts at ${first}, and ${until}`);
  }
  if (newest === undefined) return found;
  if (log.currentTerm !== null && log.currentTerm < newest.term) {
    const what = `term ${log.currentTerm} is below ${newest.term}, the term of ${newest.id}`;
    add('CurrentTerm', what);
  }
  const behind = log.runs.find(({ last }) => last > covered);
  if (behind !== undefined && behind.term < newest.term) {
    const index = Math.max(behind.first, covered + 1);
    add(`index ${index}`, `its term ${behind.term} is below ${newest.term} of ${newest.id}`);
  }
  return found;
}

/** Whether the node can start from an older snapshot without the damaged ones. */
function remedyOfSnapshot(error: Error, log: StoredLog | null, { good }: StoredSnapshots) {
  if (error instanceof RaftError && remedyFor(error.code) === 'newer-release') {
    return 'newer-release' as const;
  }
  const first = log?.runs[0]?.first ?? Number.POSITIVE_INFINITY;
  const covered = good[0]?.index ?? 0;
  return first <= covered + 1 ? ('drop-snapshot' as const) : ('replace-node' as const);
}

function linesOf(findings: readonly Finding[]): string[] {
  const remedies = new Set(findings.map(({ remedy }) => remedy));
  return [
    ...findings.map(({ where, what }) => `bad: ${where}: ${what}`),
    ...[...remedies].map((remedy) => `do: ${REMEDIES[remedy]}`),
  ];
}

function describe(log: StoredLog | null, { good, bad, unfinished }: StoredSnapshots): string[] {
  const first = log?.runs[0]?.first ?? 0;
  const last = log?.runs.at(-1)?.last ?? 0;
  const term = log?.currentTerm ?? 'unknown';
  return [
    ...(log === null
      ? []
      : [`log: ${log.entries} entries, ${first} to ${last}; current term ${term}`]),
    `snapshots: ${good.length} whole, ${bad.length} damaged, ${unfinished.length} unfinished`,
  ];
}

/**
 * Reads a data directory and says what is wrong with it. Nothing is changed.
 *
 * @throws NotADataDirectory when there is nothing to read, or a node writes to it
 */
export async function verify(directory: string): Promise<Verdict> {
  const places = await findPlaces(directory);
  const findings: Finding[] = [];
  const snapshots: StoredSnapshots =
    places.snapshots === null
      ? { good: [], bad: [], unfinished: [] }
      : await readSnapshots(places.snapshots);
  const [path] = places.stores;
  const log = path === undefined ? null : await readLog(path, (one) => findings.push(one));
  if (log?.isInUse === true) {
    throw new NotADataDirectory(`a node writes to ${directory}: stop it first`);
  }
  for (const { path: where, error } of snapshots.bad) {
    const remedy = remedyOfSnapshot(error, log, snapshots);
    findings.push({ where, what: error.message, remedy });
  }
  if (path !== undefined && log !== null) {
    findings.push(...checkOrder(path, log, snapshots.good[0]?.index ?? 0));
    findings.push(...checkFit(path, log, snapshots));
  }
  const isGood = findings.length === 0;
  const lines = [...describe(log, snapshots), ...linesOf(findings), ...(isGood ? ['ok'] : [])];
  return { isGood, lines };
}
