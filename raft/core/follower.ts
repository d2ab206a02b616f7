import { hasVote } from '../configuration.ts';
import type { Effects } from './effect.ts';
import { campaign } from './election.ts';
import type { Now } from './input.ts';
import type { NodeState } from './node.ts';
import { becomeCandidate, setLeader } from './role.ts';
import { randomTimeoutMs } from './timeouts.ts';

/** True when a leader was heard within the heartbeat timeout. */
function heardRecently(node: NodeState, now: Now): boolean {
  return (
    node.lastContactMs !== undefined && now.ms - node.lastContactMs < node.config.heartbeatTimeoutMs
  );
}

const NO_VOTE_IN_UNSTABLE =
  'heartbeat timeout reached, not part of a stable configuration or a non-voter, ' +
  'not triggering a leader election';

/**
 * Why a follower that lost its leader must not stand; null when it may. A voter that its latest
 * configuration leaves out may, while that is not known to be committed: its log may be the only
 * one that can win (thesis §4.2.2; in Go such a cluster is stuck). It does not count its own vote.
 */
function reasonNotToStand(node: NodeState): string | null {
  const { latest, latestIndex, committed, committedIndex } = node.configurations;
  if (latestIndex === 0) return 'no known peers, aborting election';
  if (hasVote(latest, node.self.id)) return null;
  if (latestIndex !== committedIndex && hasVote(committed, node.self.id)) return null;
  if (latestIndex === committedIndex) {
    // Fault: who was removed hears nobody
    return 'not part of stable configuration, aborting election';
  }
  return NO_VOTE_IN_UNSTABLE;
}

/**
 * Followers (§5.2): silence turns a follower into a candidate. The timer is looked at, not reset by
 * each contact, so silence is noticed after one to about three heartbeat timeouts, as in Go.
 */
export function onHeartbeatTimeout(node: NodeState, now: Now, out: Effects): void {
  out.setTimer('heartbeat', randomTimeoutMs(node.random, node.config.heartbeatTimeoutMs));
  if (heardRecently(node, now)) return;

  const { leaderAddress, leaderID } = node;
  setLeader(node, '', '', out);
  const reason = reasonNotToStand(node);
  if (reason === null || reason === NO_VOTE_IN_UNSTABLE) {
    out.note('raft.transition.heartbeat_timeout', 1);
  }
  if (reason !== null) {
    if (!node.warnedNoElection) node.log.warn({}, reason);
    node.warnedNoElection = true;
    return;
  }
  // Fault: no leader is heard
  node.log.warn(
    { 'last-leader-addr': leaderAddress, 'last-leader-id': leaderID },
    'heartbeat timeout reached, starting election',
  );
  becomeCandidate(node, false, now, out);
  campaign(node, now, out);
}
