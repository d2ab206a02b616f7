import { RaftState } from '../../../raft/state.ts';
import type { Invariant } from '../court.ts';

/** `Config.diskTimeout` of the simulated nodes is 10 s; the rest is for those who stop the node. */
const LIMIT_MS = 11_000;

/** A node whose disk has not answered for the limit stops, whatever it is. */
export const hungDiskEndsTheNode: Invariant = {
  name: 'hung-disk-ends-the-node',
  source: 'hashicorp/raft issue 503: a leader whose disk hangs keeps its office for ever',
  watch(_facts, violated) {
    return {
      stepped({ id, disk, stableDisk, raft }, nowMs) {
        const sinceMs = Math.min(disk.hangingSinceMs ?? nowMs, stableDisk.hangingSinceMs ?? nowMs);
        if (nowMs - sinceMs < LIMIT_MS || raft === null) return;
        if (raft.state() === RaftState.Shutdown) return;
        violated(`${id} goes on, although its disk hangs since ${sinceMs.toFixed()} ms`);
      },
    };
  },
};
