import type { Invariant } from '../court.ts';
import { barrierWaits } from './barrier-waits.ts';
import { committedNeverCut } from './committed-never-cut.ts';
import { committedOnQuorum } from './committed-on-quorum.ts';
import { damageStopsTheNode } from './damage-stops-the-node.ts';
import { electionSafety } from './election-safety.ts';
import { everyFutureSettlesOnce } from './every-future-settles-once.ts';
import { firstFailureIsLast } from './first-failure-is-last.ts';
import { hungDiskEndsTheNode } from './hung-disk-ends-the-node.ts';
import { leaderAppendOnly } from './leader-append-only.ts';
import { leaderCompleteness } from './leader-completeness.ts';
import { leaderKeepsItsLease } from './leader-keeps-its-lease.ts';
import { leaderSpeaksForItsTerm } from './leader-speaks-for-its-term.ts';
import { linearReads } from './linear-reads.ts';
import { logMatching } from './log-matching.ts';
import { logWithoutHoles } from './log-without-holes.ts';
import { monotonic } from './monotonic.ts';
import { newestConfigurationInForce } from './newest-configuration-in-force.ts';
import { oneUncommittedConfiguration } from './one-uncommitted-configuration.ts';
import { oneVoteATerm } from './one-vote-a-term.ts';
import { persistBeforeReply } from './persist-before-reply.ts';
import { preVoteIsNoContact } from './pre-vote-is-no-contact.ts';
import { snapshotEqualsReplay } from './snapshot-equals-replay.ts';
import { stateMachineSafety } from './state-machine-safety.ts';
import { stateOrdering } from './state-ordering.ts';
import { stopsOnlyForCause } from './stops-only-for-cause.ts';
import { truthfulOutcomes } from './truthful-outcomes.ts';
import { verifiedLeader } from './verified-leader.ts';

/** Every rule that is judged after every event. */
export const invariants: readonly Invariant[] = [
  electionSafety,
  oneVoteATerm,
  leaderAppendOnly,
  logMatching,
  leaderCompleteness,
  stateMachineSafety,
  snapshotEqualsReplay,
  oneUncommittedConfiguration,
  newestConfigurationInForce,
  preVoteIsNoContact,
  monotonic,
  stateOrdering,
  committedOnQuorum,
  persistBeforeReply,
  firstFailureIsLast,
  committedNeverCut,
  logWithoutHoles,
  leaderSpeaksForItsTerm,
  stopsOnlyForCause,
  damageStopsTheNode,
  linearReads,
  barrierWaits,
  leaderKeepsItsLease,
  hungDiskEndsTheNode,
  verifiedLeader,
  truthfulOutcomes,
  everyFutureSettlesOnce,
];
