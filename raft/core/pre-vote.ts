import { utf8ToString } from '../../internal/bytes.ts';
import { hasVote, inConfiguration, type ServerID, votersOf } from '../configuration.ts';
import { RequestPreVoteRequest, RequestPreVoteResponse } from '../messages.ts';
import type { Effects } from './effect.ts';
import { type Candidacy, limitCandidacy, standForElection, Tally } from './election.ts';
import type { Now, Outcome, Ticket } from './input.ts';
import { lastEntryOf, type NodeState } from './node.ts';
import { isStranger } from './request-vote.ts';
import { followNewerTerm } from './term.ts';

/**
 * Asks the voters whether an election could be won, before the term is raised for it, so that a
 * node that was cut off cannot depose a healthy leader (thesis §9.6). Go: `preElectSelf`.
 */
export function askForPreVotes(
  node: NodeState,
  candidacy: Candidacy,
  now: Now,
  out: Effects,
): void {
  const term = node.currentTerm + 1;
  const { id, header } = node.self;
  const last = lastEntryOf(node);
  const request = new RequestPreVoteRequest({
    rpcHeader: header,
    term,
    lastLogIndex: last.index,
    lastLogTerm: last.term,
  });
  for (const server of votersOf(node.configurations.latest)) {
    if (server.id === id) continue;
    node.log.debug({ term, from: server.id, address: server.address }, 'asking for pre-vote');
    out.push({ kind: 'sendPreVote', candidacy, to: server, request });
  }
  if (hasVote(node.configurations.latest, id)) {
    node.log.debug({ term, id }, 'pre-voting for self');
    countPreVote(node, candidacy, id, true, now, out);
  }
}

/**
 * True for the answer of a server that is too old to know pre-votes: it would only be in the way.
 */
function doesNotKnowPreVote(error: Error): boolean {
  return error.message.includes('unexpected command');
}

/** Handles the answer to a request for a pre-vote. Answers to an older attempt are dropped. */
export function onPreVoteReply(
  node: NodeState,
  candidacy: Candidacy,
  from: ServerID,
  outcome: Outcome<RequestPreVoteResponse>,
  now: Now,
  out: Effects,
): void {
  if (node.candidacy !== candidacy || candidacy.phase !== 'asking-pre-votes') return;
  const term = node.currentTerm + 1;
  const { reply, error } = outcome;
  if (reply === undefined) {
    // Fault: a pre-vote that cannot be had
    const old = doesNotKnowPreVote(error);
    const message = old
      ? 'target does not support pre-vote RPC, treating as granted'
      : 'failed to make requestVote RPC';
    node.log.error({ target: from, error, term }, message);
    countPreVote(node, candidacy, from, old, now, out);
    return;
  }
  node.log.debug(
    { from, term: reply.term, tally: candidacy.preVotes.granted },
    'pre-vote received',
  );
  if (reply.term > term) {
    // Fault: who asks is behind by terms
    node.log.debug(
      { term: reply.term },
      'pre-vote denied: found newer term, falling back to follower',
    );
    followNewerTerm(node, reply.term, now, out);
    return;
  }
  countPreVote(node, candidacy, from, reply.granted, now, out);
}

function countPreVote(
  node: NodeState,
  candidacy: Candidacy,
  from: ServerID,
  granted: boolean,
  now: Now,
  out: Effects,
): void {
  const { preVotes } = candidacy;
  if (!preVotes.count(from, granted)) return;
  const term = node.currentTerm + 1;
  node.log.debug(
    { from, term, tally: preVotes.granted },
    granted ? 'pre-vote granted' : 'pre-vote denied',
  );
  const result = {
    term,
    tally: preVotes.granted,
    refused: preVotes.refused,
    votesNeeded: candidacy.needed,
  };
  if (preVotes.won) {
    node.log.info(result, 'pre-vote successful, starting election');
    candidacy.votes = new Tally(candidacy.needed);
    limitCandidacy(node, candidacy, out);
    standForElection(node, candidacy, now, out);
  } else if (preVotes.lost) {
    // Fault: most refuse a pre-vote
    node.log.info(result, 'pre-vote campaign failed, waiting for election timeout');
  }
}

/** Why a pre-vote is refused: the log line that says so, null when it is granted. */
function refusalOf(
  node: NodeState,
  request: RequestPreVoteRequest,
): { readonly fields: Record<string, unknown>; readonly message: string } | null {
  const { latest } = node.configurations;
  const id = utf8ToString(request.rpcHeader.id);
  const candidate = node.self.decodePeer(request.rpcHeader.addr ?? new Uint8Array());
  const from = candidate;
  const last = lastEntryOf(node);
  const prefix = 'rejecting pre-vote request since';
  if (isStranger(node, request, !inConfiguration(latest, id))) {
    return { fields: { from }, message: `${prefix} node is not in configuration` };
  }
  if (node.leaderAddress !== '' && node.leaderAddress !== candidate) {
    // Fault: a pre-vote against a leader that is heard
    return {
      fields: { from, leader: node.leaderAddress, 'leader-id': node.leaderID },
      message: `${prefix} we have a leader`,
    };
  }
  if (request.term < node.currentTerm) {
    // Fault: a pre-vote for a term that is over
    return {
      fields: { from, term: node.currentTerm, 'candidate-term': request.term },
      message: `${prefix} our term is greater`,
    };
  }
  if (isStranger(node, request, !hasVote(latest, id))) {
    return { fields: { from }, message: `${prefix} node is not a voter` };
  }
  if (last.term > request.lastLogTerm) {
    // Fault: a pre-vote for a log of an older term
    return {
      fields: { candidate, 'last-term': last.term, 'last-candidate-term': request.lastLogTerm },
      message: `${prefix} our last term is greater`,
    };
  }
  if (last.term === request.lastLogTerm && last.index > request.lastLogIndex) {
    // Fault: a pre-vote for a shorter log
    return {
      fields: { candidate, 'last-index': last.index, 'last-candidate-index': request.lastLogIndex },
      message: `${prefix} our last index is greater`,
    };
  }
  return null;
}

/**
 * Answers whether a vote would be given. Nothing is stored, no state changes, and the leader's
 * silence is not forgotten: a pre-vote is a question, not a contact. Go: `requestPreVote`.
 */
export function onRequestPreVote(
  node: NodeState,
  request: RequestPreVoteRequest,
  ticket: Ticket,
  out: Effects,
): void {
  out.push({ kind: 'observe', data: { kind: 'RequestPreVoteRequest', request } });
  const refusal = refusalOf(node, request);
  if (refusal !== null) node.log.warn(refusal.fields, refusal.message);
  else if (request.term > node.currentTerm) {
    node.log.debug({}, 'received a requestPreVote with a newer term, grant the pre-vote');
  }
  const reply = new RequestPreVoteResponse({
    rpcHeader: node.self.header,
    term: refusal === null ? Math.max(request.term, node.currentTerm) : node.currentTerm,
    granted: refusal === null,
  });
  out.push({ kind: 'reply', ticket, reply });
}
