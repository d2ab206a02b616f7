import { formatDuration } from '../../internal/duration.ts';
import { quorumSize, votersOf } from '../configuration.ts';
import type { Effects } from './effect.ts';
import type { Now } from './input.ts';
import type { Leadership } from './leader.ts';
import type { NodeState } from './node.ts';
import { becomeFollower } from './role.ts';
import { beatIntervalMs, MIN_LEASE_CHECK_MS } from './timeouts.ts';

/** Looks at the lease again after `delayMs`. */
export function armLease(leadership: Leadership, delayMs: number, now: Now, out: Effects): void {
  leadership.leaseDueMs = now.ms + delayMs;
  out.setTimer('lease', delayMs);
}

/**
 * How long this node was stopped, as far as its look at the lease tells by coming late. Meanwhile
 * it could neither ask nor hear, so the silence of that time was its own.
 */
function stoppedMs(leadership: Leadership, now: Now): number {
  const lateMs = now.ms - leadership.leaseDueMs;
  return lateMs < MIN_LEASE_CHECK_MS ? 0 : lateMs;
}

/**
 * A leader that cannot see a quorum steps down (thesis §6.2). The lease guards liveness only: it
 * never stands in for the quorum of a read. One that was stopped itself asks once more before it
 * gives up an office in which nobody has doubted it. Go: `checkLeaderLease`.
 */
export function onLeaseTimeout(node: NodeState, now: Now, out: Effects): void {
  const { leadership, config } = node;
  if (leadership === null) return;
  const leaseMs = config.leaderLeaseTimeoutMs;
  const ownMs = stoppedMs(leadership, now);
  let contacted = 0;
  let longestSilenceMs = 0;
  for (const { id } of votersOf(node.configurations.latest)) {
    if (id === node.self.id) {
      contacted += 1;
      continue;
    }
    const peer = leadership.peers.get(id);
    if (peer === undefined) continue;
    const silenceMs = now.ms - peer.lastContactMs;
    out.note('raft.leader.lastContact', silenceMs);
    if (silenceMs - ownMs <= leaseMs) {
      contacted += 1;
      longestSilenceMs = Math.max(longestSilenceMs, silenceMs - ownMs);
    } else {
      // Fault: a voter is silent
      const fields = { 'server-id': id, time: formatDuration(silenceMs) };
      if (silenceMs <= 3 * leaseMs) node.log.warn(fields, 'failed to contact');
      else node.log.debug(fields, 'failed to contact');
    }
  }
  if (contacted < quorumSize(node.configurations.latest)) {
    // Fault: most voters are silent
    node.log.warn({}, 'failed to contact quorum of nodes, stepping down');
    out.note('raft.transition.leader_lease_timeout', 1);
    becomeFollower(node, now, out);
    return;
  }
  const leastMs = ownMs === 0 ? MIN_LEASE_CHECK_MS : beatIntervalMs(config.heartbeatTimeoutMs);
  armLease(leadership, Math.max(leaseMs - longestSilenceMs, leastMs), now, out);
}
