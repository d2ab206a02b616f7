import type { Invariant, NodeView } from '../court.ts';
import type { DiskWrite } from '../disk-image.ts';
import type { Facts } from '../facts.ts';

/** The highest index that `write` would take from the disk, 0 for none. */
function highestTaken(node: NodeView, write: DiskWrite): number {
  const { durable } = node.disk;
  if (write.kind === 'delete') {
    const max = Math.min(write.max, durable.lastIndex);
    return max >= Math.max(write.min, durable.firstIndex) ? max : 0;
  }
  return write.kind === 'replace' && write.from <= durable.lastIndex ? durable.lastIndex : 0;
}

/** True when the disk has the committed entry of that index and no snapshot instead of it. */
function isNeeded(facts: Facts, node: NodeView, index: number): boolean {
  const { durable } = node.disk;
  if (index === 0 || durable.snapshotIndex >= index) return false;
  return durable.entry(index)?.term === facts.committedAt(index)?.term;
}

/**
 * A committed entry that was on a disk stays there until a snapshot on that disk covers it, whether
 * a tail is cut, a head is forgotten or an entry is overwritten.
 */
export const committedNeverCut: Invariant = {
  name: 'committed-never-cut',
  source: 'Raft paper, §5.4.3 and §7; thesis, §5.1',
  watch(facts, violated) {
    return {
      writeSynced(node, write) {
        const index = Math.min(highestTaken(node, write), facts.committedUpTo);
        const kept =
          write.kind === 'replace' &&
          write.logs.some(
            (log) => log.index === index && log.term === facts.committedAt(index)?.term,
          );
        const min = write.kind === 'delete' ? write.min : write.kind === 'replace' ? write.from : 0;
        if (index >= min && !kept && isNeeded(facts, node, index)) {
          violated(`${node.id} cuts entry ${index}, committed and in no snapshot of its`);
        }
        if (write.kind !== 'store') return;
        for (const log of write.logs) {
          const overwrites = log.term !== facts.committedAt(log.index)?.term;
          if (overwrites && log.index <= facts.committedUpTo && isNeeded(facts, node, log.index)) {
            violated(`${node.id} overwrites entry ${log.index}, which is committed`);
          }
        }
      },
    };
  },
};
