import { backoffMs } from '../../internal/backoff.ts';
import type { AppendEntriesResponse, InstallSnapshotResponse } from '../messages.ts';
import type { Effects } from './effect.ts';
import type { Outcome } from './input.ts';
import type { Leadership } from './leader.ts';
import { onPeerCaughtUp } from './leadership-transfer.ts';
import { lastIndexOf, type NodeState, termOf } from './node.ts';
import type { Progress } from './progress.ts';
import { FAILURE_WAIT_MS, MAX_FAILURE_SCALE, randomTimeoutMs } from './timeouts.ts';
import { confirmRound } from './verify-leader.ts';

/**
 * Requests that may be on their way to one follower; the transport's own limit is lower or equal.
 */
export const MAX_IN_FLIGHT = 128;

/**
 * A server left the configuration: it is sent what it lacks up to its own removal, told when that
 * is committed, and then left alone. Otherwise it would stand for election for ever (upstream #174,
 * #564). The first failure ends that.
 */
export function stopReplication(
  node: NodeState,
  leadership: Leadership,
  peer: Progress,
  lastIndex: number,
  out: Effects,
): void {
  peer.lastIndexToSend = lastIndex;
  leadership.leaving.add(peer);
  out.setPeerTimer(leadership, peer, 'beat', null);
  if (peer.pausing || peer.state === 'snapshot') endReplication(leadership, peer, out);
  else replicate(node, leadership, peer, out);
}

/** The commit index moved: a server whose removal is committed by it is told so. */
export function tellLeaving(node: NodeState, leadership: Leadership, out: Effects): void {
  for (const peer of leadership.leaving) {
    if (node.commitIndex < peer.lastIndexToSend) continue;
    peer.poked = true;
    replicate(node, leadership, peer, out);
  }
}

function endReplication(leadership: Leadership, peer: Progress, out: Effects): void {
  if (peer.removed) return;
  peer.removed = true;
  leadership.leaving.delete(peer);
  out.setPeerTimer(leadership, peer, 'commit', null);
  out.setPeerTimer(leadership, peer, 'retry', null);
  out.push({ kind: 'stopPeer', peer });
}

/**
 * Leaders (§5.3): if a follower lacks entries, send them from its next index on. One request at a
 * time while probing, ahead of the answers while they succeed. Go: `replicateTo`, `pipelineSend`.
 */
export function replicate(
  node: NodeState,
  leadership: Leadership,
  peer: Progress,
  out: Effects,
): void {
  if (peer.removed || peer.sending || peer.pausing || peer.state === 'snapshot') return;
  const window = peer.state === 'pipeline' && peer.canPipeline ? MAX_IN_FLIGHT : 1;
  if (peer.inFlight >= window) return;
  const lastIndex = Math.min(lastIndexOf(node), peer.lastIndexToSend);
  const hasEntries = peer.sendIndex <= lastIndex;
  if (!hasEntries && !(peer.poked && peer.inFlight === 0)) return;

  peer.poked = false;
  const prevIndex = peer.sendIndex - 1;
  const prevTerm = termOf(node, prevIndex);
  const gone = hasEntries && node.terms.termAt(peer.sendIndex) === undefined;
  if (prevTerm === undefined || gone) {
    // Fault: the log no longer has what it lacks
    sendSnapshot(leadership, peer, out);
    return;
  }
  peer.sending = true;
  leadership.round += 1;
  out.push({
    kind: 'sendAppend',
    leadership,
    peer,
    epoch: peer.epoch,
    round: leadership.round,
    prevIndex,
    prevTerm,
    first: peer.sendIndex,
    last: Math.min(lastIndex, peer.sendIndex + node.config.maxAppendEntries - 1),
    commitIndex: node.commitIndex,
    pipelined: window > 1,
  });
  const waitMs = randomTimeoutMs(node.random, node.config.commitTimeoutMs);
  out.setPeerTimer(leadership, peer, 'commit', waitMs);
}

