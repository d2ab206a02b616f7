import type { Effects } from './effect.ts';
import type { NodeState } from './node.ts';

/**
 * A local snapshot was written. What it covers may be forgotten, except the last `trailingLogs`
 * entries and except what is not on the disk yet: the head is never cut beyond
 * min(snapshot, durable last - trailing). A snapshot that finishes after a newer one was installed
 * changes nothing (upstream #248 still puts the index back). Go: `compactLogs`.
 */
export function onSnapshotTaken(
  node: NodeState,
  index: number,
  term: number,
  durableIndex: number,
  out: Effects,
): void {
  if (index < node.snapshotIndex) return;
  node.snapshotIndex = index;
  node.snapshotTerm = term;
  const lastDurable = Math.min(durableIndex, node.terms.lastIndex);
  const upTo = Math.min(index, lastDurable - node.config.trailingLogs);
  const { firstIndex } = node.terms;
  if (firstIndex === 0 || upTo < firstIndex) {
    node.log.info({}, 'no logs to truncate');
    return;
  }
  node.log.info({ from: firstIndex, to: upTo }, 'compacting logs');
  node.terms.forgetUpTo(upTo);
  out.push({ kind: 'compactLog', upTo });
}
