import type { ServerAddress, ServerID } from '../configuration.ts';
import { RaftState } from '../state.ts';
import type { Effects } from './effect.ts';
import { newCandidacy } from './election.ts';
import type { Now } from './input.ts';
import { leaveOffice } from './leader.ts';
import { describeNode, type NodeState } from './node.ts';
import { randomTimeoutMs } from './timeouts.ts';

/** Remembers who leads and tells observers when that is news. Go: `setLeader`. */
export function setLeader(
  node: NodeState,
  address: ServerAddress,
  id: ServerID,
  out: Effects,
): void {
  if (node.leaderAddress === address && node.leaderID === id) return;
  node.leaderAddress = address;
  node.leaderID = id;
  out.push({
    kind: 'observe',
    data: { kind: 'LeaderObservation', leader: address, leaderAddr: address, leaderID: id },
  });
}

/** Changes the state. The known leader is forgotten even when the state stays. Go: `setState`. */
function setRole(node: NodeState, role: RaftState, out: Effects): void {
  setLeader(node, '', '', out);
  if (node.role === role) return;
  node.role = role;
  out.push({ kind: 'observe', data: { kind: 'RaftState', state: role } });
}

/** Ends whatever role the node has, so that another may begin. */
function leaveRole(node: NodeState, now: Now, out: Effects): void {
  if (node.role === RaftState.Leader) leaveOffice(node, now, out);
  if (node.role === RaftState.Candidate) {
    node.candidacy = null;
    node.candidateFromTransfer = false;
    out.cancelTimer('election');
  }
}

/** Becomes a follower, whatever it was; staying one only forgets the leader. */
export function becomeFollower(node: NodeState, now: Now, out: Effects): void {
  if (node.role === RaftState.Shutdown) return;
  if (node.role === RaftState.Follower) {
    setLeader(node, '', '', out);
    return;
  }
  leaveRole(node, now, out);
  setRole(node, RaftState.Follower, out);
  enterFollower(node, out);
}

/** What a follower does first: listen for its leader. */
export function enterFollower(node: NodeState, out: Effects): void {
  out.note('raft.state.follower', 1);
  node.warnedNoElection = false;
  node.log.info(
    {
      follower: describeNode(node.self.address, node.role),
      'leader-address': node.leaderAddress,
      'leader-id': node.leaderID,
    },
    'entering follower state',
  );
  out.setTimer('heartbeat', randomTimeoutMs(node.random, node.config.heartbeatTimeoutMs));
}

/** Becomes a candidate that has not yet asked anybody. */
export function becomeCandidate(
  node: NodeState,
  fromTransfer: boolean,
  now: Now,
  out: Effects,
): void {
  leaveRole(node, now, out);
  out.cancelTimer('heartbeat');
  setRole(node, RaftState.Candidate, out);
  node.candidateFromTransfer = fromTransfer;
  node.candidacy = newCandidacy(node);
}

/** Becomes the leader; `takeOffice` does what a leader does first. */
export function becomeLeader(node: NodeState, out: Effects): void {
  node.candidacy = null;
  node.candidateFromTransfer = false;
  out.cancelTimer('election');
  setRole(node, RaftState.Leader, out);
  setLeader(node, node.self.address, node.self.id, out);
}

/** Stops for good: no input changes a node that is shut down. */
export function becomeShutdown(node: NodeState, now: Now, out: Effects): void {
  if (node.role === RaftState.Shutdown) return;
  leaveRole(node, now, out);
  setRole(node, RaftState.Shutdown, out);
  out.cancelTimer('heartbeat');
}
