import { ErrLeadershipLost } from '../errors.ts';
import { LogType } from '../log.ts';
import { Commitment } from './commitment.ts';
import type { Effects } from './effect.ts';
import type { Now } from './input.ts';
import { abandonTransfer, type Transfer } from './leadership-transfer.ts';
import { armLease } from './lease.ts';
import { updatePeers } from './membership.ts';
import { describeNode, lastIndexOf, type NodeState } from './node.ts';
import type { Progress } from './progress.ts';
import { dispatch } from './proposal.ts';
import { abandonRestore, type UserRestore } from './restore.ts';
import { PendingReads } from './verify-leader.ts';

/**
 * What a leader has and loses with its office. Whatever was started for it carries this object, and
 * is dropped when the node no longer holds it: looking at the current term instead would let an
 * answer from an earlier leadership count for a later one.
 */
export interface Leadership {
  readonly term: number;
  readonly commitment: Commitment;
  /** Every other server of the latest configuration. */
  readonly peers: Map<string, Progress>;
  /** Servers that left the configuration and have not been told all of it yet. */
  readonly leaving: Set<Progress>;
  readonly reads: PendingReads;
  /** Counts everything sent to peers, so that an answer can be told to come after a question. */
  round: number;
  transfer: Transfer | null;
  restore: UserRestore | null;
}

/**
 * Taking office (§5.2, §8): the leader replicates to all, asserts itself with an entry of its own
 * term, and watches its lease. Go: `setupLeaderState`, the first half of `runLeader`.
 */
export function takeOffice(node: NodeState, now: Now, out: Effects): void {
  out.note('raft.state.leader', 1);
  node.log.info({ leader: describeNode(node.self.address, node.role) }, 'entering leader state');
  const { latest } = node.configurations;
  const leadership: Leadership = {
    term: node.currentTerm,
    commitment: new Commitment(latest, lastIndexOf(node) + 1),
    peers: new Map(),
    leaving: new Set(),
    reads: new PendingReads(),
    round: 0,
    transfer: null,
    restore: null,
  };
  node.leadership = leadership;
  out.push({ kind: 'leadership', isLeader: true });
  updatePeers(node, leadership, now, out);
  const noop = { type: LogType.LogNoop, data: null, extensions: null };
  dispatch(node, leadership, [noop], [], now, out);
  armLease(node.config.leaderLeaseTimeoutMs, out);
}

/**
 * Leaving office: whoever waits is told that leadership was lost; an entry in flight may still
 * commit. The role is changed by the caller. Go: the second half of `runLeader`.
 */
export function leaveOffice(node: NodeState, now: Now, out: Effects): void {
  const { leadership } = node;
  if (leadership === null) return;
  node.leadership = null;
  node.lastContactMs = now.ms;
  out.cancelTimer('lease');
  for (const peer of [...leadership.peers.values(), ...leadership.leaving]) {
    peer.removed = true;
    out.push({ kind: 'stopPeer', peer });
  }
  const error = ErrLeadershipLost;
  out.push({ kind: 'failInFlight', after: node.lastApplied, error });
  for (const ticket of leadership.reads.abandon()) out.push({ kind: 'settleError', ticket, error });
  abandonTransfer(node, leadership, out);
  abandonRestore(leadership, out);
  out.push({ kind: 'leadership', isLeader: false });
}
