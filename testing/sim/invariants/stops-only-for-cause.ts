import { RaftError } from '../../../raft/errors.ts';
import type { Invariant } from '../court.ts';

/**
 * A node stops by itself when it was removed, when its disk has failed it or shows damage, or when
 * it holds a user restore that no quorum took; never because its own rules contradict each other.
 */
export const stopsOnlyForCause: Invariant = {
  name: 'stops-only-for-cause',
  source: 'Raft paper, §2 (a replicated state machine is available while a majority is)',
  watch(_facts, violated) {
    return {
      retired({ id, disk, stableDisk }, cause) {
        const hasReason = disk.hasFailed || stableDisk.hasFailed || disk.isDamaged;
        const isRival = cause instanceof RaftError && cause.code === 'ERR_SNAPSHOT_CONTRADICTED';
        if (cause !== null && !hasReason && !isRival) violated(`${id} stops: ${cause.message}`);
      },
    };
  },
};
