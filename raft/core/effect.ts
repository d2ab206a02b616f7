import type { Configuration, ServerAddress, ServerID } from '../configuration.ts';
import type { Log } from '../log.ts';
import type {
  AppendEntriesRequest,
  RequestPreVoteRequest,
  RequestVoteRequest,
  RPCReply,
} from '../messages.ts';
import type { FailedHeartbeatObservation, ObservationData } from '../observation.ts';
import type { Candidacy } from './election.ts';
import type { MainInput, Proposal, Ticket } from './input.ts';
import type { Leadership } from './leader.ts';
import type { Transfer } from './leadership-transfer.ts';
import type { Progress } from './progress.ts';
import type { PeerTimerName, TimerName } from './timeouts.ts';

/** A vote as it is kept: for whom, and in which term. */
export interface Vote {
  readonly term: number;
  /** The candidate's encoded address. */
  readonly candidate: Uint8Array;
}

/**
 * What must be on the disk, or otherwise finished, before anything behind it in the list happens.
 * Only the main lane may ask for these.
 */
export type DurableEffect =
  /** Saves the term and, when given, the vote, as one write. */
  | { readonly kind: 'persistHardState'; readonly term: number; readonly vote: Vote | null }
  /** Stores a follower's new entries behind its log. */
  | { readonly kind: 'append'; readonly entries: readonly Log[] }
  /** Deletes `from` to `upTo`, the old end of the log, and stores entries there, as one write. */
  | {
      readonly kind: 'replaceTail';
      readonly from: number;
      readonly upTo: number;
      readonly entries: readonly Log[];
    }
  /** Waits until the log is durable up to `index`, whoever started that write. */
  | { readonly kind: 'awaitDurable'; readonly index: number }
  /** Deletes the whole log: a snapshot that does not fit it has taken its place. */
  | { readonly kind: 'dropLog' }
  /** Copies the snapshot that follows a request into the store; answered by `snapshotReceived`. */
  | {
      readonly kind: 'receiveSnapshot';
      readonly ticket: Ticket;
      readonly version: number;
      readonly index: number;
      readonly term: number;
      readonly configuration: Configuration;
      readonly configurationIndex: number;
      readonly size: number;
    }
  /** Makes a user's snapshot, whose bytes are copied, the newest; answered by `restoreStored`. */
  | { readonly kind: 'storeRestore'; readonly ticket: Ticket }
  /** Gives a snapshot to the FSM; answered by `snapshotRestored`. */
  | {
      readonly kind: 'restoreSnapshot';
      readonly id: string;
      readonly index: number;
      readonly term: number;
    };

/** A failed heartbeat, dated by the monotonic clock: the rules know no other. */
export type HeartbeatFailure = Omit<FailedHeartbeatObservation, 'lastContact'> & {
  readonly lastContactMs: number;
};

/** What observers are told, but for its dates. */
export type Observed = Exclude<ObservationData, FailedHeartbeatObservation> | HeartbeatFailure;

/** What is started and not waited for; its outcome, if any, comes back as an input. */
export type StartedEffect =
  /** A leader's own entries: written beside replication, answered by `appended`. */
  | {
      readonly kind: 'startAppend';
      readonly leadership: Leadership;
      readonly entries: readonly Log[];
      /** `proposals[i]` became `entries[i]`; empty for the leader's own no-op. */
      readonly proposals: readonly Proposal[];
    }
  | { readonly kind: 'refuse'; readonly proposals: readonly Proposal[]; readonly error: Error }
  | { readonly kind: 'reply'; readonly ticket: Ticket; readonly reply: RPCReply }
  | { readonly kind: 'replyError'; readonly ticket: Ticket; readonly error: Error }
  | { readonly kind: 'drainSnapshot'; readonly ticket: Ticket }
  | {
      readonly kind: 'sendVote';
      readonly candidacy: Candidacy;
      readonly to: { readonly id: ServerID; readonly address: ServerAddress };
      readonly request: RequestVoteRequest;
    }
  | {
      readonly kind: 'sendPreVote';
      readonly candidacy: Candidacy;
      readonly to: { readonly id: ServerID; readonly address: ServerAddress };
      readonly request: RequestPreVoteRequest;
    }
  | {
      readonly kind: 'sendHeartbeat';
      readonly leadership: Leadership;
      readonly peer: Progress;
      readonly round: number;
      readonly request: AppendEntriesRequest;
    }
  /** Reads entries `first` to `last` (none when last < first) and sends them to a peer. */
  | {
      readonly kind: 'sendAppend';
      readonly leadership: Leadership;
      readonly peer: Progress;
      readonly epoch: number;
      readonly round: number;
      readonly prevIndex: number;
      readonly prevTerm: number;
      readonly first: number;
      readonly last: number;
      readonly commitIndex: number;
      readonly pipelined: boolean;
    }
  | {
      readonly kind: 'sendSnapshot';
      readonly leadership: Leadership;
      readonly peer: Progress;
      readonly epoch: number;
      readonly round: number;
    }
  | { readonly kind: 'closePipeline'; readonly peer: Progress }
  | { readonly kind: 'stopPeer'; readonly peer: Progress }
  | {
      readonly kind: 'sendTimeoutNow';
      readonly transfer: Transfer;
      readonly id: ServerID;
      readonly address: ServerAddress;
    }
  /** Hands everything up to `upTo` to the FSM. */
  | { readonly kind: 'apply'; readonly upTo: number }
  /** The entries after `after` will not be answered by this leadership. */
  | { readonly kind: 'failInFlight'; readonly after: number; readonly error: Error }
  | { readonly kind: 'settle'; readonly ticket: Ticket; readonly value: unknown }
  | { readonly kind: 'settleError'; readonly ticket: Ticket; readonly error: Error }
  /** The ticket's future is the future of entry `index` from here on. */
  | { readonly kind: 'bindEntry'; readonly ticket: Ticket; readonly index: number }
  | { readonly kind: 'observe'; readonly data: Observed }
  | { readonly kind: 'leadership'; readonly isLeader: boolean }
  /** The head of the log, up to `upTo`, may be forgotten. */
  | { readonly kind: 'compactLog'; readonly upTo: number }
  /** Copies a user's snapshot, without making it one yet; answered by `restoreWritten`. */
  | {
      readonly kind: 'writeRestore';
      readonly leadership: Leadership;
      readonly ticket: Ticket;
      readonly version: number;
      readonly index: number;
      readonly term: number;
      readonly configuration: Configuration;
      readonly configurationIndex: number;
      readonly size: number;
    }
  /** Ends the copying, or throws away what was copied. */
  | { readonly kind: 'dropRestore'; readonly ticket: Ticket }
  | { readonly kind: 'post'; readonly input: MainInput }
  | { readonly kind: 'shutdownSelf' }
  | { readonly kind: 'fatal'; readonly error: Error };

