import type { Server, ServerAddress, ServerID } from './configuration.ts';
import type { RequestPreVoteRequest, RequestVoteRequest } from './messages.ts';
import type { RaftState } from './state.ts';

/** The node's state changed. Go sends the bare `RaftState`; here it is tagged like the others. */
export interface RaftStateObservation {
  readonly kind: 'RaftState';
  readonly state: RaftState;
}

/** The known leader changed, to nobody when the fields are empty. Go: `LeaderObservation`. */
export interface LeaderObservation {
  readonly kind: 'LeaderObservation';
  /** The same as `leaderAddr`. Go: deprecated `Leader`. */
  readonly leader: ServerAddress;
  readonly leaderAddr: ServerAddress;
  readonly leaderID: ServerID;
}

/** A leader started or stopped replicating to a server. Go: `PeerObservation`. */
export interface PeerObservation {
  readonly kind: 'PeerObservation';
  readonly removed: boolean;
  readonly peer: Server;
}

/** A leader's heartbeat to a server failed. Go: `FailedHeartbeatObservation`. */
export interface FailedHeartbeatObservation {
  readonly kind: 'FailedHeartbeatObservation';
  readonly peerID: ServerID;
  /** When the server last answered, in milliseconds of the node's monotonic clock. */
  readonly lastContact: number;
}

/** A leader's heartbeat to a server works again. Go: `ResumedHeartbeatObservation`. */
export interface ResumedHeartbeatObservation {
  readonly kind: 'ResumedHeartbeatObservation';
  readonly peerID: ServerID;
}

/** A vote was asked of this node. Go sends the bare request. */
export interface RequestVoteObservation {
  readonly kind: 'RequestVoteRequest';
  readonly request: RequestVoteRequest;
}

/** A pre-vote was asked of this node. Go sends the bare request. */
export interface RequestPreVoteObservation {
  readonly kind: 'RequestPreVoteRequest';
  readonly request: RequestPreVoteRequest;
}

/** Everything an observer can be told. */
export type ObservationData =
  | RaftStateObservation
  | LeaderObservation
  | PeerObservation
  | FailedHeartbeatObservation
  | ResumedHeartbeatObservation
  | RequestVoteObservation
  | RequestPreVoteObservation;

/** What an observer receives: the data and the node that it is about. Go: `Observation`. */
export interface Observation<Node = unknown> {
  readonly raft: Node;
  readonly data: ObservationData;
}

/** Somebody who is told; `Observer` is one. */
export interface ObservationSink {
  /** Takes an observation; a promise when the node must wait for it. Never rejects. */
  observe(observation: Observation): Promise<void> | undefined;
}

/** Decides which observations an observer gets; it must not block. Go: `FilterFn`. */
export type FilterFn = (observation: Observation) => boolean;
