/** What a node is at the moment (§5.1). The numbers are Go's. Go: `RaftState`. */
export const RaftState = Object.freeze({
  /** Answers requests and waits for a leader's heartbeats; every node starts so. */
  Follower: 0,
  /** Has heard of no leader for too long and asks for votes. */
  Candidate: 1,
  /** Won an election: proposes entries and sends heartbeats. */
  Leader: 2,
  /** Was shut down, or stopped by itself; for good. */
  Shutdown: 3,
} as const);
/** One of the numbers of {@link RaftState}. Go: `RaftState`. */
export type RaftState = (typeof RaftState)[keyof typeof RaftState];

const names = ['Follower', 'Candidate', 'Leader', 'Shutdown'] as const;

/**
 * A state by its name: "Follower", "Candidate", "Leader" or "Shutdown"; "Unknown" for any other
 * number. Go: `RaftState.String`.
 */
export function raftStateToString(state: RaftState): string {
  return names[state] ?? 'Unknown';
}
