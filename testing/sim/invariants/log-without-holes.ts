import type { Invariant } from '../court.ts';

/** Snapshot and log of a disk touch: no index between them, or within the log, is missing. */
export const logWithoutHoles: Invariant = {
  name: 'log-without-holes',
  source: 'Raft paper, §5.3 (the log is a sequence) and §7 (it begins where the snapshot ends)',
  watch(_facts, violated) {
    return {
      writeSynced({ id, disk }, write) {
        const { durable } = disk;
        if (write.kind === 'store' || write.kind === 'replace') {
          const first = write.logs[0]?.index ?? 0;
          const cut = write.kind === 'replace' ? write.from - 1 : durable.lastIndex;
          const end = Math.max(Math.min(cut, durable.lastIndex), durable.snapshotIndex);
          if (first > end + 1) violated(`${id} stores entry ${first} behind ${end}`);
          const gap = write.logs.findIndex(({ index }, i) => index !== first + i);
          if (gap !== -1) violated(`${id} stores entries of which number ${gap} is missing`);
        }
        if (write.kind === 'delete' && durable.lastIndex > 0) {
          const isInside = write.min > durable.firstIndex && write.max < durable.lastIndex;
          const isHead = write.min <= durable.firstIndex && write.max < durable.lastIndex;
          if (isInside) violated(`${id} deletes ${write.min} to ${write.max}, inside its log`);
          if (isHead && write.max > durable.snapshotIndex) {
            violated(`${id} forgets its log up to ${write.max}, its snapshot ends before`);
          }
        }
      },
    };
  },
};
