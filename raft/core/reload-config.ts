import { RaftState } from '../state.ts';
import type { Effects } from './effect.ts';
import { limitCandidacy } from './election.ts';
import { beat } from './heartbeat.ts';
import type { CoreConfig, NodeState } from './node.ts';

/** The part of the config that the rules read and that may change while they run. */
export type ReloadedConfig = Pick<
  CoreConfig,
  'heartbeatTimeoutMs' | 'electionTimeoutMs' | 'trailingLogs'
>;

/**
 * Takes new values over. A timer that runs keeps its end and takes the new value when it is set
 * next, except after a shorter heartbeat timeout: it would be a long wait by the new measure, so
 * followers look at once, and a leader shows at once that it is there. Go: `ReloadConfig`.
 */
export function onReloadConfig(node: NodeState, reloaded: ReloadedConfig, out: Effects): void {
  const { config } = node;
  const isShorter = reloaded.heartbeatTimeoutMs < config.heartbeatTimeoutMs;
  config.heartbeatTimeoutMs = reloaded.heartbeatTimeoutMs;
  config.electionTimeoutMs = reloaded.electionTimeoutMs;
  config.trailingLogs = reloaded.trailingLogs;
  if (!isShorter) return;
  const { leadership, candidacy, role } = node;
  if (leadership !== null) {
    for (const peer of leadership.peers.values()) beat(node, leadership, peer, out);
  }
  if (role === RaftState.Follower) out.setTimer('heartbeat', 0);
  if (candidacy !== null && candidacy.electionTimeoutMs !== config.electionTimeoutMs) {
    limitCandidacy(node, candidacy, out);
  }
}
