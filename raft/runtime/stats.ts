import { formatDuration } from '../../internal/duration.ts';
import { formatServers, hasVote, votersOf } from '../configuration.ts';
import type { NodeState } from '../core/node.ts';
import { ProtocolVersionMax, ProtocolVersionMin } from '../messages.ts';
import { SnapshotVersionMax, SnapshotVersionMin } from '../snapshot.ts';
import { RaftState, raftStateToString } from '../state.ts';
import type { Published } from './lanes.ts';

/** What `stats()` is made of. */
export interface StatsSource {
  readonly node: NodeState;
  readonly published: Published;
  readonly pendingBatches: number;
  readonly nowMs: number;
}

/** When the leader was last heard: "0" on the leader itself, "never", or a Go duration. */
function lastContact({ node, published, nowMs }: StatsSource): string {
  if (published.role === RaftState.Leader) return '0';
  if (node.lastContactMs === undefined) return 'never';
  return formatDuration(Math.max(0, nowMs - node.lastContactMs));
}

/** The node's numbers as strings, under hashicorp's keys. Go: `Stats`. */
export function statsOf(source: StatsSource): Record<string, string> {
  const { node, published, pendingBatches } = source;
  const { latest, latestIndex } = node.configurations;
  const self = node.self.id;
  const otherVoters = votersOf(latest).filter((server) => server.id !== self).length;
  return {
    state: raftStateToString(published.role),
    term: String(published.term),
    last_log_index: String(published.lastIndex),
    last_log_term: String(Math.max(node.terms.lastTerm, node.snapshotTerm)),
    commit_index: String(published.commitIndex),
    applied_index: String(published.lastApplied),
    fsm_pending: String(pendingBatches),
    last_snapshot_index: String(node.snapshotIndex),
    last_snapshot_term: String(node.snapshotTerm),
    protocol_version: String(node.config.protocolVersion),
    protocol_version_min: String(ProtocolVersionMin),
    protocol_version_max: String(ProtocolVersionMax),
    snapshot_version_min: String(SnapshotVersionMin),
    snapshot_version_max: String(SnapshotVersionMax),
    latest_configuration_index: String(latestIndex),
    latest_configuration: formatServers(latest.servers),
    num_peers: String(hasVote(latest, self) ? otherVoters : 0),
    last_contact: lastContact(source),
  };
}
