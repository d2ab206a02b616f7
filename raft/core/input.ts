import type { Timestamp } from '../../internal/timestamp.ts';
import type {
  Configuration,
  ConfigurationChange,
  ServerAddress,
  ServerID,
} from '../configuration.ts';
import type { LogType } from '../log.ts';
import type {
  AppendEntriesRequest,
  AppendEntriesResponse,
  InstallSnapshotRequest,
  InstallSnapshotResponse,
  RequestPreVoteRequest,
  RequestPreVoteResponse,
  RequestVoteRequest,
  RequestVoteResponse,
  TimeoutNowRequest,
} from '../messages.ts';
import type { Candidacy } from './election.ts';
import type { Leadership } from './leader.ts';
import type { Transfer } from './leadership-transfer.ts';
import type { Progress } from './progress.ts';
import type { ReloadedConfig } from './reload-config.ts';
import type { RestoredMeta } from './restore.ts';
import type { PeerTimerName, TimerName } from './timeouts.ts';

/** Stands for whoever waits for an answer; the runtime knows who it is, the rules do not care. */
export type Ticket = number;

/** The moment at which an input is handled. */
export interface Now {
  /** Milliseconds on the node's monotonic clock. */
  readonly ms: number;
  /** The time of day, for `Log.appendedAt` alone. */
  readonly wall: Timestamp;
}

/** Something that wants a place in the log. The rules never look at its bytes. */
export interface Proposal {
  readonly type: LogType;
  readonly data: Uint8Array | null;
  readonly extensions: Uint8Array | null;
}

/** A reply, or the error that came instead. */
export type Outcome<Reply> =
  | { readonly reply: Reply; readonly error?: undefined }
  | { readonly error: Error; readonly reply?: undefined };

/** What may happen on the main lane: everything that changes term, vote, role or log. */
export type MainInput =
  | { readonly kind: 'start' }
  | {
      readonly kind: 'timer';
      readonly timer: TimerName;
      /** How late it rang: this node was stopped for that time. 0 when unsaid. */
      readonly lateMs?: number;
    }
  | {
      readonly kind: 'appendEntries';
      readonly request: AppendEntriesRequest;
      readonly ticket: Ticket;
    }
  | { readonly kind: 'requestVote'; readonly request: RequestVoteRequest; readonly ticket: Ticket }
  | {
      readonly kind: 'requestPreVote';
      readonly request: RequestPreVoteRequest;
      readonly ticket: Ticket;
    }
  | {
      readonly kind: 'installSnapshot';
      readonly request: InstallSnapshotRequest;
      readonly ticket: Ticket;
    }
  | { readonly kind: 'timeoutNow'; readonly request: TimeoutNowRequest; readonly ticket: Ticket }
  | {
      readonly kind: 'voteReply';
      readonly candidacy: Candidacy;
      readonly from: ServerID;
      readonly outcome: Outcome<RequestVoteResponse>;
    }
  | {
      readonly kind: 'preVoteReply';
      readonly candidacy: Candidacy;
      readonly from: ServerID;
      readonly outcome: Outcome<RequestPreVoteResponse>;
    }
  | { readonly kind: 'propose'; readonly proposals: readonly Proposal[] }
  | {
      readonly kind: 'changeConfiguration';
      readonly change: ConfigurationChange;
      readonly ticket: Ticket;
    }
  | { readonly kind: 'verify'; readonly ticket: Ticket }
  | { readonly kind: 'readIndex'; readonly ticket: Ticket }
  | {
      readonly kind: 'bootstrap';
      readonly configuration: Configuration;
      readonly ticket: Ticket;
    }
  | {
      readonly kind: 'transfer';
      readonly target: { readonly id: ServerID; readonly address: ServerAddress } | null;
      readonly ticket: Ticket;
    }
  | {
      readonly kind: 'timeoutNowReply';
      readonly transfer: Transfer;
      readonly error: Error | null;
    }
  | { readonly kind: 'commitAdvanced'; readonly leadership: Leadership }
  | { readonly kind: 'newerTerm'; readonly leadership: Leadership; readonly term: number }
  | { readonly kind: 'snapshotReceived'; readonly outcome: Outcome<{ readonly id: string }> }
  | { readonly kind: 'snapshotRestored' }
  | { readonly kind: 'restore'; readonly meta: RestoredMeta; readonly ticket: Ticket }
  | {
      readonly kind: 'restoreWritten';
      readonly leadership: Leadership;
      readonly ticket: Ticket;
      readonly error: Error | null;
    }
  | { readonly kind: 'restoreVerified'; readonly leadership: Leadership }
  | { readonly kind: 'restoreStored'; readonly outcome: Outcome<{ readonly id: string }> }
  | {
      readonly kind: 'snapshotTaken';
      readonly index: number;
      readonly term: number;
      readonly durableIndex: number;
    }
  | { readonly kind: 'snapshotConfiguration'; readonly ticket: Ticket }
  | ({ readonly kind: 'reloadConfig' } & Readonly<ReloadedConfig>)
  | { readonly kind: 'shutdown' };

/** What may happen on a peer's lane: only progress, contact and match indexes change. */
export type PeerInput =
  | { readonly kind: 'appended'; readonly leadership: Leadership; readonly index: number }
  | {
      readonly kind: 'appendSent';
      readonly leadership: Leadership;
      readonly peer: Progress;
      readonly epoch: number;
      readonly count: number;
    }
  | {
      readonly kind: 'senderReady';
      readonly leadership: Leadership;
      readonly peer: Progress;
      readonly epoch: number;
    }
  | {
      readonly kind: 'entriesUnavailable';
      readonly leadership: Leadership;
      readonly peer: Progress;
      readonly epoch: number;
    }
  | {
      readonly kind: 'sendFailed';
      readonly leadership: Leadership;
      readonly peer: Progress;
      readonly epoch: number;
      readonly error: Error;
    }
  | {
      readonly kind: 'pipelineUnsupported';
      readonly leadership: Leadership;
      readonly peer: Progress;
    }
  | {
      readonly kind: 'appendReply';
      readonly leadership: Leadership;
      readonly peer: Progress;
      readonly epoch: number;
      readonly prevIndex: number;
      readonly count: number;
      /** The commit index that the request told of. */
      readonly commitIndex: number;
      readonly round: number;
      readonly sentAtMs: number;
      readonly outcome: Outcome<AppendEntriesResponse>;
    }
  | {
      readonly kind: 'snapshotReply';
      readonly leadership: Leadership;
      readonly peer: Progress;
      readonly epoch: number;
      readonly index: number;
      readonly round: number;
      readonly sentAtMs: number;
      readonly outcome: Outcome<InstallSnapshotResponse>;
    }
  | {
      readonly kind: 'peerTimer';
      readonly leadership: Leadership;
      readonly peer: Progress;
      readonly timer: PeerTimerName;
    }
  | {
      readonly kind: 'heartbeatReply';
      readonly leadership: Leadership;
      readonly peer: Progress;
      readonly round: number;
      readonly sentAtMs: number;
      readonly outcome: Outcome<AppendEntriesResponse>;
    };

/** Everything that can happen to a node. */
export type Input = MainInput | PeerInput;
