import { formatDuration } from '../../internal/duration.ts';
import { quorumSize, votersOf } from '../configuration.ts';
import type { Effects } from './effect.ts';
import { beat } from './heartbeat.ts';
import type { Now } from './input.ts';
import type { Leadership } from './leader.ts';
import type { NodeState } from './node.ts';
import { becomeFollower } from './role.ts';
import { beatIntervalMs, MIN_LEASE_CHECK_MS } from './timeouts.ts';

/** A loop that turns hears its timers sooner than this; one that does not was stopped. */
const STOP_MS = 10;

/** Looks at the lease again after `delayMs`. */
export function armLease(delayMs: number, out: Effects): void {
  out.setTimer('lease', delayMs);
}

/**
 * A leader that cannot see a quorum steps down (thesis §6.2). The lease guards liveness only: it
 * never stands in for the quorum of a read. One whose timer rang `lateMs` late was stopped for that
 * time, in which it could neither ask nor hear: it asks again before it gives up an office that
 * nobody may have doubted. Go: `checkLeaderLease`.
 */
export function onLeaseTimeout(node: NodeState, lateMs: number, now: Now, out: Effects): void {
  const { leadership, config } = node;
  if (leadership === null) return;
  const leaseMs = config.leaderLeaseTimeoutMs;
  let contacted = 0;
  let unasked = 0;
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
    } else if (lateMs >= STOP_MS && silenceMs - lateMs <= leaseMs) {
      unasked += 1;
    } else {
      // Fault: a voter is silent
      const fields = { 'server-id': id, time: formatDuration(silenceMs) };
      if (silenceMs <= 3 * leaseMs) node.log.warn(fields, 'failed to contact');
      else node.log.debug(fields, 'failed to contact');
    }
  }
  const quorum = quorumSize(node.configurations.latest);
  if (contacted >= quorum) armLease(Math.max(leaseMs - longestSilenceMs, MIN_LEASE_CHECK_MS), out);
  else if (contacted + unasked >= quorum) askAgain(node, leadership, out);
  else {
    // Fault: most voters are silent
    node.log.warn({}, 'failed to contact quorum of nodes, stepping down');
    out.note('raft.transition.leader_lease_timeout', 1);
    becomeFollower(node, now, out);
  }
}

/** Gives the voters as long to answer as a heartbeat may be apart from the next. */
function askAgain(node: NodeState, leadership: Leadership, out: Effects): void {
  // Fault: this node was stopped
  for (const peer of leadership.peers.values()) beat(node, leadership, peer, out);
  const { heartbeatTimeoutMs, leaderLeaseTimeoutMs } = node.config;
  const waitMs = Math.min(2 * beatIntervalMs(heartbeatTimeoutMs), leaderLeaseTimeoutMs);
  armLease(Math.max(waitMs, MIN_LEASE_CHECK_MS), out);
}
