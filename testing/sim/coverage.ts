import { type FaultKind, faultKinds } from './fault-kinds.ts';
import type { SimulationResult } from './simulator.ts';

/** Every way in which a node may come from one role to another. */
const roleChanges = [
  'Follower to Candidate',
  'Candidate to Leader',
  'Candidate to Follower',
  'Leader to Follower',
  'Follower to Shutdown',
  'Candidate to Shutdown',
  'Leader to Shutdown',
] as const;

/** What `raft/core` logs where it handles a fault: one message for each such branch that logs. */
const faultMessages = [
  'clearing log suffix',
  'failed to get previous log',
  'previous log term mis-match',
  'appendEntries rejected, sending older logs',
  'failed to appendEntries to',
  'failed to heartbeat to',
  'failed to send snapshot to',
  'failed to make requestVote RPC',
  'failed to contact',
  'failed to contact quorum of nodes, stepping down',
  'peer has newer term, stopping replication',
  'new leader elected, stepping down',
  'Election timeout reached, restarting election',
  'heartbeat timeout reached, starting election',
  'not part of stable configuration, aborting election',
  'pre-vote campaign failed, waiting for election timeout',
  'rejecting vote request since we have a leader',
  'rejecting vote request since node is not in configuration',
  'rejecting vote request since our last term is greater',
  'rejecting vote request since our last index is greater',
  'duplicate requestVote for same term',
  'rejecting pre-vote request since we have a leader',
  'rejecting pre-vote request since our term is greater',
  'rejecting pre-vote request since our last term is greater',
  'rejecting pre-vote request since our last index is greater',
  'ignoring installSnapshot request with older term than current term',
  'Installed remote snapshot',
  'removing all old logs from log store',
  'restored user snapshot',
  'removed ourself, shutting down',
] as const;

/** What a hunt has reached so far. */
export class Coverage {
  readonly #faults = new Map<FaultKind, number>();
  readonly #seen = new Set<string>();

  /** Adds what a run has reached. */
  add({ faults, roleChanges: changes, messages }: SimulationResult): void {
    for (const [kind, count] of faults) {
      this.#faults.set(kind, (this.#faults.get(kind) ?? 0) + count);
    }
    for (const change of changes.keys()) this.#seen.add(change);
    for (const message of messages.keys()) this.#seen.add(message);
  }

  /** How many faults there were. */
  get faults(): number {
    return [...this.#faults.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Kinds of faults, changes of role and branches that handle faults and were not reached. */
  get gaps(): readonly string[] {
    return [
      ...faultKinds.filter((kind) => !this.#faults.has(kind)),
      ...[...roleChanges, ...faultMessages].filter((what) => !this.#seen.has(what)),
    ];
  }
}
