/**
 * An error of the library. Users compare the exported singletons by identity, as in Go, or match on
 * the stable `code`; the text is hashicorp's, so logs and alerts carry over. An error that was
 * caused by another one has it as its `cause`.
 */
export class RaftError extends Error {
  /** Always "RaftError". */
  override readonly name = 'RaftError';
  /** Stable and documented; never reworded, unlike a message might be. */
  readonly code: string;

  /**
   * @param code stable, such as "ERR_NOT_LEADER"
   * @param message what was expected and what came
   * @param options the `cause`, when another error lies behind it
   */
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

/**
 * A frozen error that is created once: no stack is captured when it is handed out on a hot path.
 */
function singleton(code: string, message: string): RaftError {
  const error = new RaftError(code, message);
  error.stack = `RaftError [${code}]: ${message}`;
  return Object.freeze(error);
}

/** The operation cannot be done by a leader. Go: `ErrLeader`. */
export const ErrLeader = singleton('ERR_LEADER', 'node is the leader');
/** Only the leader can do this; see `leaderWithID()`. Nothing was appended. Go: `ErrNotLeader`. */
export const ErrNotLeader = singleton('ERR_NOT_LEADER', 'node is not the leader');
/** The node is not a voter in the configuration. Go: `ErrNotVoter`. */
export const ErrNotVoter = singleton('ERR_NOT_VOTER', 'node is not a voter');
/** Leadership ended while the entry was in flight; it may still commit. Go: `ErrLeadershipLost`. */
export const ErrLeadershipLost = singleton(
  'ERR_LEADERSHIP_LOST',
  'leadership lost while committing log',
);
/** A user restore threw the state away while the entry was in flight. Go: `ErrAbortedByRestore`. */
export const ErrAbortedByRestore = singleton(
  'ERR_ABORTED_BY_RESTORE',
  'snapshot restored while committing log',
);
/** The node has been shut down. Go: `ErrRaftShutdown`. */
export const ErrRaftShutdown = singleton('ERR_RAFT_SHUTDOWN', 'raft is already shutdown');
/**
 * The operation was not accepted within its timeout; nothing was appended. Go: `ErrEnqueueTimeout`.
 */
export const ErrEnqueueTimeout = singleton('ERR_ENQUEUE_TIMEOUT', 'timed out enqueuing operation');
/**
 * No command was applied since the node started, so there is nothing to snapshot.
 * Go: `ErrNothingNewToSnapshot`.
 */
export const ErrNothingNewToSnapshot = singleton(
  'ERR_NOTHING_NEW_TO_SNAPSHOT',
  'nothing new to snapshot',
);
/** The protocol version in use does not know the operation. Go: `ErrUnsupportedProtocol`. */
export const ErrUnsupportedProtocol = singleton(
  'ERR_UNSUPPORTED_PROTOCOL',
  'operation not supported with current protocol version',
);
/** The node already has state; bootstrap is for a brand-new cluster. Go: `ErrCantBootstrap`. */
export const ErrCantBootstrap = singleton(
  'ERR_CANT_BOOTSTRAP',
  'bootstrap only works on new clusters',
);
/**
 * The leader is handing over and takes no requests meanwhile; nothing was appended, try again.
 * Go: `ErrLeadershipTransferInProgress`.
 */
export const ErrLeadershipTransferInProgress = singleton(
  'ERR_LEADERSHIP_TRANSFER_IN_PROGRESS',
  'leadership transfer in progress',
);
/** A transport that was closed. Go: `ErrTransportShutdown`. */
export const ErrTransportShutdown = singleton('ERR_TRANSPORT_SHUTDOWN', 'transport shutdown');
/** A pipeline that was closed. Go: `ErrPipelineShutdown`. */
export const ErrPipelineShutdown = singleton('ERR_PIPELINE_SHUTDOWN', 'append pipeline closed');
/** The entry is not in the log store. Go: `ErrLogNotFound`. */
export const ErrLogNotFound = singleton('ERR_LOG_NOT_FOUND', 'log not found');
/**
 * The transport cannot pipeline; replication goes on one request at a time.
 * Go: `ErrPipelineReplicationNotSupported`.
 */
export const ErrPipelineReplicationNotSupported = singleton(
  'ERR_PIPELINE_REPLICATION_NOT_SUPPORTED',
  'pipeline replication not supported',
);

/**
 * What a store says about a key it does not hold, when it says it by an error (Go: "not found").
 */
export const ErrKeyNotFound = singleton('ERR_KEY_NOT_FOUND', 'not found');

/** A key-value store may answer a missing key with this error or with a zero value. */
export function isKeyNotFound(error: unknown): boolean {
  return error === ErrKeyNotFound || (error instanceof Error && error.message === 'not found');
}

const DAMAGE: ReadonlySet<string> = new Set([
  'ERR_STORE_CORRUPT',
  'ERR_STORE_VERSION',
  'ERR_SNAPSHOT_CORRUPT',
  'ERR_MALFORMED_SNAPSHOT_META',
]);

/** True when a store says that what lies on its disk is not what was written there. */
export function isDamage(error: unknown): error is RaftError {
  return error instanceof RaftError && DAMAGE.has(error.code);
}

/** What an operator does about {@link isDamage}; goes behind the text of the error. */
export const DAMAGE_ADVICE = 'stop this node and run "npx quorate verify" on its data directory';

/** Anything that was thrown, as an Error. */
export function asError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
