/** What a node is at the moment. Same numbers as Go's `RaftState`. */
export const RaftState = Object.freeze({
  Follower: 0,
  Candidate: 1,
  Leader: 2,
  Shutdown: 3,
} as const);
/** What a node is at the moment. */
export type RaftState = (typeof RaftState)[keyof typeof RaftState];

const names = ['Follower', 'Candidate', 'Leader', 'Shutdown'] as const;

/** The text Go's `RaftState.String()` gives: "Follower", "Candidate", "Leader" or "Shutdown". */
export function raftStateToString(state: RaftState): string {
  return names[state] ?? 'Unknown';
}
