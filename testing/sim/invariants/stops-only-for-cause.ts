import type { Invariant } from '../court.ts';

/**
 * A node stops by itself when it was removed, or when its disk has failed it or shows damage, never
 * because its own rules contradict each other.
 */
export const stopsOnlyForCause: Invariant = {
  name: 'stops-only-for-cause',
  source: 'Raft paper, §2 (a replicated state machine is available while a majority is)',
  watch(_facts, violated) {
    return {
      retired({ id, disk, stableDisk }, cause) {
        const hasReason = disk.hasFailed || stableDisk.hasFailed || disk.isDamaged;
        if (cause !== null && !hasReason) violated(`${id} stops: ${cause.message}`);
      },
    };
  },
};
