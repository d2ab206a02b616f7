import { utf8ToString } from '../../internal/bytes.ts';
import type { Configuration } from '../configuration.ts';
import { decodeConfiguration, decodePeers } from '../configuration-codec.ts';
import { asError, RaftError } from '../errors.ts';
import { type InstallSnapshotRequest, InstallSnapshotResponse } from '../messages.ts';
import { SnapshotVersionMax } from '../snapshot.ts';
import { RaftState } from '../state.ts';
import type { Effects } from './effect.ts';
import type { Now, Outcome, Ticket } from './input.ts';
import type { NodeState } from './node.ts';
import { becomeFollower, setLeader } from './role.ts';
import { adoptTerm } from './term.ts';

function answer(node: NodeState, ticket: Ticket, success: boolean, out: Effects): void {
  const fields = { term: node.currentTerm, success };
  out.push({ kind: 'reply', ticket, reply: new InstallSnapshotResponse(fields) });
}

/** The membership a snapshot comes with, and the index at which it was written. */
function configurationIn(
  node: NodeState,
  request: InstallSnapshotRequest,
): { readonly configuration: Configuration; readonly index: number } {
  if (request.snapshotVersion > 0) {
    const configuration = decodeConfiguration(request.configuration ?? new Uint8Array());
    return { configuration, index: request.configurationIndex };
  }
  try {
    const configuration = decodePeers(request.peers ?? new Uint8Array(), node.self);
    return { configuration, index: request.lastLogIndex };
  } catch (error) {
    const { message } = asError(error);
    throw new RaftError('ERR_MALFORMED_REQUEST', `failed to decode peers: ${message}`);
  }
}

/** What is wrong with a request that no correct leader sends; null when nothing is. */
function faultOf(request: InstallSnapshotRequest): RaftError | null {
  const { term, lastLogTerm, lastLogIndex, configurationIndex, size } = request;
  const possible =
    lastLogTerm <= term && configurationIndex <= lastLogIndex && lastLogIndex > 0 && size >= 0;
  if (possible) return null;
  return new RaftError(
    'ERR_MALFORMED_REQUEST',
    `expected a snapshot that a leader of term ${term} can have, got last entry ${lastLogIndex} ` +
      `of term ${lastLogTerm}, configuration at ${configurationIndex}, ${size} bytes`,
  );
}

/**
 * InstallSnapshot receiver (§7). The main lane is held from the header to the reply: nothing may be
 * appended to a log that is about to be replaced.
 */
export function onInstallSnapshot(
  node: NodeState,
  request: InstallSnapshotRequest,
  ticket: Ticket,
  now: Now,
  out: Effects,
): void {
  const { snapshotVersion: version } = request;
  if (version < 0 || version > SnapshotVersionMax) {
    const error = new RaftError(
      'ERR_UNSUPPORTED_SNAPSHOT',
      `unsupported snapshot version ${version}`,
    );
    return out.push({ kind: 'replyError', ticket, error });
  }
  const malformed = faultOf(request);
  if (malformed !== null) return out.push({ kind: 'replyError', ticket, error: malformed });
  if (request.term < node.currentTerm) {
    node.log.info(
      { 'request-term': request.term, 'current-term': node.currentTerm },
      'ignoring installSnapshot request with older term than current term',
    );
    return answer(node, ticket, false, out);
  }
  if (request.term > node.currentTerm || node.role !== RaftState.Follower) {
    becomeFollower(node, now, out);
    adoptTerm(node, request.term, out);
  }
  const { addr, id } = request.rpcHeader;
  const encoded = addr !== null && addr.length > 0 ? addr : request.leader;
  setLeader(node, node.self.decodePeer(encoded ?? new Uint8Array()), utf8ToString(id), out);

  if (request.lastLogIndex <= node.lastApplied && !replacesOurs(node, request)) {
    // Fault: everything in it is here already; going back to it would undo what was applied since.
    out.push({ kind: 'drainSnapshot', ticket });
    node.lastContactMs = now.ms;
    return answer(node, ticket, true, out);
  }
  receive(node, request, ticket, out);
}

