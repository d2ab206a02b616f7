import { formatDuration } from '../../internal/duration.ts';
import { quorumSize, votersOf } from '../configuration.ts';
import type { Effects } from './effect.ts';
import type { Now } from './input.ts';
import type { NodeState } from './node.ts';
import { becomeFollower } from './role.ts';
import { MIN_LEASE_CHECK_MS } from './timeouts.ts';

/** Looks at the lease again after `delayMs`. */
export function armLease(delayMs: number, out: Effects): void {
  out.setTimer('lease', delayMs);
}

/**
 * A leader that cannot see a quorum steps down (thesis §6.2). The lease guards liveness only: it
 * never stands in for the quorum of a read. Go: `checkLeaderLease`.
 */
export function onLeaseTimeout(node: NodeState, now: Now, out: Effects): void {
  const { leadership, config } = node;
  if (leadership === null) return;
  const leaseMs = config.leaderLeaseTimeoutMs;
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
    if (silenceMs <= leaseMs) {
      contacted += 1;
      longestSilenceMs = Math.max(longestSilenceMs, silenceMs);
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
  armLease(Math.max(leaseMs - longestSilenceMs, MIN_LEASE_CHECK_MS), out);
}
