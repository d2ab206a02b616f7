import { unreachable } from '../../internal/assert.ts';
import { ErrRaftShutdown } from '../errors.ts';
import { RaftState } from '../state.ts';
import { onAppendEntries } from './append-entries.ts';
import { handOver } from './apply.ts';
import { onBootstrap } from './bootstrap.ts';
import { onSnapshotTaken } from './compaction.ts';
import type { Effects } from './effect.ts';
import { onElectionTimeout, onVoteReply } from './election.ts';
import { onHeartbeatTimeout } from './follower.ts';
import { beat, onHeartbeatReply } from './heartbeat.ts';
import type { MainInput, Now, PeerInput } from './input.ts';
import { onInstallSnapshot, onSnapshotReceived, onSnapshotRestored } from './install-snapshot.ts';
import type { Leadership } from './leader.ts';
import {
  onTimeoutNow,
  onTimeoutNowReply,
  onTransfer,
  onTransferTimeout,
} from './leadership-transfer.ts';
import { onLeaseTimeout } from './lease.ts';
import { leaderWasRemoved, onChangeConfiguration, settleConfiguration } from './membership.ts';
import { checkInvariants, type NodeState } from './node.ts';
import { onPreVoteReply, onRequestPreVote } from './pre-vote.ts';
import { onPropose } from './proposal.ts';
import { onReloadConfig } from './reload-config.ts';
import {
  onAppendReply,
  onAppendSent,
  onEntriesUnavailable,
  onReplicationTimer,
  onSenderReady,
  onSendFailed,
  onSnapshotReply,
  tellLeaving,
} from './replication.ts';
import { onRequestVote } from './request-vote.ts';
import {
  onRestore,
  onRestoreStored,
  onRestoreVerified,
  onRestoreWritten,
  onUserSnapshotRestored,
} from './restore.ts';
import { becomeFollower, becomeShutdown, enterFollower } from './role.ts';
import { followNewerTerm } from './term.ts';
import { askHeldReads, onReadIndex, onVerify } from './verify-leader.ts';

/**
 * One step of the main lane: routes what happened to its rule, and nothing else. A step is total
 * and synchronous; whatever it wants done is in `out`, in the order in which it must be done.
 */
export function stepMain(node: NodeState, input: MainInput, now: Now, out: Effects): void {
  if (node.role === RaftState.Shutdown) return refuseAfterShutdown(input, out);
  switch (input.kind) {
    case 'start':
      enterFollower(node, out);
      break;
    case 'timer':
      onTimer(node, input, now, out);
      break;
    case 'appendEntries':
      onAppendEntries(node, input.request, input.ticket, now, out);
      break;
    case 'requestVote':
      onRequestVote(node, input.request, input.ticket, now, out);
      break;
    case 'requestPreVote':
      onRequestPreVote(node, input.request, input.ticket, out);
      break;
    case 'installSnapshot':
      onInstallSnapshot(node, input.request, input.ticket, now, out);
      break;
    case 'timeoutNow':
      onTimeoutNow(node, input.ticket, now, out);
      break;
    case 'voteReply':
      onVoteReply(node, input.candidacy, input.from, input.outcome, now, out);
      break;
    case 'preVoteReply':
      onPreVoteReply(node, input.candidacy, input.from, input.outcome, now, out);
      break;
    case 'propose':
      onPropose(node, input.proposals, now, out);
      break;
    case 'commitAdvanced':
      onCommitAdvanced(node, input.leadership, now, out);
      break;
    case 'newerTerm':
      onNewerTerm(node, input.leadership, input.term, now, out);
      break;
    default:
      stepRequest(node, input, now, out);
  }
  checkInvariants(node);
}

/** The rest of the main lane: what clients and the snapshot loop ask for. */
function stepRequest(
  node: NodeState,
  input: Exclude<
    MainInput,
    {
      kind:
        | 'start'
        | 'timer'
        | 'appendEntries'
        | 'requestVote'
        | 'requestPreVote'
        | 'installSnapshot'
        | 'timeoutNow'
        | 'voteReply'
        | 'preVoteReply'
        | 'propose'
        | 'commitAdvanced'
        | 'newerTerm';
    }
  >,
  now: Now,
  out: Effects,
): void {
  switch (input.kind) {
    case 'changeConfiguration':
      return onChangeConfiguration(node, input.change, input.ticket, now, out);
    case 'verify':
      return onVerify(node, input.ticket, out);
    case 'readIndex':
      return onReadIndex(node, input.ticket, out);
    case 'bootstrap':
      return onBootstrap(node, input.configuration, input.ticket, now, out);
    case 'transfer':
      return onTransfer(node, input.target, input.ticket, out);
    case 'timeoutNowReply':
      return onTimeoutNowReply(node, input.transfer, input.error, out);
    case 'snapshotReceived':
      return onSnapshotReceived(node, input.outcome, out);
    case 'snapshotRestored':
      if (node.installation === null) return onUserSnapshotRestored(node, now, out);
      return onSnapshotRestored(node, now, out);
    case 'restore':
      return onRestore(node, input.meta, input.ticket, out);
    case 'restoreWritten':
      return onRestoreWritten(node, input.leadership, input, out);
    case 'restoreVerified':
      return onRestoreVerified(node, input.leadership, out);
    case 'restoreStored':
      return onRestoreStored(node, input.outcome, out);
    case 'snapshotTaken':
      return onSnapshotTaken(node, input.index, input.term, input.durableIndex, out);
    case 'snapshotConfiguration': {
      const { committed, committedIndex } = node.configurations;
      const value = { configuration: committed, configurationIndex: committedIndex };
      return out.push({ kind: 'settle', ticket: input.ticket, value });
    }
    case 'reloadConfig':
      return onReloadConfig(node, input, out);
    case 'shutdown':
      return becomeShutdown(node, now, out);
    default:
      return unreachable(input);
  }
}

