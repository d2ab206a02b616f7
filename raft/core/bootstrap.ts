import { type Configuration, checkConfiguration, hasVote } from '../configuration.ts';
import { asError, ErrCantBootstrap, ErrNotVoter } from '../errors.ts';
import type { Log } from '../log.ts';
import { RaftState } from '../state.ts';
import type { Effects } from './effect.ts';
import type { Now, Ticket } from './input.ts';
import { configurationProposal, noteConfiguration } from './membership.ts';
import { lastIndexOf, type NodeState } from './node.ts';

/**
 * True when nothing has ever been written here, or nothing but the term of a bootstrap that a crash
 * cut short: whoever has led or voted is beyond term 1. Go: `HasExistingState`.
 */
function isBrandNew(node: NodeState): boolean {
  return node.currentTerm <= 1 && node.vote === null && lastIndexOf(node) === 0;
}

/** Why this node cannot be bootstrapped with a configuration; null when it can. */
function objection(node: NodeState, configuration: Configuration): Error | null {
  if (node.role !== RaftState.Follower) return ErrCantBootstrap;
  if (!hasVote(configuration, node.self.id)) return ErrNotVoter;
  try {
    checkConfiguration(configuration);
  } catch (error) {
    return asError(error);
  }
  return isBrandNew(node) ? null : ErrCantBootstrap;
}

/**
 * The very first entry of a cluster, written by a running node: term 1, index 1, the configuration.
 * Every server that is bootstrapped must be given the same one. Go: `liveBootstrap`.
 */
export function onBootstrap(
  node: NodeState,
  configuration: Configuration,
  ticket: Ticket,
  now: Now,
  out: Effects,
): void {
  const error = objection(node, configuration);
  if (error !== null) return out.push({ kind: 'settleError', ticket, error });
  // One version later than for a change: servers of version 1 may read this log.
  const proposal = configurationProposal(node, configuration, 3);
  const entry: Log = { index: 1, term: 1, ...proposal, appendedAt: now.wall };
  node.currentTerm = 1;
  out.persistHardState(1, null);
  node.terms.append(1, 1, 1);
  noteConfiguration(node, entry);
  out.push({ kind: 'append', entries: [entry] });
  out.push({ kind: 'settle', ticket, value: undefined });
}