/** What the follower lacks is no longer in the log: it gets the snapshot instead (§7). */
function sendSnapshot(leadership: Leadership, peer: Progress, out: Effects): void {
  if (peer.leaving) return endReplication(leadership, peer, out);
  fallBack(peer, out);
  peer.state = 'snapshot';
  leadership.round += 1;
  out.push({ kind: 'sendSnapshot', leadership, peer, epoch: peer.epoch, round: leadership.round });
}

/** Forgets what was sent ahead: the next request starts at what was last acknowledged. */
export function fallBack(peer: Progress, out: Effects): void {
  peer.epoch += 1;
  peer.inFlight = 0;
  peer.sending = false;
  peer.sendIndex = peer.nextIndex;
  if (peer.state === 'pipeline') out.push({ kind: 'closePipeline', peer });
  peer.state = 'probe';
}

/** Pauses after a failure, a little longer each time. */
function pause(leadership: Leadership, peer: Progress, out: Effects): void {
  if (peer.leaving) return endReplication(leadership, peer, out);
  peer.failures += 1;
  peer.pausing = true;
  peer.poked = true;
  const waitMs = backoffMs(FAILURE_WAIT_MS, peer.failures, MAX_FAILURE_SCALE);
  out.setPeerTimer(leadership, peer, 'retry', waitMs);
}

/** A request with `count` entries has just been given to the transport. */
export function onAppendSent(peer: Progress, epoch: number, count: number): void {
  if (peer.epoch !== epoch) return;
  peer.inFlight += 1;
  peer.sendIndex += count;
}

/** The transport can take another request. */
export function onSenderReady(
  node: NodeState,
  leadership: Leadership,
  peer: Progress,
  epoch: number,
  out: Effects,
): void {
  if (peer.epoch !== epoch) return;
  peer.sending = false;
  replicate(node, leadership, peer, out);
}

/** An entry that the term index knows is not in the store: the log was compacted meanwhile. */
export function onEntriesUnavailable(
  leadership: Leadership,
  peer: Progress,
  epoch: number,
  out: Effects,
): void {
  if (peer.epoch !== epoch) return;
  sendSnapshot(leadership, peer, out);
}

/** The request could not be made at all; the sender has said why. */
export function onSendFailed(
  leadership: Leadership,
  peer: Progress,
  epoch: number,
  out: Effects,
): void {
  if (peer.epoch !== epoch) return;
  fallBack(peer, out);
  pause(leadership, peer, out);
}

/** Any answer shows that the peer is alive; it is worth as much as the moment of asking. */
export function noteContact(peer: Progress, sentAtMs: number): void {
  peer.lastContactMs = Math.max(peer.lastContactMs, sentAtMs);
}

/**
 * A peer knows of a newer term: this leadership is over, which only the main lane may carry out.
 */
export function reportNewerTerm(
  node: NodeState,
  leadership: Leadership,
  peer: Progress,
  term: number,
  out: Effects,
): void {
  node.log.error({ peer: peer.server.id }, 'peer has newer term, stopping replication');
  out.push({ kind: 'post', input: { kind: 'newerTerm', leadership, term } });
}

/** What an AppendEntries was, when its answer comes. */
interface Sent {
  readonly epoch: number;
  readonly prevIndex: number;
  readonly count: number;
  readonly round: number;
}

/** True when a server that left has everything it needs to know that it did. */
function knowsOfRemoval(peer: Progress, toldCommitIndex: number): boolean {
  return peer.nextIndex > peer.lastIndexToSend && toldCommitIndex >= peer.lastIndexToSend;
}

/** Handles the answer to an AppendEntries. */
export function onAppendReply(
  node: NodeState,
  leadership: Leadership,
  peer: Progress,
  sent: Sent & { readonly commitIndex: number; readonly sentAtMs: number },
  outcome: Outcome<AppendEntriesResponse>,
  out: Effects,
): void {
  const { reply } = outcome;
  const current = peer.epoch === sent.epoch;
  if (current) peer.inFlight -= 1;
  if (reply === undefined) {
    if (!current) return;
    // Fault: entries that are not answered
    node.log.error({ peer: peer.server.id, error: outcome.error }, 'failed to appendEntries to');
    fallBack(peer, out);
    pause(leadership, peer, out);
    return;
  }
  noteContact(peer, sent.sentAtMs);
  if (reply.term > leadership.term) {
    reportNewerTerm(node, leadership, peer, reply.term, out);
    return;
  }
  if (!current) return; // Fault: an answer from before a failure
  if (reply.success) acknowledged(node, leadership, peer, sent, out);
  else refused(node, leadership, peer, sent.prevIndex, reply, out);
  if (peer.leaving && knowsOfRemoval(peer, sent.commitIndex)) endReplication(leadership, peer, out);
  else replicate(node, leadership, peer, out);
}

