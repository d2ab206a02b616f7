import type { Clock } from '../../internal/clock.ts';
import { decodeConfiguration, decodePeers } from '../configuration-codec.ts';
import type { Vote } from '../core/effect.ts';
import type { Self } from '../core/node.ts';
import { type Configurations, type InitialState, noConfigurations } from '../core/node.ts';
import { TermIndex } from '../core/term-index.ts';
import { asError, ErrLogNotFound, RaftError } from '../errors.ts';
import type { FSM } from '../fsm.ts';
import { isMonotonicStore, isRangeReading, type Log, type LogStore, LogType } from '../log.ts';
import type { Logger } from '../logger.ts';
import type { SnapshotMeta, SnapshotStore } from '../snapshot.ts';
import {
  KEY_CURRENT_TERM,
  KEY_LAST_VOTE_CANDIDATE,
  KEY_LAST_VOTE_TERM,
  readBytes,
  readUint64,
  type StableStore,
} from '../stable.ts';
import { checkedStores } from './checked-stores.ts';
import { readTermIndex } from './read-term-index.ts';
import { fieldsOf, restoreFsm } from './restore-fsm.ts';
import type { Telemetry } from './telemetry.ts';

/** What a node is started from. */
export interface Sources {
  readonly logs: LogStore;
  readonly stable: StableStore;
  /** True when one store is both. */
  readonly isOneStore?: boolean;
  readonly snaps: SnapshotStore;
  readonly fsm: FSM;
  readonly self: Self;
  readonly log: Logger;
  /** False for an FSM that keeps its own state. */
  readonly restoreSnapshot: boolean;
  readonly telemetry?: Telemetry;
  readonly clock?: Clock;
}

/** Entries read at a time when looking for configurations. */
const SCAN_ENTRIES = 1024;
const SCAN_BYTES = 8 * 1024 * 1024;

function damaged(text: string): RaftError {
  return new RaftError('ERR_STATE_DAMAGED', text);
}

function missing(index: number, last: number): RaftError {
  return damaged(`the log has no entry ${index}, although it goes on to ${last}`);
}

/**
 * Reads what a node was when it last stopped, and makes it durable before it is used (rule 5): a
 * kill can leave writes that are visible and not synced. Go: the first half of `NewRaft`.
 */
export async function readInitialState(sources: Sources): Promise<InitialState> {
  const { logs, stable } = sources;
  const { currentTerm, vote } = await readHardState(stable);
  const lastIndex = await endOf(logs);
  const lastLog = lastIndex > 0 ? await lastEntry(logs, lastIndex) : null;
  await syncEverything(sources, currentTerm, lastLog);

  const snapshot = await restoreNewestSnapshot(sources);
  const snapshotIndex = snapshot?.index ?? 0;
  const snapshotTerm = snapshot?.term ?? 0;
  let terms = await readTermIndex(logs, snapshotIndex);
  if (!fitsSnapshot(terms, snapshotIndex, snapshotTerm)) {
    await logs.deleteRange(terms.firstIndex, terms.lastIndex);
    terms = new TermIndex();
  }
  const lastTerm = Math.max(terms.lastTerm, snapshotTerm);
  if (currentTerm < lastTerm) {
    throw damaged(
      `current term ${currentTerm} is below ${lastTerm}, the term of the last entry or snapshot: ` +
        'the stable store does not belong to this log',
    );
  }
  const configurations = await readConfigurations(sources, terms, snapshot);
  return { currentTerm, vote, terms, snapshotIndex, snapshotTerm, configurations };
}

async function readHardState(
  stable: StableStore,
): Promise<{ readonly currentTerm: number; readonly vote: Vote | null }> {
  try {
    const currentTerm = await readUint64(stable, KEY_CURRENT_TERM);
    const term = await readUint64(stable, KEY_LAST_VOTE_TERM);
    const candidate = await readBytes(stable, KEY_LAST_VOTE_CANDIDATE);
    const vote = term > 0 && candidate !== null ? { term, candidate } : null;
    // A vote is saved with or after its term, so one from the future was never given by this node.
    if (vote !== null && vote.term > currentTerm) {
      throw damaged(`the vote of term ${vote.term} is ahead of the current term ${currentTerm}`);
    }
    return { currentTerm, vote };
  } catch (error) {
    if (error instanceof RaftError) throw error;
    const cause = asError(error);
    throw new RaftError('ERR_STARTUP', `failed to load current term: ${cause.message}`, { cause });
  }
}

async function endOf(logs: LogStore): Promise<number> {
  try {
    return await logs.lastIndex();
  } catch (error) {
    if (error instanceof RaftError) throw error;
    const cause = asError(error);
    throw new RaftError('ERR_STARTUP', `failed to find last log: ${cause.message}`, { cause });
  }
}

async function lastEntry(logs: LogStore, index: number): Promise<Log> {
  try {
    return await logs.getLog(index);
  } catch (error) {
    const cause = asError(error);
    const text = `failed to get last log at index ${index}: ${cause.message}`;
    throw new RaftError('ERR_STARTUP', text, { cause });
  }
}

/**
 * One synced write to every store before anything rests on what was read. The term goes back as Go
 * does; a separate log store gets its last entry back, unless it takes no entry twice.
 */
async function syncEverything(
  { logs, stable, isOneStore = Object.is(logs, stable) }: Sources,
  currentTerm: number,
  lastLog: Log | null,
): Promise<void> {
  await stable.setUint64(KEY_CURRENT_TERM, currentTerm);
  if (lastLog !== null && !isOneStore && !isMonotonicStore(logs)) {
    await logs.storeLogs([lastLog]);
  }
}

