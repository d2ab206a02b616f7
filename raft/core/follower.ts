import { hasVote } from '../configuration.ts';
import type { Effects } from './effect.ts';
import { campaign } from './election.ts';
import type { Now } from './input.ts';
import type { NodeState } from './node.ts';
import { becomeCandidate, setLeader } from './role.ts';
import { randomTimeoutMs } from './timeouts.ts';

/** How long no leader has been heard, in milliseconds. */
function silenceMs(node: NodeState, now: Now): number {
  return node.lastContactMs === undefined ? Number.POSITIVE_INFINITY : now.ms - node.lastContactMs;
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
 * Followers (§5.2): silence turns a follower into a candidate. Contact does not reset the timer;
 * when it rings early it is set anew, for a moment that counts from the last contact. So silence is
 * noticed after one to two heartbeat timeouts, where Go, which counts from its last look, may need
 * three.
 */
export function onHeartbeatTimeout(node: NodeState, now: Now, out: Effects): void {
  const { heartbeatTimeoutMs } = node.config;
  const waitMs = randomTimeoutMs(node.random, heartbeatTimeoutMs);
  const silentMs = silenceMs(node, now);
  if (silentMs < heartbeatTimeoutMs) {
    out.setTimer('heartbeat', waitMs - Math.max(silentMs, 0));
    return;
  }
  out.setTimer('heartbeat', waitMs);

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
