import type { Effects } from './effect.ts';
import type { NodeState } from './node.ts';

/**
 * All servers (§5.3): what is committed goes to the FSM, in order. `lastApplied` says what was
 * handed over, not what the FSM has finished. Go: `processLogs`.
 */
export function handOver(node: NodeState, out: Effects): void {
  if (node.commitIndex <= node.lastApplied) return;
  node.lastApplied = node.commitIndex;
  out.push({ kind: 'apply', upTo: node.commitIndex });
}