/** Gives the newest snapshot that can be read to the FSM. */
async function restoreNewestSnapshot(sources: Sources): Promise<SnapshotMeta | null> {
  const { snaps, fsm, log } = sources;
  const list = await snaps.list();
  for (const meta of list) {
    if (!sources.restoreSnapshot) return meta;
    const fields = fieldsOf(meta);
    try {
      const opened = await snaps.open(meta.id);
      log.info(fields, 'starting restore from snapshot');
      await restoreFsm(fsm, opened, sources);
      log.info(fields, 'restored from snapshot');
      return meta;
    } catch (error) {
      log.error({ ...fields, error: asError(error) }, 'failed to restore snapshot');
    }
  }
  if (list.length > 0) {
    throw new RaftError('ERR_STARTUP', 'failed to load any existing snapshots');
  }
  return null;
}

/**
 * Whether the log goes with the snapshot. It does not when a crash came between a snapshot's rename
 * and the deletion of the log it replaces: then the log must go, as it was about to (rule 8).
 */
export function fitsSnapshot(
  terms: TermIndex,
  snapshotIndex: number,
  snapshotTerm: number,
): boolean {
  const { firstIndex, lastIndex } = terms;
  if (lastIndex === 0) return true;
  if (firstIndex > snapshotIndex + 1) {
    throw damaged(
      `the log starts at ${firstIndex}, but the newest readable snapshot ends at ` +
        `${snapshotIndex}: entries ${snapshotIndex + 1} to ${firstIndex - 1} are missing`,
    );
  }
  if (snapshotIndex === 0 || firstIndex === snapshotIndex + 1) return true;
  if (lastIndex < snapshotIndex) return false;
  const term = terms.termAt(snapshotIndex);
  // A user restore of hashicorp/raft leaves a hole at the snapshot's index and goes on behind it.
  if (term === undefined) return lastIndex > snapshotIndex;
  return term === snapshotTerm;
}

/** The membership of the snapshot, then every one that the log behind it holds. */
export async function readConfigurations(
  { logs, self }: Pick<Sources, 'logs' | 'self'>,
  terms: TermIndex,
  snapshot: SnapshotMeta | null,
): Promise<Configurations> {
  const found = noConfigurations();
  if (snapshot !== null) {
    const legacy = snapshot.version === 0;
    const configuration = legacy
      ? decodePeers(snapshot.peers ?? new Uint8Array(), self)
      : snapshot.configuration;
    found.latest = configuration;
    found.committed = configuration;
    found.latestIndex = legacy ? snapshot.index : snapshot.configurationIndex;
    found.committedIndex = found.latestIndex;
  }
  const first = Math.max((snapshot?.index ?? 0) + 1, terms.firstIndex);
  for (let index = first; index <= terms.lastIndex; ) {
    const entries = await readSome(logs, index, terms.lastIndex);
    if (entries.length === 0) throw missing(index, terms.lastIndex);
    for (const entry of entries) note(found, entry, self);
    index += entries.length;
  }
  return found;
}

async function readSome(logs: LogStore, first: number, last: number): Promise<readonly Log[]> {
  const end = Math.min(last, first + SCAN_ENTRIES - 1);
  try {
    if (isRangeReading(logs)) return await logs.getLogRange(first, end, SCAN_BYTES);
    return [await logs.getLog(first)];
  } catch (error) {
    if (error !== ErrLogNotFound) throw error;
    throw missing(await firstMissing(logs, first, end), last);
  }
}

/** Which entry of a range is not there. */
async function firstMissing(logs: LogStore, first: number, end: number): Promise<number> {
  for (let index = first; index < end; index += 1) {
    try {
      await logs.getLog(index);
    } catch {
      return index;
    }
  }
  return end;
}

function note(found: Configurations, entry: Log, self: Self): void {
  const bytes = entry.data ?? new Uint8Array();
  if (entry.type === LogType.LogCommand) return;
  if (entry.type === LogType.LogNoop || entry.type === LogType.LogBarrier) return;
  found.committed = found.latest;
  found.committedIndex = found.latestIndex;
  found.latest =
    entry.type === LogType.LogConfiguration ? decodeConfiguration(bytes) : decodePeers(bytes, self);
  found.latestIndex = entry.index;
}

/**
 * False for term 1 without a vote, which only a bootstrap writes: when its entry is missing too, a
 * crash has cut it short, and it may be done again. Go takes such a node for lost.
 */
async function isBeyondBootstrap(stable: StableStore, term: number): Promise<boolean> {
  return term > 1 || (await readBytes(stable, KEY_LAST_VOTE_CANDIDATE)) !== null;
}

/** True when a node has ever run or been bootstrapped on these stores. Go: `HasExistingState`. */
export async function hasExistingState(
  logStore: LogStore,
  stableStore: StableStore,
  snapshotStore: SnapshotStore,
): Promise<boolean> {
  const given = { logs: logStore, stable: stableStore, snaps: snapshotStore };
  const { logs, stable, snaps } = checkedStores(given);
  const within = async <T>(text: string, read: () => Promise<T> | T): Promise<T> => {
    try {
      return await read();
    } catch (error) {
      const cause = asError(error);
      throw new RaftError('ERR_STARTUP', `${text}: ${cause.message}`, { cause });
    }
  };
  const term = await within('failed to read current term', () =>
    readUint64(stable, KEY_CURRENT_TERM),
  );
  if (term > 0 && (await isBeyondBootstrap(stable, term))) return true;
  if ((await within('failed to get last log index', () => logs.lastIndex())) > 0) return true;
  const snapshots = await within('failed to list snapshots', () => snaps.list());
  return snapshots.length > 0;
}