/**
 * True when our snapshot is no part of the leader's log, for what the leader has at or before its
 * end is younger: ours is of a user restore that was cut off, and gives way to the leader's.
 */
function replacesOurs(node: NodeState, { lastLogIndex, lastLogTerm }: InstallSnapshotRequest) {
  return lastLogIndex <= node.snapshotIndex && lastLogTerm > node.snapshotTerm;
}

function receive(
  node: NodeState,
  request: InstallSnapshotRequest,
  ticket: Ticket,
  out: Effects,
): void {
  let membership: ReturnType<typeof configurationIn>;
  try {
    membership = configurationIn(node, request);
  } catch (error) {
    return out.push({ kind: 'replyError', ticket, error: asError(error) });
  }
  node.installation = {
    ticket,
    index: request.lastLogIndex,
    term: request.lastLogTerm,
    configuration: membership.configuration,
    configurationIndex: membership.index,
  };
  out.push({
    kind: 'receiveSnapshot',
    ticket,
    version: SnapshotVersionMax,
    index: request.lastLogIndex,
    term: request.lastLogTerm,
    configuration: membership.configuration,
    configurationIndex: membership.index,
    size: request.size,
  });
}

/** The snapshot is complete and durable in the store, or was thrown away. */
export function onSnapshotReceived(
  node: NodeState,
  outcome: Outcome<{ readonly id: string }>,
  out: Effects,
): void {
  const { installation } = node;
  if (installation === null) return;
  if (outcome.reply === undefined) {
    node.installation = null;
    // Fault: a snapshot breaks off
    out.push({ kind: 'replyError', ticket: installation.ticket, error: outcome.error });
    return;
  }
  const { index, term } = installation;
  out.push({ kind: 'restoreSnapshot', id: outcome.reply.id, index, term });
}

/**
 * The FSM holds the snapshot's state. The log behind it is kept when the snapshot's last entry is
 * in it with the same term, and is otherwise dropped whole: a suffix that contradicts the snapshot
 * would be refused for ever (upstream #697).
 */
export function onSnapshotRestored(node: NodeState, now: Now, out: Effects): void {
  const { installation } = node;
  if (installation === null) return;
  node.installation = null;
  const { index, term, configuration, configurationIndex, ticket } = installation;
  const keepsSuffix = node.terms.termAt(index) === term;

  node.snapshotIndex = index;
  node.snapshotTerm = term;
  node.lastApplied = index;
  node.commitIndex = Math.max(node.commitIndex, index);
  const { configurations } = node;
  if (!keepsSuffix || configurations.committedIndex < configurationIndex) {
    configurations.committed = configuration;
    configurations.committedIndex = configurationIndex;
  }
  if (!keepsSuffix || configurations.latestIndex <= index) {
    configurations.latest = configuration;
    configurations.latestIndex = configurationIndex;
    configurations.committed = configuration;
    configurations.committedIndex = configurationIndex;
  }
  if (keepsSuffix) {
    compactBehind(node, index, out);
  } else {
    // Fault: the log is no part of the snapshot
    node.terms.truncateFrom(0);
    node.commitIndex = index;
    node.log.info({}, 'removing all old logs from log store');
    out.push({ kind: 'dropLog' });
  }
  node.log.info({}, 'Installed remote snapshot');
  node.lastContactMs = now.ms;
  answer(node, ticket, true, out);
}

/** Forgets the head that the snapshot covers, except what slow followers may want one day. */
function compactBehind(node: NodeState, index: number, out: Effects): void {
  const upTo = Math.min(index, node.terms.lastIndex - node.config.trailingLogs);
  if (upTo < node.terms.firstIndex) return;
  node.terms.forgetUpTo(upTo);
  out.push({ kind: 'compactLog', upTo });
}
