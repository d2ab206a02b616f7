import { cappedBackoffMs } from '../../internal/backoff.ts';
import { AppendEntriesRequest, type AppendEntriesResponse } from '../messages.ts';
import type { Effects } from './effect.ts';
import type { Outcome } from './input.ts';
import type { Leadership } from './leader.ts';
import type { NodeState } from './node.ts';
import type { Progress } from './progress.ts';
import { noteContact, reportNewerTerm } from './replication.ts';
import { beatIntervalMs, FAILURE_WAIT_MS, MAX_FAILURE_SCALE, randomTimeoutMs } from './timeouts.ts';
import { confirmRound } from './verify-leader.ts';

/**
 * Sends a heartbeat (§5.2), or remembers to send one when the one in flight is answered. Heartbeats
 * have their own path, beside the log's, so that a follower busy with its disk still hears its
 * leader. They carry no entries and no commit index. Go: `heartbeat`.
 */
export function beat(node: NodeState, leadership: Leadership, peer: Progress, out: Effects): void {
  if (peer.leaving) return;
  if (peer.beating) {
    peer.beatWanted = true;
    return;
  }
  peer.beating = true;
  peer.beatWanted = false;
  leadership.round += 1;
  const { self } = node;
  const request = new AppendEntriesRequest({
    rpcHeader: self.header,
    term: leadership.term,
    leader: self.encodePeer(self.id, self.address),
  });
  out.push({ kind: 'sendHeartbeat', leadership, peer, round: leadership.round, request });
}

/** Handles the answer to a heartbeat, and sets when the next is due. */
export function onHeartbeatReply(
  node: NodeState,
  leadership: Leadership,
  peer: Progress,
  sent: { readonly round: number; readonly sentAtMs: number },
  outcome: Outcome<AppendEntriesResponse>,
  out: Effects,
): void {
  peer.beating = false;
  if (peer.leaving) return;
  const { reply } = outcome;
  if (reply === undefined) {
    // Fault: a heartbeat that is not answered
    beatFailed(node, leadership, peer, outcome.error, out);
    return;
  }
  noteContact(peer, sent.sentAtMs);
  if (peer.beatFailures > 0) {
    // Fault: a follower is back
    peer.beatFailures = 0;
    const data = { kind: 'ResumedHeartbeatObservation', peerID: peer.server.id } as const;
    out.push({ kind: 'observe', data });
  }
  if (reply.term > leadership.term) {
    // Fault: a heartbeat tells of a newer term
    reportNewerTerm(node, leadership, peer, reply.term, out);
    return;
  }
  if (reply.success) confirmRound(node, leadership, peer, sent.round, out);
  if (peer.beatWanted) beat(node, leadership, peer, out);
  else {
    const intervalMs = beatIntervalMs(node.config.heartbeatTimeoutMs);
    out.setPeerTimer(leadership, peer, 'beat', randomTimeoutMs(node.random, intervalMs));
  }
}

function beatFailed(
  node: NodeState,
  leadership: Leadership,
  peer: Progress,
  error: Error,
  out: Effects,
): void {
  const capMs = node.config.heartbeatTimeoutMs / 2;
  const waitMs = cappedBackoffMs(FAILURE_WAIT_MS, peer.beatFailures, MAX_FAILURE_SCALE, capMs);
  peer.beatFailures += 1;
  node.log.error(
    { peer: peer.server.address, 'backoff time': `${waitMs}ms`, error },
    'failed to heartbeat to',
  );
  out.push({
    kind: 'observe',
    data: {
      kind: 'FailedHeartbeatObservation',
      peerID: peer.server.id,
      lastContactMs: peer.lastContactMs,
    },
  });
  out.setPeerTimer(leadership, peer, 'beat', waitMs);
}
