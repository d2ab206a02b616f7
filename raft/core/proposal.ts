import { ErrLeadershipTransferInProgress, ErrNotLeader } from '../errors.ts';
import type { Log } from '../log.ts';
import { LogType } from '../log.ts';
import type { Effects } from './effect.ts';
import type { Now, Proposal } from './input.ts';
import type { Leadership } from './leader.ts';
import { noteConfiguration } from './membership.ts';
import { lastIndexOf, type NodeState } from './node.ts';
import { replicate } from './replication.ts';

/**
 * Gives proposals a place in the log, or refuses them all. Go: the `applyCh` case of `leaderLoop`.
 */
export function onPropose(
  node: NodeState,
  proposals: readonly Proposal[],
  now: Now,
  out: Effects,
): void {
  const { leadership } = node;
  if (leadership === null) {
    out.push({ kind: 'refuse', proposals, error: ErrNotLeader });
  } else if (leadership.transfer !== null) {
    out.push({ kind: 'refuse', proposals, error: ErrLeadershipTransferInProgress });
  } else {
    dispatch(node, leadership, proposals, proposals, now, out);
  }
}

/**
 * Appends a batch to the leader's log (§5.3): consecutive indexes, the term of this leadership, one
 * time for all. The leader's own write runs beside replication (thesis §10.2.1) and counts only
 * when the disk has answered. Returns the last index. Go: `dispatchLogs`.
 */
export function dispatch(
  node: NodeState,
  leadership: Leadership,
  batch: readonly Proposal[],
  proposals: readonly Proposal[],
  now: Now,
  out: Effects,
): number {
  const first = lastIndexOf(node) + 1;
  const { term } = leadership;
  const appendedAt = now.wall;
  const entries: Log[] = new Array<Log>(batch.length);
  let index = first;
  for (const { type, data, extensions } of batch) {
    const entry: Log = { index, term, type, data, extensions, appendedAt };
    entries[index - first] = entry;
    index += 1;
  }
  node.terms.append(first, index - 1, term);
  for (const entry of entries) {
    if (entry.type !== LogType.LogCommand) noteConfiguration(node, entry);
  }
  out.push({ kind: 'startAppend', leadership, entries, proposals });
  for (const peer of leadership.peers.values()) replicate(node, leadership, peer, out);
  return index - 1;
}
