import type { Server, ServerAddress, ServerID } from './configuration.ts';
import type { RequestPreVoteRequest, RequestVoteRequest } from './messages.ts';
import type { RaftState } from './state.ts';

/** The node's state changed. Go sends the bare `RaftState`; here it is tagged like the others. */
export interface RaftStateObservation {
  /** Tells it from the others. */
  readonly kind: 'RaftState';
  /** What the node has become. */
  readonly state: RaftState;
}

/** The known leader changed, to nobody when the fields are empty. Go: `LeaderObservation`. */
export interface LeaderObservation {
  /** Tells it from the others. */
  readonly kind: 'LeaderObservation';
  /** The same as `leaderAddr`. Go: deprecated `Leader`. */
  readonly leader: ServerAddress;
  /** The leader's address; empty when nobody leads as far as this node knows. */
  readonly leaderAddr: ServerAddress;
  /** The leader's name; empty when nobody leads, or when the leader speaks an old protocol. */
  readonly leaderID: ServerID;
}

/** A leader started or stopped replicating to a server. Go: `PeerObservation`. */
export interface PeerObservation {
  /** Tells it from the others. */
  readonly kind: 'PeerObservation';
  /** True when it stopped, false when it started. */
  readonly removed: boolean;
  /** The server. */
  readonly peer: Server;
}

/** A leader's heartbeat to a server failed. Go: `FailedHeartbeatObservation`. */
export interface FailedHeartbeatObservation {
  /** Tells it from the others. */
  readonly kind: 'FailedHeartbeatObservation';
  /** The name of the server that did not answer. */
  readonly peerID: ServerID;
  /** When the server was last asked something that it answered. */
  readonly lastContact: Date;
}

/** A leader's heartbeat to a server works again. Go: `ResumedHeartbeatObservation`. */
export interface ResumedHeartbeatObservation {
  /** Tells it from the others. */
  readonly kind: 'ResumedHeartbeatObservation';
  /** The name of the server that answers again. */
  readonly peerID: ServerID;
}

/** A vote was asked of this node. Go sends the bare request. */
export interface RequestVoteObservation {
  /** Tells it from the others. */
  readonly kind: 'RequestVoteRequest';
  /** What was asked. */
  readonly request: RequestVoteRequest;
}

/** A pre-vote was asked of this node. Go sends the bare request. */
export interface RequestPreVoteObservation {
  /** Tells it from the others. */
  readonly kind: 'RequestPreVoteRequest';
  /** What was asked. */
  readonly request: RequestPreVoteRequest;
}

/** Everything an observer can be told. In Go any value. */
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
  /** The node that tells. */
  readonly raft: Node;
  /** What happened; `data.kind` says which it is. Go tells by the type of the value. */
  readonly data: ObservationData;
}

/** Somebody who is told; `Observer` is one. */
export interface ObservationSink {
  /** Takes an observation; a promise when the node must wait for it. Never rejects. */
  observe(observation: Observation): Promise<void> | undefined;
}

/** Decides which observations an observer gets; it must not block. Go: `FilterFn`. */
export type FilterFn = (observation: Observation) => boolean;
