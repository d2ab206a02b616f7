import { bytesEqual, utf8ToString } from '../../internal/bytes.ts';
import { hasVote, inConfiguration } from '../configuration.ts';
import { encodePeers } from '../configuration-codec.ts';
import { type RequestVoteRequest, RequestVoteResponse } from '../messages.ts';
import type { Effects } from './effect.ts';
import type { Now, Ticket } from './input.ts';
import { lastEntryOf, type NodeState } from './node.ts';
import { followNewerTerm } from './term.ts';

/** A request for a vote, with its sender named in every way the checks need. */
interface Asked {
  readonly request: RequestVoteRequest;
  readonly id: string;
  readonly candidate: Uint8Array;
  readonly address: string;
}

function asked(node: NodeState, request: RequestVoteRequest): Asked {
  const addr = request.rpcHeader.addr;
  const candidate =
    (addr !== null && addr.length > 0 ? addr : request.candidate) ?? new Uint8Array();
  return {
    request,
    id: utf8ToString(request.rpcHeader.id),
    candidate,
    address: node.self.decodePeer(candidate),
  };
}

/**
 * True for a candidate that our configuration does not know, unless its log is ahead of ours: then
 * our configuration may be the outdated one, and a cluster whose voters all refused would be stuck
 * (thesis §4.1 grants such a vote). In Go the configuration alone decides.
 */
export function isStranger(
  node: NodeState,
  candidate: { readonly lastLogTerm: number; readonly lastLogIndex: number },
  unknown: boolean,
): boolean {
  if (!unknown || node.configurations.latest.servers.length === 0) return false;
  const last = lastEntryOf(node);
  const { lastLogTerm: term, lastLogIndex: index } = candidate;
  return !(term > last.term || (term === last.term && index > last.index));
}

/** True while a leader other than the candidate is known; a leader knows itself. */
function hearsAnother(node: NodeState, { address }: Asked): boolean {
  return node.leaderAddress !== '' && node.leaderAddress !== address;
}

/** A member's candidacy is heard, unless a leader is alive that did not ask for it (§4.2.3). */
function isHeard(node: NodeState, ask: Asked): boolean {
  const { request, id, address } = ask;
  if (id !== '' && isStranger(node, request, !inConfiguration(node.configurations.latest, id))) {
    // Fault: a vote for a stranger
    node.log.warn({ from: address }, 'rejecting vote request since node is not in configuration');
    return false;
  }
  if (hearsAnother(node, ask) && !request.leadershipTransfer) {
    // Fault: a vote against a leader that is heard
    node.log.warn(
      { from: address, leader: node.leaderAddress, 'leader-id': node.leaderID },
      'rejecting vote request since we have a leader',
    );
    return false;
  }
  return true;
}

/** The candidate's log must be at least as up to date as ours (§5.4.1). */
function isUpToDate(node: NodeState, { request, address }: Asked): boolean {
  const last = lastEntryOf(node);
  if (last.term > request.lastLogTerm) {
    // Fault: a vote for a log of an older term
    node.log.warn(
      {
        candidate: address,
        'last-term': last.term,
        'last-candidate-term': request.lastLogTerm,
      },
      'rejecting vote request since our last term is greater',
    );
    return false;
  }
  if (last.term === request.lastLogTerm && last.index > request.lastLogIndex) {
    // Fault: a vote for a shorter log
    node.log.warn(
      {
        candidate: address,
        'last-index': last.index,
        'last-candidate-index': request.lastLogIndex,
      },
      'rejecting vote request since our last index is greater',
    );
    return false;
  }
  return true;
}

/** Decides on a vote in the current term, after a newer term was adopted. */
function grants(node: NodeState, ask: Asked, now: Now, out: Effects): boolean {
  const { request, id, candidate, address } = ask;
  const { latest } = node.configurations;
  if (id !== '' && isStranger(node, request, !hasVote(latest, id))) {
    node.log.warn({ from: address }, 'rejecting vote request since node is not a voter');
    return false;
  }
  if (node.vote !== null && node.vote.term === request.term) {
    node.log.info({ term: request.term }, 'duplicate requestVote for same term');
    if (!bytesEqual(node.vote.candidate, candidate)) return false; // Fault: the vote is given
    // Fault: it asks for its vote again
    node.log.warn({ candidate: address }, 'duplicate requestVote from');
    return true;
  }
  if (!isUpToDate(node, ask)) return false;
  node.vote = { term: request.term, candidate };
  out.persistHardState(node.currentTerm, node.vote);
  node.lastContactMs = now.ms;
  return true;
}

/**
 * RequestVote receiver (§5.2, §5.4.1), the checks in hashicorp's order: in the configuration, known
 * leader, older term, newer term, voter, duplicate vote, last term, last index, persist, grant.
 *
 * Whoever hears a leader lets nobody raise its term (thesis §4.2.3). Where none is heard a
 * stranger's term counts as well, though it gets no vote: servers that were removed and keep
 * standing raise the term of voters that do not know it yet, and a member that was left behind
 * them would stand in terms that are over, for ever. In Go a stranger's term never counts.
 */
export function onRequestVote(
  node: NodeState,
  request: RequestVoteRequest,
  ticket: Ticket,
  now: Now,
  out: Effects,
): void {
  out.push({ kind: 'observe', data: { kind: 'RequestVoteRequest', request } });
  const ask = asked(node, request);
  const heard = isHeard(node, ask);
  if (request.term > node.currentTerm && (heard || !hearsAnother(node, ask))) {
    node.log.debug({}, 'lost leadership because received a requestVote with a newer term');
    followNewerTerm(node, request.term, now, out);
  }
  const granted = heard && request.term >= node.currentTerm && grants(node, ask, now, out);
  const legacy = node.config.protocolVersion < 2;
  const reply = new RequestVoteResponse({
    rpcHeader: node.self.header,
    term: node.currentTerm,
    peers: legacy ? encodePeers(node.configurations.latest, node.self) : null,
    granted,
  });
  out.push({ kind: 'reply', ticket, reply });
}
