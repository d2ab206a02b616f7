import { utf8ToString } from '../../internal/bytes.ts';
import { asError, RaftError } from '../errors.ts';
import { type Log, LogType } from '../log.ts';
import { type AppendEntriesRequest, AppendEntriesResponse } from '../messages.ts';
import { RaftState } from '../state.ts';
import { handOver } from './apply.ts';
import type { Effects } from './effect.ts';
import type { Now, Ticket } from './input.ts';
import {
  configurationOf,
  noteConfiguration,
  settleConfiguration,
  truncateConfigurations,
} from './membership.ts';
import { lastEntryOf, lastIndexOf, type NodeState, termOf } from './node.ts';
import { becomeFollower, setLeader } from './role.ts';
import { adoptTerm } from './term.ts';

/** What receiving the entries came to. */
type Verdict = 'accepted' | 'fatal';

/**
 * AppendEntries receiver (§5.3), in the order of figure 2: 1 older term, 2 previous entry, 3 cut a
 * conflict, 4 append what is new, 5 follow the commit index. The answer stands behind the disk.
 */
export function onAppendEntries(
  node: NodeState,
  request: AppendEntriesRequest,
  ticket: Ticket,
  now: Now,
  out: Effects,
): void {
  const lastLog = lastIndexOf(node);
  const answer = (success: boolean, noRetryBackoff: boolean): void => {
    const { header } = node.self;
    const fields = { rpcHeader: header, term: node.currentTerm, lastLog, success, noRetryBackoff };
    out.push({ kind: 'reply', ticket, reply: new AppendEntriesResponse(fields) });
  };
  if (request.term < node.currentTerm) return answer(false, false); // Fault: an old leader
  const malformed = faultOf(node, request);
  if (malformed !== null) return out.push({ kind: 'replyError', ticket, error: malformed });

  followSender(node, request, now, out);
  if (contradictsSnapshot(node, request)) {
    out.push({ kind: 'fatal', error: snapshotContradicted(node, request.term) });
    return;
  }
  if (!previousMatches(node, request)) return answer(false, true);
  const verdict = receiveEntries(node, request, out);
  if (verdict === 'fatal') return;

  const lastNew = request.prevLogEntry + (request.entries?.length ?? 0);
  out.push({ kind: 'awaitDurable', index: Math.min(lastNew, node.terms.lastIndex) });
  followCommitIndex(node, request.leaderCommitIndex, lastNew, out);
  node.lastContactMs = now.ms;
  answer(true, false);
}

/** What is wrong with a request that no correct leader sends; null when nothing is. */
function faultOf(node: NodeState, request: AppendEntriesRequest): Error | null {
  let index = request.prevLogEntry;
  let term = request.prevLogTerm;
  for (const entry of request.entries ?? []) {
    index += 1;
    if (entry.index !== index || entry.term < term || entry.term > request.term) {
      return new RaftError(
        'ERR_MALFORMED_REQUEST',
        `expected entry ${index} of a term from ${term} to ${request.term}, ` +
          `got entry ${entry.index} of term ${entry.term}`,
      );
    }
    term = entry.term;
    try {
      configurationOf(node, entry);
    } catch (thrown) {
      const error = asError(thrown);
      node.log.warn({ index, error }, 'failed to append entry');
      return error;
    }
  }
  return null;
}

/** Whoever sends entries in this term or a newer one leads it. */
function followSender(
  node: NodeState,
  request: AppendEntriesRequest,
  now: Now,
  out: Effects,
): void {
  const newer = request.term > node.currentTerm;
  const rival = node.role !== RaftState.Follower;
  if (newer || rival) {
    becomeFollower(node, now, out);
    adoptTerm(node, request.term, out);
  }
  const { addr, id } = request.rpcHeader;
  const encoded = addr !== null && addr.length > 0 ? addr : request.leader;
  setLeader(node, node.self.decodePeer(encoded ?? new Uint8Array()), utf8ToString(id), out);
}

/**
 * True when the leader's log has, where our snapshot stands, what is younger than the snapshot.
 * Terms never fall along a log, so the snapshot is no part of that log: a user restore was cut off
 * before a quorum had it, and another leader has used its indexes.
 */
function contradictsSnapshot(node: NodeState, request: AppendEntriesRequest): boolean {
  const { prevLogEntry: previous, prevLogTerm } = request;
  if (previous > node.snapshotIndex) return false;
  const inside = Math.min(request.entries?.length ?? 0, node.snapshotIndex - previous);
  const youngest = request.entries?.[inside - 1]?.term ?? prevLogTerm;
  return youngest > node.snapshotTerm;
}