/** Anything a node may ask of the world. */
export type Effect = DurableEffect | StartedEffect;

/** A number that only the rules know, for the node's metrics. Nothing rests on it. */
export interface Note {
  readonly metric:
    | 'raft.state.follower'
    | 'raft.state.candidate'
    | 'raft.state.leader'
    | 'raft.transition.heartbeat_timeout'
    | 'raft.transition.leader_lease_timeout'
    | 'raft.leader.lastContact'
    | 'raft.peers';
  readonly value: number;
}

const NO_NOTES: readonly Note[] = [];

/** A timer to set or, with `delayMs` null, to cancel. */
export type TimerRequest =
  | { readonly timer: TimerName; readonly delayMs: number | null }
  | {
      readonly timer: PeerTimerName;
      readonly delayMs: number | null;
      readonly leadership: Leadership;
      readonly peer: Progress;
    };

const durableKinds: ReadonlySet<Effect['kind']> = new Set<DurableEffect['kind']>([
  'persistHardState',
  'append',
  'replaceTail',
  'awaitDurable',
  'dropLog',
  'receiveSnapshot',
  'storeRestore',
  'restoreSnapshot',
]);

/** True for an effect that the rest of its list waits for. */
export function isDurable(effect: Effect): effect is DurableEffect {
  return durableKinds.has(effect.kind);
}

/**
 * What one or more steps ask for. The list is ordered and that order is the protocol: whatever is
 * visible outside stands behind what must be durable first. Timers stand apart, because a timer
 * must not wait for a disk (architecture, rule 13).
 */
export class Effects {
  readonly list: Effect[] = [];
  readonly timers: TimerRequest[] = [];
  #notes = NO_NOTES;

  /** What is to be measured. */
  get notes(): readonly Note[] {
    return this.#notes;
  }

  push(effect: Effect): void {
    this.list.push(effect);
  }

  /** Saves term and vote in one write: a vote joins the term that the same step has just raised. */
  persistHardState(term: number, vote: Vote | null): void {
    for (let i = this.list.length - 1; i >= 0; i -= 1) {
      const before = this.list[i];
      if (before === undefined || before.kind !== 'observe') {
        if (before?.kind !== 'persistHardState' || before.term !== term) break;
        this.list[i] = { kind: 'persistHardState', term, vote: vote ?? before.vote };
        return;
      }
    }
    this.list.push({ kind: 'persistHardState', term, vote });
  }

  note(metric: Note['metric'], value: number): void {
    this.#notes = [...this.#notes, { metric, value }];
  }

  setTimer(timer: TimerName, delayMs: number): void {
    this.timers.push({ timer, delayMs });
  }

  cancelTimer(timer: TimerName): void {
    this.timers.push({ timer, delayMs: null });
  }

  setPeerTimer(
    leadership: Leadership,
    peer: Progress,
    timer: PeerTimerName,
    delayMs: number | null,
  ): void {
    this.timers.push({ timer, delayMs, leadership, peer });
  }
}
