import { RaftState } from '../../../raft/state.ts';
import type { Invariant } from '../court.ts';

/** A node that was told of damage ends in the same breath; this much is for those who stop it. */
const GRACE_MS = 50;

/**
 * A node whose store has told it that an entry is not what was written stops: it does not go on
 * with a log that it cannot read, and does not ask the disk again and again.
 */
export const damageStopsTheNode: Invariant = {
  name: 'damage-stops-the-node',
  source:
    'Alagappan et al., "Protocol-Aware Recovery for Consensus-Based Storage", FAST 2018, §2.3',
  watch(_facts, violated) {
    return {
      stepped({ id, disk, raft }, nowMs) {
        if (disk.damageSeenMs === null || raft === null) return;
        if (raft.state() !== RaftState.Shutdown && nowMs > disk.damageSeenMs + GRACE_MS) {
          violated(`${id} goes on although its log is damaged`);
        }
      },
    };
  },
};
