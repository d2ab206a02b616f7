import type { FaultKind } from '../fault-kinds.ts';
import type { Profile } from '../profile.ts';

/** Nothing but servers that cannot reach each other, or are late. */
export const DIVIDED: readonly FaultKind[] = ['isolate', 'split', 'one-way', 'pause'];

/** Nothing but servers that go down. */
export const CRASHES: readonly FaultKind[] = ['kill', 'power-loss', 'kill-then-power-loss'];

/** Clusters that elect often. */
export const ELECTIONS: Partial<Profile> = {
  nodes: 5,
  spares: 0,
  memberChanges: false,
  preVoteDisabled: true,
  mixedConfigs: false,
  heartbeatTimeoutMs: 100,
  electionTimeoutMs: 100,
  leaseTimeoutMs: 50,
};

/** Clusters whose membership changes. */
export const CHANGES: Partial<Profile> = { nodes: 3, spares: 2, memberChanges: true };

/** Clusters for `orphanLongSuffixes`. */
export const ORPHANS: Partial<Profile> = {
  nodes: 3,
  spares: 0,
  memberChanges: false,
  userRestores: false,
  trailingLogs: 1000,
  workEveryMs: 20,
  heartbeatTimeoutMs: 100,
  electionTimeoutMs: 100,
  leaseTimeoutMs: 100,
};

/** Clusters for `answerLate`: what a server says is believed however late it comes. */
export const LATE_ANSWERS: Partial<Profile> = {
  ...ELECTIONS,
  rpcTimeoutMs: 600,
  maxAppendEntries: 64,
  readDelayMs: 0,
  diskSpeed: { minSyncMs: 0.1, maxSyncMs: 0.5 },
};

/** Clusters whose leaders hand over. */
export const TRANSFERS: Partial<Profile> = { nodes: 3, spares: 0, memberChanges: false };

/** Clusters for `oustQuietly`: a leader that hears nothing believes in its office for long. */
export const SLOW_TO_YIELD: Partial<Profile> = {
  nodes: 3,
  spares: 0,
  memberChanges: false,
  mixedConfigs: false,
  workEveryMs: 5,
  heartbeatTimeoutMs: 250,
  electionTimeoutMs: 250,
  leaseTimeoutMs: 250,
  diskSpeed: { minSyncMs: 2, maxSyncMs: 4 },
};