/** The follower's log matches ours up to the last entry sent. */
function acknowledged(
  node: NodeState,
  leadership: Leadership,
  peer: Progress,
  sent: Sent,
  out: Effects,
): void {
  peer.failures = 0;
  confirmRound(node, leadership, peer, sent.round, out);
  if (peer.state === 'probe') peer.state = 'pipeline';
  if (sent.count > 0) advance(node, leadership, peer, sent.prevIndex + sent.count, out);
}

/** The follower holds everything up to `index` on its disk. */
function advance(
  node: NodeState,
  leadership: Leadership,
  peer: Progress,
  index: number,
  out: Effects,
): void {
  peer.matchIndex = Math.max(peer.matchIndex, index);
  peer.nextIndex = Math.max(peer.nextIndex, index + 1);
  peer.sendIndex = Math.max(peer.sendIndex, peer.nextIndex);
  if (leadership.commitment.match(peer.server.id, index)) {
    out.push({ kind: 'post', input: { kind: 'commitAdvanced', leadership } });
  }
  onPeerCaughtUp(node, leadership, peer, out);
}

/** The logs differ before the entries sent: go back, at once unless the follower is in trouble. */
function refused(
  node: NodeState,
  leadership: Leadership,
  peer: Progress,
  prevIndex: number,
  reply: AppendEntriesResponse,
  out: Effects,
): void {
  // Fault: the logs part before what was sent
  peer.nextIndex = Math.max(Math.min(prevIndex, reply.lastLog + 1), 1);
  fallBack(peer, out);
  peer.poked = true;
  node.log.warn(
    { peer: peer.server.id, next: peer.nextIndex },
    'appendEntries rejected, sending older logs',
  );
  if (reply.noRetryBackoff) peer.failures = 0;
  else pause(leadership, peer, out);
}

/** Handles the answer to a snapshot. */
export function onSnapshotReply(
  node: NodeState,
  leadership: Leadership,
  peer: Progress,
  sent: { epoch: number; index: number; round: number; sentAtMs: number },
  outcome: Outcome<InstallSnapshotResponse>,
  out: Effects,
): void {
  if (peer.epoch !== sent.epoch) return;
  peer.state = 'probe';
  const { reply } = outcome;
  if (reply === undefined) {
    // Fault: a snapshot that does not arrive
    node.log.error({ peer: peer.server.id, error: outcome.error }, 'failed to send snapshot to');
    pause(leadership, peer, out);
    return;
  }
  noteContact(peer, sent.sentAtMs);
  if (reply.term > leadership.term) {
    reportNewerTerm(node, leadership, peer, reply.term, out);
    return;
  }
  if (reply.success) {
    peer.failures = 0;
    confirmRound(node, leadership, peer, sent.round, out);
    advance(node, leadership, peer, sent.index, out);
    peer.poked = true;
    replicate(node, leadership, peer, out);
  } else {
    pause(leadership, peer, out);
  }
}

/** A timer of this peer's log traffic rang: the pause is over, or the commit index is due. */
export function onReplicationTimer(
  node: NodeState,
  leadership: Leadership,
  peer: Progress,
  timer: 'commit' | 'retry',
  out: Effects,
): void {
  if (peer.removed) return;
  if (timer === 'retry') peer.pausing = false;
  peer.poked = true;
  const waitMs = randomTimeoutMs(node.random, node.config.commitTimeoutMs);
  if (timer === 'commit') out.setPeerTimer(leadership, peer, 'commit', waitMs);
  replicate(node, leadership, peer, out);
}
