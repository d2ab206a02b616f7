import { assert } from '../../internal/assert.ts';
import {
  ErrAbortedByRestore,
  ErrLeadershipLost,
  ErrLeadershipTransferInProgress,
  ErrNotLeader,
  RaftError,
} from '../errors.ts';
import { LogType } from '../log.ts';
import { SnapshotVersionMax, SnapshotVersionMin } from '../snapshot.ts';
import type { Effects } from './effect.ts';
import type { Now, Outcome, Ticket } from './input.ts';
import type { Leadership } from './leader.ts';
import { lastIndexOf, type NodeState } from './node.ts';
import { dispatch } from './proposal.ts';
import { verifyForRestore } from './verify-leader.ts';

/** A user's snapshot on its way to become the state of the whole cluster. */
export interface UserRestore {
  readonly ticket: Ticket;
  /** The index it burns: no log will ever have an entry there. */
  readonly index: number;
}

/** What the rules need to know of the snapshot that is to be restored. */
export interface RestoredMeta {
  readonly version: number;
  readonly index: number;
  readonly size: number;
}

function refusal(node: NodeState, { version }: RestoredMeta): Error | null {
  const { leadership, configurations } = node;
  if (leadership === null) return ErrNotLeader;
  if (leadership.transfer !== null) return ErrLeadershipTransferInProgress;
  if (leadership.restore !== null) {
    const text = `expected one restore at a time, one is under way at ${leadership.restore.index}`;
    return new RaftError('ERR_RESTORE_IN_PROGRESS', text);
  }
  if (version < SnapshotVersionMin || version > SnapshotVersionMax) {
    return new RaftError('ERR_UNSUPPORTED_SNAPSHOT', `unsupported snapshot version ${version}`);
  }
  const { latestIndex, committedIndex } = configurations;
  if (latestIndex === committedIndex) return null;
  return new RaftError(
    'ERR_RESTORE_TOO_EARLY',
    `cannot restore snapshot now, wait until the configuration entry at ${latestIndex} has been ` +
      `applied (have applied ${committedIndex})`,
  );
}

/**
 * Replaces the state of the cluster by a snapshot from outside, in four steps: copy it into the
 * store, verify the leadership, burn an index, write an entry behind it. This is the first. While
 * the bytes come the node goes on to vote, commit and step down, but appends nothing: the index
 * that the snapshot is stored under must stay the next one. Go: `restoreUserSnapshot`.
 */
export function onRestore(node: NodeState, meta: RestoredMeta, ticket: Ticket, out: Effects): void {
  const error = refusal(node, meta);
  const { leadership, configurations } = node;
  if (leadership === null || error !== null) {
    out.push({ kind: 'settleError', ticket, error: error ?? ErrNotLeader });
    return;
  }
  const index = Math.max(meta.index, lastIndexOf(node)) + 1;
  leadership.restore = { ticket, index };
  out.push({
    kind: 'writeRestore',
    leadership,
    ticket,
    version: meta.version,
    index,
    term: leadership.term,
    configuration: configurations.latest,
    configurationIndex: configurations.latestIndex,
    size: meta.size,
  });
}

/** True unless a restore is under way: the index after the last one is spoken for meanwhile. */
export function acceptsEntries(node: NodeState): boolean {
  return node.leadership === null || node.leadership.restore === null;
}

/** The leadership ends, and with it the restore; nothing has changed yet. */
export function abandonRestore(leadership: Leadership, out: Effects): void {
  const { restore } = leadership;
  if (restore === null) return;
  // Fault: the leadership ends before a restore
  leadership.restore = null;
  out.push({ kind: 'dropRestore', ticket: restore.ticket });
  out.push({ kind: 'settleError', ticket: restore.ticket, error: ErrLeadershipLost });
}

/** The bytes are in the store, not yet as a snapshot, or could not be copied. */
export function onRestoreWritten(
  node: NodeState,
  leadership: Leadership,
  { ticket, error }: { readonly ticket: Ticket; readonly error: Error | null },
  out: Effects,
): void {
  const { restore } = leadership;
  if (node.leadership !== leadership || restore?.ticket !== ticket) return;
  if (error === null) {
    verifyForRestore(node, leadership, ticket, out);
    return;
  }
  leadership.restore = null;
  out.push({ kind: 'settleError', ticket, error });
}

/**
 * A quorum has followed this leader after the copy was complete. Without that a leader that was
 * deposed while it copied would burn an index that another leader fills (upstream does). From here
 * to the no-op the main lane is held.
 */
export function onRestoreVerified(node: NodeState, leadership: Leadership, out: Effects): void {
  const { restore } = leadership;
  if (node.leadership !== leadership || restore === null) return;
  const { ticket, index } = restore;
  if (leadership.transfer !== null) {
    leadership.restore = null;
    out.push({ kind: 'dropRestore', ticket });
    out.push({ kind: 'settleError', ticket, error: ErrLeadershipTransferInProgress });
    return;
  }
  assert(
    index > lastIndexOf(node),
    `a restore burns an index behind the log: ${index} is not behind ${lastIndexOf(node)}`,
  );
  out.push({ kind: 'storeRestore', ticket });
}

/** The snapshot is durable, and the newest there is: from here on there is no way back. */
export function onRestoreStored(
  node: NodeState,
  outcome: Outcome<{ readonly id: string }>,
  out: Effects,
): void {
  const { leadership } = node;
  if (leadership === null || leadership.restore === null) return;
  const { ticket, index } = leadership.restore;
  if (outcome.reply === undefined) {
    leadership.restore = null;
    out.push({ kind: 'settleError', ticket, error: outcome.error });
    return;
  }
  out.push({ kind: 'failInFlight', after: node.lastApplied, error: ErrAbortedByRestore });
  const { id } = outcome.reply;
  out.push({ kind: 'restoreSnapshot', id, index, term: leadership.term });
}

/**
 * The FSM holds the user's state. The log before it says nothing about that state and goes, as it
 * does where a snapshot is installed that does not fit the log. The burned index stays empty, so
 * every follower finds that it lacks what this leader cannot send, and is sent the snapshot. The
 * no-op behind it tells when a quorum has it: only then is the index, and the restore, committed.
 */
export function onUserSnapshotRestored(node: NodeState, now: Now, out: Effects): void {
  const { leadership } = node;
  if (leadership === null || leadership.restore === null) return;
  const { ticket, index } = leadership.restore;
  leadership.restore = null;
  node.snapshotIndex = index;
  node.snapshotTerm = leadership.term;
  node.lastApplied = index;
  node.terms.truncateFrom(0);
  leadership.reads.holdAgain();
  node.log.info({}, 'removing all old logs from log store');
  out.push({ kind: 'dropLog' });
  node.log.info({ index }, 'restored user snapshot');
  const noop = { type: LogType.LogNoop, data: null, extensions: null };
  const noopIndex = dispatch(node, leadership, [noop], [], now, out);
  out.push({ kind: 'bindEntry', ticket, index: noopIndex });
}