function onTimer(
  node: NodeState,
  { timer, lateMs = 0 }: Extract<MainInput, { kind: 'timer' }>,
  now: Now,
  out: Effects,
): void {
  switch (timer) {
    case 'heartbeat':
      if (node.role === RaftState.Follower) onHeartbeatTimeout(node, now, out);
      return;
    case 'election':
      return onElectionTimeout(node, now, out);
    case 'lease':
      return onLeaseTimeout(node, lateMs, now, out);
    case 'transfer':
      return onTransferTimeout(node, out);
    default:
      return unreachable(timer);
  }
}

/** A majority holds more than before: commit it, and leave when that ends our own membership. */
function onCommitAdvanced(node: NodeState, leadership: Leadership, now: Now, out: Effects): void {
  if (node.leadership !== leadership) return;
  const { commitIndex } = leadership.commitment;
  if (commitIndex <= node.commitIndex) return;
  const before = node.commitIndex;
  node.commitIndex = commitIndex;
  settleConfiguration(node);
  handOver(node, out);
  askHeldReads(node, leadership, out);
  tellLeaving(node, leadership, out);
  if (!leaderWasRemoved(node, before)) return;
  if (node.config.shutdownOnRemove) {
    // Fault: the leader is removed
    node.log.info({}, 'removed ourself, shutting down');
    out.push({ kind: 'shutdownSelf' });
  } else {
    node.log.info({}, 'removed ourself, transitioning to follower');
    becomeFollower(node, now, out);
  }
}

function onNewerTerm(
  node: NodeState,
  leadership: Leadership,
  term: number,
  now: Now,
  out: Effects,
): void {
  if (node.leadership !== leadership || term <= node.currentTerm) return;
  // Fault: another leads by now
  node.log.warn({}, 'new leader elected, stepping down');
  followNewerTerm(node, term, now, out);
}

/** Whoever still waits for an answer gets one; nothing else happens to a node that is shut down. */
function refuseAfterShutdown(input: MainInput, out: Effects): void {
  const error = ErrRaftShutdown;
  if (input.kind === 'propose') {
    out.push({ kind: 'refuse', proposals: input.proposals, error });
  } else if ('ticket' in input) {
    const isRpc = 'request' in input;
    out.push({ kind: isRpc ? 'replyError' : 'settleError', ticket: input.ticket, error });
  }
}

/**
 * One step of a peer's lane. It may run while the main lane waits for the disk, and is safe then
 * for one reason: it changes nothing but progress, contact and match indexes, and posts the rest to
 * main.
 */
export function stepPeer(node: NodeState, input: PeerInput, out: Effects): void {
  const { leadership } = input;
  if (node.leadership !== leadership) return; // Fault: an answer to an earlier leadership
  switch (input.kind) {
    case 'appended':
      if (leadership.commitment.match(node.self.id, input.index)) {
        out.push({ kind: 'post', input: { kind: 'commitAdvanced', leadership } });
      }
      return;
    case 'appendSent':
      return onAppendSent(input.peer, input.epoch, input.count);
    case 'senderReady':
      return onSenderReady(node, leadership, input.peer, input.epoch, out);
    case 'entriesUnavailable':
      return onEntriesUnavailable(leadership, input.peer, input.epoch, out);
    case 'sendFailed':
      return onSendFailed(leadership, input.peer, input.epoch, out);
    case 'pipelineUnsupported':
      input.peer.canPipeline = false;
      return;
    case 'appendReply':
      return onAppendReply(node, leadership, input.peer, input, input.outcome, out);
    case 'snapshotReply':
      return onSnapshotReply(node, leadership, input.peer, input, input.outcome, out);
    case 'heartbeatReply':
      return onHeartbeatReply(node, leadership, input.peer, input, input.outcome, out);
    case 'peerTimer':
      if (input.timer === 'beat') return beat(node, leadership, input.peer, out);
      return onReplicationTimer(node, leadership, input.peer, input.timer, out);
    default:
      return unreachable(input);
  }
}
