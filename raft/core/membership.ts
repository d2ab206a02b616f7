import { assert } from '../../internal/assert.ts';
import {
  type Configuration,
  type ConfigurationChange,
  configurationChangeCommandToString,
  formatServers,
  hasVote,
  inConfiguration,
  nextConfiguration,
} from '../configuration.ts';
import {
  decodeConfiguration,
  decodePeers,
  encodeConfiguration,
  encodePeers,
} from '../configuration-codec.ts';
import { asError, ErrLeadershipTransferInProgress, ErrNotLeader } from '../errors.ts';
import { type Log, LogType } from '../log.ts';
import type { Effects } from './effect.ts';
import { beat } from './heartbeat.ts';
import type { Now, Proposal, Ticket } from './input.ts';
import type { Leadership } from './leader.ts';
import type { NodeState } from './node.ts';
import { Progress } from './progress.ts';
import { dispatch } from './proposal.ts';
import { fallBack, replicate, stopReplication } from './replication.ts';
import { answerConfirmed } from './verify-leader.ts';

/** The configuration that an entry carries; null for an entry that carries none. */
export function configurationOf(node: NodeState, entry: Log): Configuration | null {
  const bytes = entry.data ?? new Uint8Array();
  if (entry.type === LogType.LogConfiguration) return decodeConfiguration(bytes);
  if (
    entry.type === LogType.LogAddPeerDeprecated ||
    entry.type === LogType.LogRemovePeerDeprecated
  ) {
    return decodePeers(bytes, node.self);
  }
  return null;
}

/** A configuration is in force as soon as it is appended (§6); the one before it is committed. */
export function noteConfiguration(node: NodeState, entry: Log): void {
  const configuration = configurationOf(node, entry);
  if (configuration === null) return;
  const { configurations } = node;
  configurations.committed = configurations.latest;
  configurations.committedIndex = configurations.latestIndex;
  configurations.latest = configuration;
  configurations.latestIndex = entry.index;
}

/** The log was cut at `from`: a configuration behind that point never happened. */
export function truncateConfigurations(node: NodeState, from: number): void {
  const { configurations } = node;
  if (configurations.latestIndex < from) return;
  // Fault: a change of the membership is cut
  configurations.latest = configurations.committed;
  configurations.latestIndex = configurations.committedIndex;
}

/** The commit index moved: a latest configuration at or below it is committed. */
export function settleConfiguration(node: NodeState): void {
  const { configurations } = node;
  if (configurations.latestIndex > node.commitIndex) return;
  configurations.committed = configurations.latest;
  configurations.committedIndex = configurations.latestIndex;
}

/**
 * True when a change may be taken: the change before it is committed, and so is an entry of this
 * term (the fix of the thesis' single-server changes), and no restore is under way. Others wait
 * their turn.
 */
export function acceptsConfigurationChange(node: NodeState): boolean {
  const { leadership, configurations } = node;
  if (leadership === null || leadership.transfer !== null) return true; // to be refused at once
  return (
    configurations.latestIndex === configurations.committedIndex &&
    node.commitIndex >= leadership.commitment.startIndex &&
    leadership.restore === null
  );
}

/**
 * The entry that writes a configuration down, in the form of the protocol version: before
 * `knownSince` an entry is a list of the voters' addresses, and servers have no names.
 */
export function configurationProposal(
  node: NodeState,
  configuration: Configuration,
  knownSince = 2,
): Proposal {
  const legacy = node.config.protocolVersion < knownSince;
  return {
    type: legacy ? LogType.LogRemovePeerDeprecated : LogType.LogConfiguration,
    data: legacy ? encodePeers(configuration, node.self) : encodeConfiguration(configuration),
    extensions: null,
  };
}

/**
 * Changes the membership by one server (§6, thesis chapter 4): in force when appended, answered
 * when committed. Go: `appendConfigurationEntry`.
 */
export function onChangeConfiguration(
  node: NodeState,
  change: ConfigurationChange,
  ticket: Ticket,
  now: Now,
  out: Effects,
): void {
  const { leadership, configurations } = node;
  if (leadership === null) {
    out.push({ kind: 'settleError', ticket, error: ErrNotLeader });
    return;
  }
  if (leadership.transfer !== null) {
    out.push({ kind: 'settleError', ticket, error: ErrLeadershipTransferInProgress });
    return;
  }
  assert(acceptsConfigurationChange(node), 'only one change of the membership at a time');
  let next: Configuration;
  try {
    next = nextConfiguration(configurations.latest, configurations.latestIndex, change);
  } catch (error) {
    out.push({ kind: 'settleError', ticket, error: asError(error) });
    return;
  }
  node.log.info(
    {
      command: configurationChangeCommandToString(change.command),
      'server-id': change.serverID,
      'server-addr': change.serverAddress,
      servers: formatServers(next.servers),
    },
    'updating configuration',
  );
  const index = dispatch(node, leadership, [configurationProposal(node, next)], [], now, out);
  out.push({ kind: 'bindEntry', ticket, index });
  if (leadership.commitment.setConfiguration(next)) {
    out.push({ kind: 'post', input: { kind: 'commitAdvanced', leadership } });
  }
  updatePeers(node, leadership, now, out);
  for (const peer of leadership.peers.values()) replicate(node, leadership, peer, out);
  answerConfirmed(node, leadership, out);
}

/**
 * Replicates to every server of the latest configuration and to no other. Go:
 * `startStopReplication`.
 */
export function updatePeers(node: NodeState, leadership: Leadership, now: Now, out: Effects): void {
  const { latest } = node.configurations;
  for (const server of latest.servers) {
    if (server.id === node.self.id) continue;
    const known = leadership.peers.get(server.id);
    if (known === undefined) {
      node.log.info({ peer: server.id }, 'added peer, starting replication');
      const peer = new Progress(server, node.terms.lastIndex + 1, now.ms);
      peer.nextIndex = Math.max(peer.nextIndex, node.snapshotIndex + 1);
      peer.sendIndex = peer.nextIndex;
      leadership.peers.set(server.id, peer);
      out.push({
        kind: 'observe',
        data: { kind: 'PeerObservation', removed: false, peer: server },
      });
      beat(node, leadership, peer, out);
      continue;
    }
    if (known.server.address !== server.address) {
      node.log.info({ peer: server.id }, 'updating peer');
      fallBack(known, out);
      known.poked = true;
    }
    known.server = server;
  }
  out.note('raft.peers', latest.servers.length);
  for (const [id, peer] of leadership.peers) {
    if (inConfiguration(latest, id)) continue;
    const lastIndex = node.terms.lastIndex;
    node.log.info({ peer: id, 'last-index': lastIndex }, 'removed peer, stopping replication');
    leadership.peers.delete(id);
    const data = { kind: 'PeerObservation', removed: true, peer: peer.server } as const;
    out.push({ kind: 'observe', data });
    stopReplication(node, leadership, peer, lastIndex, out);
  }
}

/** True when a change that ends the leader's own vote was committed after `before`. */
export function leaderWasRemoved(node: NodeState, before: number): boolean {
  const { committed, committedIndex, latestIndex } = node.configurations;
  if (committedIndex !== latestIndex || committedIndex <= before) return false;
  return !hasVote(committed, node.self.id);
}
