import { type Config, clockOf, validateConfig } from './config.ts';
import { type Configuration, checkConfiguration } from './configuration.ts';
import { asError, RaftError } from './errors.ts';
import { checkSnapshot, type FSM } from './fsm.ts';
import { type Log, type LogStore, LogType } from './log.ts';
import { silentLogger } from './logger.ts';
import { hasExistingState } from './recover.ts';
import { checkedStores } from './runtime/checked-stores.ts';
import { readTermIndex } from './runtime/read-term-index.ts';
import { fieldsOf, restoreFsm } from './runtime/restore-fsm.ts';
import { fitsSnapshot } from './runtime/startup.ts';
import { type SnapshotMeta, type SnapshotStore, SnapshotVersionMax } from './snapshot.ts';
import { KEY_CURRENT_TERM, readUint64, type StableStore } from './stable.ts';
import type { Transport } from './transport.ts';

/** How far a state machine has come. */
interface Position {
  readonly index: number;
  readonly term: number;
}

/** Does one step of recovering; its failure says which step it was. */
async function step<T>(failure: string, work: () => T | PromiseLike<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const cause = asError(error);
    throw new RaftError('ERR_RECOVER', `${failure}: ${cause.message}`, { cause });
  }
}

/** Gives the newest snapshot that can be read to the FSM. */
async function restoreNewest(fsm: FSM, snaps: SnapshotStore, conf: Config): Promise<Position> {
  const list = await step('failed to list snapshots', () => snaps.list());
  for (const meta of list) {
    if (await restored(fsm, snaps, meta, conf)) return meta;
  }
  if (list.length === 0) return { index: 0, term: 0 };
  throw new RaftError('ERR_RECOVER', 'failed to restore any of the available snapshots');
}

async function restored(
  fsm: FSM,
  snaps: SnapshotStore,
  meta: SnapshotMeta,
  conf: Config,
): Promise<boolean> {
  const log = conf.logger ?? silentLogger;
  try {
    await restoreFsm(fsm, await snaps.open(meta.id), { log, clock: clockOf(conf) });
    return true;
  } catch (error) {
    log.error({ ...fieldsOf(meta), error: asError(error) }, 'failed to restore snapshot');
    return false;
  }
}

/** Applies every entry behind the snapshot, committed or not: nobody can say which are. */
async function replay(fsm: FSM, logs: LogStore, from: Position): Promise<Position> {
  const last = await step('failed to find last log', () => logs.lastIndex());
  const terms = await readTermIndex(logs, from.index);
  // A crash has left a log that the snapshot was about to replace: it contradicts it.
  if (!fitsSnapshot(terms, from.index, from.term)) return from;
  let at = from;
  for (let index = from.index + 1; index <= last; index += 1) {
    const failure = `failed to get log at index ${index}`;
    const entry: Log = await step(failure, () => logs.getLog(index));
    if (entry.type === LogType.LogCommand) {
      await step(`failed to apply log at index ${index}`, () => fsm.apply(entry));
    }
    at = entry;
  }
  return at;
}

/** Writes the state of the FSM down, with the configuration that is to be in force. */
async function writeSnapshot(
  fsm: FSM,
  snaps: SnapshotStore,
  trans: Transport,
  configuration: Configuration,
  { index, term }: Position,
): Promise<void> {
  const snapshot = await step('failed to snapshot FSM', async () =>
    checkSnapshot(await fsm.snapshot()),
  );
  try {
    const sink = await step('failed to create snapshot', () =>
      snaps.create(SnapshotVersionMax, index, term, configuration, 1, trans),
    );
    try {
      await step('failed to persist snapshot', () => snapshot.persist(sink));
      await step('failed to finalize snapshot', () => sink.close());
    } catch (error) {
      await sink.cancel();
      throw error;
    }
  } finally {
    snapshot.release();
  }
}

/**
 * A snapshot may have come from another node, and then the term beside it is older than its own. No
 * leader may write behind it in such a term. Go leaves the term, and its next leader writes in it.
 */
async function raiseTerm(stable: StableStore, term: number): Promise<void> {
  await step('failed to raise current term', async () => {
    if ((await readUint64(stable, KEY_CURRENT_TERM)) >= term) return;
    await stable.setUint64(KEY_CURRENT_TERM, term);
  });
}

async function dropLog(logs: LogStore): Promise<void> {
  const first = await step('failed to get first log index', () => logs.firstIndex());
  const last = await step('failed to find last log', () => logs.lastIndex());
  if (last > 0) await step('log compaction failed', () => logs.deleteRange(first, last));
}

/**
 * Forces a configuration on a node that does not run, for a cluster that has lost its quorum for
 * good. The node's newest snapshot and its whole log, committed or not, become one snapshot with
 * the given configuration, and the log is emptied. **Data may come to count that was never
 * committed, and data that was may be lost**: every node that is to go on must be recovered the
 * same way, from a copy that is as new as can be found. See `readConfigJSON` for the usual way to
 * say the configuration. Go: `RecoverCluster`.
 *
 * @param conf checked; only its logger is used
 * @param fsm is given the state; throw it away afterwards, and start the node with a new one
 * @param logs emptied at the end, after the snapshot is durable
 * @param stable gets the term of the last entry when its own is older; the vote stays what it is
 * @param snaps gets one more snapshot
 * @param trans encodes addresses for readers of old snapshots; must not be in use by a node
 * @param configuration what is to be in force
 * @returns resolves when the node can be started; rejects with `ERR_INVALID_CONFIG`,
 *   `ERR_INVALID_CONFIGURATION`, or `ERR_RECOVER`: the stores hold no state, or a step failed that
 *   the text names. Until the snapshot is complete nothing has changed, afterwards it may be
 *   repeated
 */
export async function recoverCluster(
  conf: Config,
  fsm: FSM,
  logs: LogStore,
  stable: StableStore,
  snaps: SnapshotStore,
  trans: Transport,
  configuration: Configuration,
): Promise<void> {
  validateConfig(conf);
  checkConfiguration(configuration);
  const stores = checkedStores({ logs, stable, snaps });
  const hasState = await step('failed to check for existing state', () =>
    hasExistingState(logs, stable, snaps),
  );
  if (!hasState) {
    const text =
      'refused to recover cluster with no initial state, this is probably an operator error';
    throw new RaftError('ERR_RECOVER', text);
  }
  const snapshot = await restoreNewest(fsm, stores.snaps, conf);
  const last = await replay(fsm, stores.logs, snapshot);
  await writeSnapshot(fsm, stores.snaps, trans, configuration, last);
  await raiseTerm(stable, last.term);
  await dropLog(stores.logs);
}
