import type { Log } from './log.ts';

/** Versions of the protocol that a node speaks; 3 is the current one. Go: `ProtocolVersion`. */
export type ProtocolVersion = number;
/** The oldest protocol version that is understood. Go: `ProtocolVersionMin`. */
export const ProtocolVersionMin = 0;
/** The newest protocol version, and the default. Go: `ProtocolVersionMax`. */
export const ProtocolVersionMax = 3;

/** What every message says of its sender. Go: `RPCHeader`. */
export interface RPCHeader {
  /** The version that the sender speaks; a node refuses one it does not understand. */
  readonly protocolVersion: ProtocolVersion;
  /** The sender's ServerID. `null` is Go's nil slice. */
  readonly id: Uint8Array | null;
  /** The sender's address as its transport encodes it. `null` is Go's nil slice. */
  readonly addr: Uint8Array | null;
}

/** The header of a message whose sender said nothing of itself. */
export const emptyHeader: RPCHeader = Object.freeze({ protocolVersion: 0, id: null, addr: null });

/** Has a header. Go: `WithRPCHeader`. */
export interface WithRPCHeader {
  /** The header. Go: `WithRPCHeader.GetRPCHeader`. */
  getRPCHeader(): RPCHeader;
}

abstract class Message implements WithRPCHeader {
  /** What the sender says of itself; Go embeds it. */
  readonly rpcHeader: RPCHeader;
  constructor(header: RPCHeader | undefined) {
    this.rpcHeader = header ?? emptyHeader;
  }
  /** The header. Go: `GetRPCHeader`. */
  getRPCHeader(): RPCHeader {
    return this.rpcHeader;
  }
}

/** The fields of a message, each optional with Go's zero value. */
type Fields<T> = { readonly [K in keyof T as K extends 'getRPCHeader' ? never : K]?: T[K] };

/**
 * Replicates entries, and is a heartbeat when there are none (§5.3). Go: `AppendEntriesRequest`.
 */
export class AppendEntriesRequest extends Message {
  /** Tells the messages apart, in Go their type does. */
  readonly kind = 'AppendEntriesRequest';
  /** The leader's term. */
  readonly term: number;
  /** Deprecated by the header's address; still read. */
  readonly leader: Uint8Array | null;
  /** Index of the entry just before the new ones; 0 skips the consistency check. */
  readonly prevLogEntry: number;
  /** Term of the entry at `prevLogEntry`. */
  readonly prevLogTerm: number;
  /** New entries. `null` (a heartbeat) and empty (nothing new) are told apart on the wire. */
  readonly entries: readonly Log[] | null;
  /** The leader's commit index. */
  readonly leaderCommitIndex: number;

  constructor(fields: Fields<AppendEntriesRequest>) {
    super(fields.rpcHeader);
    this.term = fields.term ?? 0;
    this.leader = fields.leader ?? null;
    this.prevLogEntry = fields.prevLogEntry ?? 0;
    this.prevLogTerm = fields.prevLogTerm ?? 0;
    this.entries = fields.entries ?? null;
    this.leaderCommitIndex = fields.leaderCommitIndex ?? 0;
  }
}

/** Answers an {@link AppendEntriesRequest}. Go: `AppendEntriesResponse`. */
export class AppendEntriesResponse extends Message {
  /** Tells the messages apart, in Go their type does. */
  readonly kind = 'AppendEntriesResponse';
  /** The answering server's term; a newer one ends the leadership. */
  readonly term: number;
  /** The follower's last index as it was before the request: a hint for backing up. */
  readonly lastLog: number;
  /** The log of the server now agrees with the request. */
  readonly success: boolean;
  /** The refusal is about the log, not about a fault: try again at once. */
  readonly noRetryBackoff: boolean;

  constructor(fields: Fields<AppendEntriesResponse>) {
    super(fields.rpcHeader);
    this.term = fields.term ?? 0;
    this.lastLog = fields.lastLog ?? 0;
    this.success = fields.success ?? false;
    this.noRetryBackoff = fields.noRetryBackoff ?? false;
  }
}

/** Asks for a vote (§5.2). Go: `RequestVoteRequest`. */
export class RequestVoteRequest extends Message {
  /** Tells the messages apart, in Go their type does. */
  readonly kind = 'RequestVoteRequest';
  /** The candidate's term. */
  readonly term: number;
  /** Deprecated by the header's address; still read. */
  readonly candidate: Uint8Array | null;
  /** Index of the candidate's last entry. */
  readonly lastLogIndex: number;
  /** Term of the candidate's last entry. */
  readonly lastLogTerm: number;
  /** The old leader asked for this election, so a known leader is no reason to refuse. */
  readonly leadershipTransfer: boolean;

  constructor(fields: Fields<RequestVoteRequest>) {
    super(fields.rpcHeader);
    this.term = fields.term ?? 0;
    this.candidate = fields.candidate ?? null;
    this.lastLogIndex = fields.lastLogIndex ?? 0;
    this.lastLogTerm = fields.lastLogTerm ?? 0;
    this.leadershipTransfer = fields.leadershipTransfer ?? false;
  }
}

/** Answers a {@link RequestVoteRequest}. Go: `RequestVoteResponse`. */
export class RequestVoteResponse extends Message {
  /** Tells the messages apart, in Go their type does. */
  readonly kind = 'RequestVoteResponse';
  /** The answering server's term; a newer one ends the candidacy. */
  readonly term: number;
  /** Legacy peers, filled at protocol versions below 2 only. */
  readonly peers: Uint8Array | null;
  /** The vote is given. */
  readonly granted: boolean;

