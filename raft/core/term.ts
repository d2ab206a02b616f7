import type { Effects } from './effect.ts';
import type { Now } from './input.ts';
import type { NodeState } from './node.ts';
import { becomeFollower } from './role.ts';

/** Moves to `term` and has it saved; the vote of an older term means nothing from here on. */
export function adoptTerm(node: NodeState, term: number, out: Effects): void {
  if (term === node.currentTerm) return;
  node.currentTerm = term;
  out.persistHardState(term, null);
}

/**
 * Rule for all servers (§5.1): whoever sees a newer term follows. The role changes first and the
 * term is saved next, both before any answer.
 */
export function followNewerTerm(node: NodeState, term: number, now: Now, out: Effects): void {
  becomeFollower(node, now, out);
  adoptTerm(node, term, out);
}
