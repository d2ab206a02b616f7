import { join } from 'node:path';
import { verify } from '../../cli/verify.ts';
import { newRaft, silentLogger } from '../../index.ts';
import { utf8ToString } from '../../internal/bytes.ts';
import { defaultConfig } from '../../raft/config.ts';
import { ErrLogNotFound } from '../../raft/errors.ts';
import type { FSM } from '../../raft/fsm.ts';
import {
  KEY_CURRENT_TERM,
  KEY_LAST_VOTE_CANDIDATE,
  KEY_LAST_VOTE_TERM,
} from '../../raft/stable.ts';
import { newFileSnapshotStoreWithLogger } from '../../snapshot/new-file-snapshot-store.ts';
import { type LMDBStore, newLMDBStore } from '../../store/lmdb-store.ts';
import { newInmemTransport } from '../../transport/index.ts';
import type { ClaimedEntry } from './claim.ts';
import type { Promises } from './promises.ts';

const NEVER_MS = 600_000;

function check(condition: boolean, text: string): asserts condition {
  if (!condition) throw new Error(text);
}

/** True when the store has that very entry, false when it has none or another one. */
function has(store: LMDBStore, { index, term, text }: ClaimedEntry): boolean {
  try {
    const log = store.getLog(index);
    return log.term === term && utf8ToString(log.data ?? new Uint8Array()) === text;
  } catch (error) {
    if (error === ErrLogNotFound) return false;
    throw error;
  }
}

function checkEntries(store: LMDBStore, promises: Promises, covered: number): void {
  const { entries, openEntries, replacedFrom } = promises;
  // A tail is cut and written anew in one transaction: all of it, or nothing.
  const isReplaced = openEntries.length > 0 && openEntries.every((entry) => has(store, entry));
  for (const entry of entries.values()) {
    if (entry.index <= covered || (isReplaced && entry.index >= replacedFrom)) continue;
    check(has(store, entry), `entry ${entry.index} of term ${entry.term} is lost`);
  }
}

function checkHardState(store: LMDBStore, { term, vote }: Promises): void {
  const storedTerm = store.getUint64(KEY_CURRENT_TERM);
  check(storedTerm >= term, `term ${term} is lost, the store has ${storedTerm}`);
  if (vote === null) return;
  const voteTerm = store.getUint64(KEY_LAST_VOTE_TERM);
  check(voteTerm >= vote.term, `the vote of term ${vote.term} is lost`);
  if (voteTerm > vote.term) return;
  const candidate = utf8ToString(store.get(KEY_LAST_VOTE_CANDIDATE));
  check(candidate === vote.candidate, `the vote of term ${voteTerm} went to ${candidate}`);
}

/** Lets a real node start on the data, which must not refuse them. */
async function start(directory: string, store: LMDBStore, lastPromised: number): Promise<void> {
  const snaps = await newFileSnapshotStoreWithLogger(directory, 2, silentLogger);
  const [, trans] = newInmemTransport('node');
  const fsm: FSM = {
    apply: () => null,
    snapshot: () => ({ persist: () => {}, release: () => {} }),
    restore: async (reader) => {
      for await (const _ of reader);
    },
  };
  const config = {
    ...defaultConfig(),
    localID: 'node',
    heartbeatTimeout: NEVER_MS,
    electionTimeout: NEVER_MS,
    logger: silentLogger,
  };
  const raft = await newRaft(config, fsm, store, store, snaps, trans);
  const lastIndex = raft.lastIndex();
  await raft.shutdown();
  check(lastIndex >= lastPromised, `the node ends at ${lastIndex}, promised was ${lastPromised}`);
}

/**
 * Opens what a power cut has left.
 *
 * @throws Error that says which promise is broken
 */
export async function judge(directory: string, promises: Promises): Promise<void> {
  const { isGood, lines } = await verify(directory);
  check(isGood, lines.join('; '));
  const store = await newLMDBStore({ path: join(directory, 'raft') });
  try {
    const snaps = await newFileSnapshotStoreWithLogger(directory, 2, silentLogger);
    const newest = (await snaps.list())[0];
    const covered = newest?.index ?? 0;
    check(covered >= promises.snapshotIndex, `snapshot ${promises.snapshotIndex} is lost`);
    checkEntries(store, promises, covered);
    checkHardState(store, promises);
    const promised = [...promises.entries.keys()].filter((index) => index < promises.replacedFrom);
    await start(directory, store, Math.max(promises.snapshotIndex, ...promised));
  } finally {
    await store.close();
  }
}