  constructor(fields: Fields<RequestVoteResponse>) {
    super(fields.rpcHeader);
    this.term = fields.term ?? 0;
    this.peers = fields.peers ?? null;
    this.granted = fields.granted ?? false;
  }
}

/** Asks whether a vote would be given (thesis §9.6). Go: `RequestPreVoteRequest`. */
export class RequestPreVoteRequest extends Message {
  /** Tells the messages apart, in Go their type does. */
  readonly kind = 'RequestPreVoteRequest';
  /** The term the sender would stand in. */
  readonly term: number;
  /** Index of the sender's last entry. */
  readonly lastLogIndex: number;
  /** Term of the sender's last entry. */
  readonly lastLogTerm: number;

  constructor(fields: Fields<RequestPreVoteRequest>) {
    super(fields.rpcHeader);
    this.term = fields.term ?? 0;
    this.lastLogIndex = fields.lastLogIndex ?? 0;
    this.lastLogTerm = fields.lastLogTerm ?? 0;
  }
}

/** Answers a {@link RequestPreVoteRequest}. Go: `RequestPreVoteResponse`. */
export class RequestPreVoteResponse extends Message {
  /** Tells the messages apart, in Go their type does. */
  readonly kind = 'RequestPreVoteResponse';
  /** The answering server's term; a newer one ends the candidacy. */
  readonly term: number;
  /** The vote would be given. */
  readonly granted: boolean;

  constructor(fields: Fields<RequestPreVoteResponse>) {
    super(fields.rpcHeader);
    this.term = fields.term ?? 0;
    this.granted = fields.granted ?? false;
  }
}

/** Sends a snapshot; `size` bytes of state follow it (§7). Go: `InstallSnapshotRequest`. */
export class InstallSnapshotRequest extends Message {
  /** Tells the messages apart, in Go their type does. */
  readonly kind = 'InstallSnapshotRequest';
  /** Version of the metadata; see `SnapshotVersionMax`. */
  readonly snapshotVersion: number;
  /** The leader's term. */
  readonly term: number;
  /** Deprecated by the header's address; still read. */
  readonly leader: Uint8Array | null;
  /** The last index that the snapshot contains. */
  readonly lastLogIndex: number;
  /** Term of that entry. */
  readonly lastLogTerm: number;
  /** Legacy peers, read from version 0. */
  readonly peers: Uint8Array | null;
  /** The encoded configuration, from version 1. */
  readonly configuration: Uint8Array | null;
  /** Index of the entry that holds the configuration. */
  readonly configurationIndex: number;
  /** Length of the state in bytes. */
  readonly size: number;

  constructor(fields: Fields<InstallSnapshotRequest>) {
    super(fields.rpcHeader);
    this.snapshotVersion = fields.snapshotVersion ?? 0;
    this.term = fields.term ?? 0;
    this.leader = fields.leader ?? null;
    this.lastLogIndex = fields.lastLogIndex ?? 0;
    this.lastLogTerm = fields.lastLogTerm ?? 0;
    this.peers = fields.peers ?? null;
    this.configuration = fields.configuration ?? null;
    this.configurationIndex = fields.configurationIndex ?? 0;
    this.size = fields.size ?? 0;
  }
}

/** Answers an {@link InstallSnapshotRequest}. Go: `InstallSnapshotResponse`. */
export class InstallSnapshotResponse extends Message {
  /** Tells the messages apart, in Go their type does. */
  readonly kind = 'InstallSnapshotResponse';
  /** The answering server's term; a newer one ends the leadership. */
  readonly term: number;
  /** The snapshot is installed. */
  readonly success: boolean;

  constructor(fields: Fields<InstallSnapshotResponse>) {
    super(fields.rpcHeader);
    this.term = fields.term ?? 0;
    this.success = fields.success ?? false;
  }
}

/** Tells a server to stand for election now (thesis §3.10). Go: `TimeoutNowRequest`. */
export class TimeoutNowRequest extends Message {
  /** Tells the messages apart, in Go their type does. */
  readonly kind = 'TimeoutNowRequest';
  constructor(fields: Fields<TimeoutNowRequest> = {}) {
    super(fields.rpcHeader);
  }
}

/** Answers a {@link TimeoutNowRequest}. Go: `TimeoutNowResponse`. */
export class TimeoutNowResponse extends Message {
  /** Tells the messages apart, in Go their type does. */
  readonly kind = 'TimeoutNowResponse';
  constructor(fields: Fields<TimeoutNowResponse> = {}) {
    super(fields.rpcHeader);
  }
}

/** Every request that can arrive. */
export type RPCRequest =
  | AppendEntriesRequest
  | RequestVoteRequest
  | RequestPreVoteRequest
  | InstallSnapshotRequest
  | TimeoutNowRequest;

/** Every response that can be given. */
export type RPCReply =
  | AppendEntriesResponse
  | RequestVoteResponse
  | RequestPreVoteResponse
  | InstallSnapshotResponse
  | TimeoutNowResponse;

/**
 * True for the pattern of Go's heartbeat: an AppendEntries of a known leader that carries neither a
 * previous entry, nor entries, nor a commit index. Only these may take a fast path.
 */
export function isHeartbeat(request: RPCRequest): request is AppendEntriesRequest {
  return (
    request instanceof AppendEntriesRequest &&
    request.term !== 0 &&
    ((request.rpcHeader.addr?.length ?? 0) > 0 || (request.leader?.length ?? 0) > 0) &&
    request.prevLogEntry === 0 &&
    request.prevLogTerm === 0 &&
    (request.entries === null || request.entries.length === 0) &&
    request.leaderCommitIndex === 0
  );
}
