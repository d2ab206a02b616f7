import type { Random } from '../../internal/random.ts';

/**
 * Names of the timers of a node. A node has at most one of each:
 * - `heartbeat`: a follower looks whether its leader is silent
 * - `election`: a candidate's campaign has taken too long
 * - `lease`: a leader looks whether it still sees a quorum
 * - `transfer`: handing over leadership has taken too long
 */
export type TimerName = 'heartbeat' | 'election' | 'lease' | 'transfer';

/**
 * Names of the timers that a leader has for each peer:
 * - `beat`: the next heartbeat is due
 * - `commit`: the peer has heard nothing of the log for a while
 * - `retry`: the pause after a failure is over
 */
export type PeerTimerName = 'beat' | 'commit' | 'retry';

/** A wait drawn evenly from one to two times `baseMs` (§5.2). Go: `randomTimeout`. */
export function randomTimeoutMs(random: Random, baseMs: number): number {
  return baseMs + random.next() * baseMs;
}

/** First pause after a failed RPC, doubled for every further one. Go: `failureWait`. */
export const FAILURE_WAIT_MS = 10;
/** Failures after which the pause no longer grows. Go: `maxFailureScale`. */
export const MAX_FAILURE_SCALE = 12;
/** A leader never looks at its lease more often than this. Go: `minCheckInterval`. */
export const MIN_LEASE_CHECK_MS = 10;

/** A leader beats once in one to two of these. Go: `heartbeat`. */
export function beatIntervalMs(heartbeatTimeoutMs: number): number {
  return heartbeatTimeoutMs / 10;
}
