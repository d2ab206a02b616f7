import { assert } from '../../internal/assert.ts';
import type { Random } from '../../internal/random.ts';
import { Configuration, type ServerAddress, type ServerID } from '../configuration.ts';
import type { Logger } from '../logger.ts';
import type { RPCHeader } from '../messages.ts';
import { RaftState } from '../state.ts';
import type { Vote } from './effect.ts';
import type { Candidacy } from './election.ts';
import type { Leadership } from './leader.ts';
import type { TermIndex } from './term-index.ts';

/** The part of the user's config that the rules read. */
export interface CoreConfig {
  readonly protocolVersion: number;
  heartbeatTimeoutMs: number;
  electionTimeoutMs: number;
  readonly commitTimeoutMs: number;
  readonly leaderLeaseTimeoutMs: number;
  readonly maxAppendEntries: number;
  trailingLogs: number;
  readonly shutdownOnRemove: boolean;
  readonly preVote: boolean;
}

/** Who this node is, and how it names servers in messages. */
export interface Self {
  readonly id: ServerID;
  readonly address: ServerAddress;
  /** The header of everything it sends. */
  readonly header: RPCHeader;
  readonly encodePeer: (id: ServerID, address: ServerAddress) => Uint8Array;
  readonly decodePeer: (bytes: Uint8Array) => ServerAddress;
}

/**
 * The membership that is committed and the latest one in the log. The latest is in force as soon as
 * it is appended; a truncation falls back to the committed one, so at most one may be uncommitted.
 */
export interface Configurations {
  committed: Configuration;
  committedIndex: number;
  latest: Configuration;
  latestIndex: number;
}

/** A snapshot that is being received; nothing else happens on the main lane meanwhile. */
export interface Installation {
  readonly ticket: number;
  readonly index: number;
  readonly term: number;
  readonly configuration: Configuration;
  readonly configurationIndex: number;
}

/** The state of a server: figure 2 of the paper. Only the rules in this folder change it. */
export interface NodeState {
  readonly self: Self;
  readonly config: CoreConfig;
  readonly random: Random;
  readonly log: Logger;

  // Persistent: every change stands in an effect list before anything that rests on it.
  currentTerm: number;
  vote: Vote | null;
  readonly terms: TermIndex;
  snapshotIndex: number;
  snapshotTerm: number;

  // Volatile on all servers.
  role: RaftState;
  leaderAddress: ServerAddress;
  leaderID: ServerID;
  commitIndex: number;
  /** Everything up to here was handed to the FSM (not: has been applied). */
  lastApplied: number;
  configurations: Configurations;
  /** When a leader was last heard; undefined before the first time, which counts as silence. */
  lastContactMs: number | undefined;
  /** A follower says only once a term of office why it does not stand. */
  warnedNoElection: boolean;

  // Of one role only.
  candidacy: Candidacy | null;
  leadership: Leadership | null;
  /** TimeoutNow made this candidate: it asks no pre-votes, and says so when it asks for votes. */
  candidateFromTransfer: boolean;
  installation: Installation | null;
}

/** What start-up has read from the disk. */
export interface InitialState {
  readonly currentTerm: number;
  readonly vote: Vote | null;
  readonly terms: TermIndex;
  readonly snapshotIndex: number;
  readonly snapshotTerm: number;
  readonly configurations: Configurations;
}

/** A node that has just been started: a follower that knows no leader. */
export function newNodeState(
  self: Self,
  config: CoreConfig,
  random: Random,
  log: Logger,
  initial: InitialState,
): NodeState {
  return {
    self,
    config,
    random,
    log,
    currentTerm: initial.currentTerm,
    vote: initial.vote,
    terms: initial.terms,
    snapshotIndex: initial.snapshotIndex,
    snapshotTerm: initial.snapshotTerm,
    role: RaftState.Follower,
    leaderAddress: '',
    leaderID: '',
    commitIndex: initial.snapshotIndex,
    lastApplied: initial.snapshotIndex,
    configurations: { ...initial.configurations },
    lastContactMs: undefined,
    warnedNoElection: false,
    candidacy: null,
    leadership: null,
    candidateFromTransfer: false,
    installation: null,
  };
}

/** No configuration at all: a node that waits to be bootstrapped or added. */
export function noConfigurations(): Configurations {
  const none = new Configuration();
  return { committed: none, committedIndex: 0, latest: none, latestIndex: 0 };
}

/** Index of the last entry, be it in the log or only in a snapshot. Go: `getLastIndex`. */
export function lastIndexOf(node: NodeState): number {
  return Math.max(node.terms.lastIndex, node.snapshotIndex);
}

/** Index and term of the last entry, be it in the log or only in a snapshot. Go: `getLastEntry`. */
export function lastEntryOf(node: NodeState): { readonly index: number; readonly term: number } {
  if (node.terms.lastIndex >= node.snapshotIndex) {
    return { index: node.terms.lastIndex, term: node.terms.lastTerm };
  }
  return { index: node.snapshotIndex, term: node.snapshotTerm };
}

/**
 * The term of the entry at `index`, from the log or as the snapshot's last; undefined if unknown.
 */
export function termOf(node: NodeState, index: number): number | undefined {
  if (index === 0) return 0;
  if (index === node.snapshotIndex) return node.snapshotTerm;
  return node.terms.termAt(index);
}

/** How `Raft.String()` prints a node. */
export function describeNode(address: ServerAddress, role: RaftState): string {
  const names = ['Follower', 'Candidate', 'Leader', 'Shutdown'] as const;
  return `Node at ${address} [${names[role]}]`;
}

/** What must hold between any two steps; a violation is a bug and stops the node. */
export function checkInvariants(node: NodeState): void {
  const { configurations: c } = node;
  // A user restore is applied before a quorum has it; commands never are.
  assert(
    node.lastApplied <= Math.max(node.commitIndex, node.snapshotIndex),
    () => `applied ${node.lastApplied} must not pass the commit index ${node.commitIndex}`,
  );
  assert(
    node.commitIndex <= lastIndexOf(node),
    () => `commit index ${node.commitIndex} must not pass the last index ${lastIndexOf(node)}`,
  );
  assert(
    node.snapshotIndex <= node.lastApplied,
    () => `snapshot ${node.snapshotIndex} must not pass what is applied, ${node.lastApplied}`,
  );
  assert(
    c.committedIndex <= c.latestIndex,
    () => `committed configuration ${c.committedIndex} must not pass the latest ${c.latestIndex}`,
  );
  assert(
    (node.role === RaftState.Leader) === (node.leadership !== null),
    () => `a node leads when and only when it has a leadership, state is ${node.role}`,
  );
  assert(
    (node.role === RaftState.Candidate) === (node.candidacy !== null),
    () => `a node stands when and only when it has a candidacy, state is ${node.role}`,
  );
  assert(
    node.vote === null || node.vote.term <= node.currentTerm,
    () => `the vote's term ${node.vote?.term} must not pass the current term ${node.currentTerm}`,
  );
}
