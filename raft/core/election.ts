import { hasVote, quorumSize, type ServerID, votersOf } from '../configuration.ts';
import { RequestVoteRequest, type RequestVoteResponse } from '../messages.ts';
import { RaftState } from '../state.ts';
import type { Effects } from './effect.ts';
import type { Now, Outcome } from './input.ts';
import { takeOffice } from './leader.ts';
import { describeNode, lastEntryOf, type NodeState } from './node.ts';
import { askForPreVotes } from './pre-vote.ts';
import { becomeLeader } from './role.ts';
import { followNewerTerm } from './term.ts';
import { randomTimeoutMs } from './timeouts.ts';

/** Counts the answers of one round. Each server is asked once and counted once. */
export class Tally {
  readonly needed: number;
  granted = 0;
  refused = 0;
  readonly #heard = new Set<ServerID>();

  constructor(needed: number) {
    this.needed = needed;
  }

  /** Counts an answer; false when this server was counted before. */
  count(from: ServerID, granted: boolean): boolean {
    if (this.#heard.has(from)) return false;
    this.#heard.add(from);
    if (granted) this.granted += 1;
    else this.refused += 1;
    return true;
  }

  get won(): boolean {
    return this.granted >= this.needed;
  }

  /** So many refused that the round cannot be won. */
  get lost(): boolean {
    return this.refused >= this.needed;
  }
}

/** One attempt to become leader. Answers that carry another object belong to another attempt. */
export interface Candidacy {
  readonly needed: number;
  phase: 'asking-pre-votes' | 'asking-votes';
  preVotes: Tally;
  votes: Tally;
  /** What its timer was last drawn from, in milliseconds; the config may have changed since. */
  electionTimeoutMs: number;
}

/** A fresh attempt; the votes needed are counted once, by the latest configuration. */
export function newCandidacy(node: NodeState): Candidacy {
  const needed = quorumSize(node.configurations.latest);
  return {
    needed,
    phase: 'asking-pre-votes',
    preVotes: new Tally(needed),
    votes: new Tally(needed),
    electionTimeoutMs: node.config.electionTimeoutMs,
  };
}

/** Gives a candidacy a fresh time limit. */
export function limitCandidacy(node: NodeState, candidacy: Candidacy, out: Effects): void {
  const { electionTimeoutMs } = node.config;
  candidacy.electionTimeoutMs = electionTimeoutMs;
  out.setTimer('election', randomTimeoutMs(node.random, electionTimeoutMs));
}

/** Starts one round of candidacy: asks for pre-votes first, unless that is off or was settled. */
export function campaign(node: NodeState, now: Now, out: Effects): void {
  const { candidacy } = node;
  if (candidacy === null) return;
  out.note('raft.state.candidate', 1);
  const nextTerm = node.currentTerm + 1;
  node.log.info(
    { node: describeNode(node.self.address, node.role), term: nextTerm },
    'entering candidate state',
  );
  node.log.debug({ needed: candidacy.needed, term: nextTerm }, 'calculated votes needed');
  limitCandidacy(node, candidacy, out);
  if (node.config.preVote && !node.candidateFromTransfer) askForPreVotes(node, candidacy, now, out);
  else standForElection(node, candidacy, now, out);
}

/**
 * Candidates (§5.2): raise the term, vote for oneself, ask the others. Both go into one write that
 * stands before the requests: a vote that a crash forgets could be given twice. Go: `electSelf`.
 */
export function standForElection(
  node: NodeState,
  candidacy: Candidacy,
  now: Now,
  out: Effects,
): void {
  candidacy.phase = 'asking-votes';
  node.currentTerm += 1;
  const term = node.currentTerm;
  const { id, address, header } = node.self;
  const isVoter = hasVote(node.configurations.latest, id);
  const candidate = node.self.encodePeer(id, address);
  if (isVoter) node.vote = { term, candidate };
  out.persistHardState(term, isVoter ? { term, candidate } : null);

  const last = lastEntryOf(node);
  const request = new RequestVoteRequest({
    rpcHeader: header,
    term,
    candidate,
    lastLogIndex: last.index,
    lastLogTerm: last.term,
    leadershipTransfer: node.candidateFromTransfer,
  });
  for (const server of votersOf(node.configurations.latest)) {
    if (server.id === id) continue;
    node.log.debug({ term, from: server.id, address: server.address }, 'asking for vote');
    out.push({ kind: 'sendVote', candidacy, to: server, request });
  }
  if (isVoter) {
    node.log.debug({ term, id }, 'voting for self');
    countVote(node, candidacy, id, true, now, out);
  }
}

/** Handles the answer to a request for a vote. Answers to an older attempt are dropped. */
export function onVoteReply(
  node: NodeState,
  candidacy: Candidacy,
  from: ServerID,
  outcome: Outcome<RequestVoteResponse>,
  now: Now,
  out: Effects,
): void {
  if (node.candidacy !== candidacy || candidacy.phase !== 'asking-votes') return; // Fault: too late
  if (outcome.reply === undefined) {
    // Fault: a vote that cannot be had
    node.log.error(
      { target: from, error: outcome.error, term: node.currentTerm },
      'failed to make requestVote RPC',
    );
    countVote(node, candidacy, from, false, now, out);
    return;
  }
  const { reply } = outcome;
  if (reply.term > node.currentTerm) {
    // Fault: another term began meanwhile
    node.log.debug({ term: reply.term }, 'newer term discovered, fallback to follower');
    followNewerTerm(node, reply.term, now, out);
    return;
  }
  // A grant counts only for the term it was given in.
  countVote(node, candidacy, from, reply.granted && reply.term === node.currentTerm, now, out);
}

function countVote(
  node: NodeState,
  candidacy: Candidacy,
  from: ServerID,
  granted: boolean,
  now: Now,
  out: Effects,
): void {
  const { votes } = candidacy;
  if (!votes.count(from, granted)) return;
  if (granted) {
    node.log.debug({ from, term: node.currentTerm, tally: votes.granted }, 'vote granted');
  }
  if (!votes.won) return;
  node.log.info({ term: node.currentTerm, tally: votes.granted }, 'election won');
  becomeLeader(node, out);
  takeOffice(node, now, out);
}

/** The campaign took too long: it starts again, with a fresh round of pre-votes. */
export function onElectionTimeout(node: NodeState, now: Now, out: Effects): void {
  if (node.role !== RaftState.Candidate) return;
  // Fault: nobody was elected in time
  node.log.warn({}, 'Election timeout reached, restarting election');
  node.candidateFromTransfer = false;
  node.candidacy = newCandidacy(node);
  campaign(node, now, out);
}