function snapshotContradicted(node: NodeState, term: number): RaftError {
  const { snapshotIndex: index, snapshotTerm } = node;
  return new RaftError(
    'ERR_SNAPSHOT_CONTRADICTED',
    `the leader of term ${term} has entries of its own where a snapshot of term ` +
      `${snapshotTerm} up to ${index} stands here: a restore that no quorum took. Remove this ` +
      "node's data and let it join again",
  );
}

/** Figure 2, step 2: our log must hold the entry just before the new ones. */
function previousMatches(node: NodeState, request: AppendEntriesRequest): boolean {
  const { prevLogEntry: index, prevLogTerm: remote } = request;
  // What a snapshot covers is committed, so the leader has the same.
  if (index === 0 || index < node.snapshotIndex) return true;
  const last = lastEntryOf(node);
  const ours = index === last.index ? last.term : termOf(node, index);
  if (ours === undefined) {
    // Fault: entries are missing here
    node.log.warn(
      { 'previous-index': index, 'last-index': last.index, error: 'log not found' },
      'failed to get previous log',
    );
    return false;
  }
  if (ours !== remote) {
    // Fault: the logs part before the new entries
    node.log.warn({ ours, remote }, 'previous log term mis-match');
    return false;
  }
  return true;
}

/** Figure 2, steps 3 and 4: skip what we have, cut what contradicts, append the rest. */
function receiveEntries(node: NodeState, request: AppendEntriesRequest, out: Effects): Verdict {
  const entries = request.entries ?? [];
  for (let at = 0; at < entries.length; at += 1) {
    const entry = entries[at];
    if (entry === undefined) continue;
    const ours = termOf(node, entry.index);
    const covered = ours === undefined && entry.index <= node.snapshotIndex;
    if (ours === entry.term || covered) continue; // Fault: it is here already
    const fresh = entries.slice(at);
    if (ours === undefined && entry.index > node.terms.lastIndex) {
      out.push({ kind: 'append', entries: fresh });
    } else {
      if (entry.index <= Math.max(node.commitIndex, node.lastApplied)) {
        out.push({ kind: 'fatal', error: conflictBelowCommit(node, entry, ours) });
        return 'fatal';
      }
      // Fault: the logs part among the new entries
      const { lastIndex } = node.terms;
      node.log.warn({ from: entry.index, to: lastIndex }, 'clearing log suffix');
      node.terms.truncateFrom(entry.index);
      truncateConfigurations(node, entry.index);
      out.push({ kind: 'replaceTail', from: entry.index, upTo: lastIndex, entries: fresh });
    }
    takeIn(node, fresh);
    return 'accepted';
  }
  return 'accepted';
}

/** Two leaders disagree on an entry that was committed: never answered by cutting it. */
function conflictBelowCommit(node: NodeState, entry: Log, ours: number | undefined): RaftError {
  return new RaftError(
    'ERR_COMMITTED_CONFLICT',
    `leader of term ${entry.term} contradicts entry ${entry.index}, which is committed here ` +
      `with term ${ours ?? 'unknown'} (commit index ${node.commitIndex})`,
  );
}

/** New entries are part of the log from here on; a configuration among them is in force. */
function takeIn(node: NodeState, entries: readonly Log[]): void {
  for (let at = 0; at < entries.length; ) {
    const first = at;
    const term = entries[first]?.term ?? 0;
    while (at < entries.length && entries[at]?.term === term) at += 1;
    const firstIndex = (entries[0]?.index ?? 0) + first;
    node.terms.append(firstIndex, firstIndex + (at - first) - 1, term);
  }
  for (const entry of entries) {
    if (entry.type !== LogType.LogCommand) noteConfiguration(node, entry);
  }
}

/**
 * Figure 2, step 5. The bound is the last entry that this request vouches for: entries behind it
 * may still contradict the leader's.
 */
function followCommitIndex(
  node: NodeState,
  leaderCommit: number,
  lastNew: number,
  out: Effects,
): void {
  const commitIndex = Math.min(leaderCommit, lastNew);
  if (commitIndex <= node.commitIndex) return;
  node.commitIndex = commitIndex;
  settleConfiguration(node);
  handOver(node, out);
}
