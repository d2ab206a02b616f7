import { bytesEqual } from '../../../internal/bytes.ts';
import { hasVote } from '../../../raft/configuration.ts';
import type {
  AppendEntriesRequest,
  InstallSnapshotRequest,
  RequestVoteRequest,
} from '../../../raft/messages.ts';
import type { Invariant, NodeView } from '../court.ts';

/** Why a vote may not be given yet, `null` when it may. */
function unkeptVote(node: NodeView, request: RequestVoteRequest): string | null {
  const { durable } = node.stableDisk;
  const candidate = request.rpcHeader.addr ?? request.candidate;
  const kept =
    durable.number('LastVoteTerm') === request.term &&
    bytesEqual(durable.bytes('LastVoteCand'), candidate);
  return kept ? null : `${node.id} grants a vote in term ${request.term} that is not on its disk`;
}

/** Why entries may not be acknowledged yet, `null` when they may. */
function unkeptEntries({ id, disk }: NodeView, request: AppendEntriesRequest): string | null {
  const { durable } = disk;
  const { prevLogEntry, prevLogTerm, entries } = request;
  if (entries === null || entries.length === 0) return null;
  const claimed = [{ index: prevLogEntry, term: prevLogTerm }, ...entries];
  const missing = claimed.find(
    ({ index, term }) => index > durable.snapshotIndex && durable.termAt(index) !== term,
  );
  if (missing === undefined) return null;
  return `${id} acknowledges entry ${missing.index} of term ${missing.term}, not on its disk`;
}

function unkeptSnapshot({ id, disk }: NodeView, request: InstallSnapshotRequest): string | null {
  const { durable } = disk;
  const { lastLogIndex, lastLogTerm } = request;
  if (durable.snapshotIndex >= lastLogIndex || durable.termAt(lastLogIndex) === lastLogTerm) {
    return null;
  }
  return `${id} acknowledges a snapshot up to ${lastLogIndex} that is not on its disk`;
}

/**
 * Nothing leaves a node before what it says is on the node's disk: the term of any message, a vote,
 * acknowledged entries, an acknowledged snapshot, the vote that a leader gave to itself.
 */
export const persistBeforeReply: Invariant = {
  name: 'persist-before-reply',
  source: 'Raft paper, Figure 2, "Persistent state: updated on stable storage before responding"',
  watch(facts, violated) {
    const judge = (complaint: string | null): void => {
      if (complaint !== null) violated(complaint);
    };
    const judgeTerm = ({ id, stableDisk }: NodeView, kind: string, term: number): void => {
      const saved = stableDisk.durable.number('CurrentTerm');
      if (term > saved) violated(`${id} sends ${kind} of term ${term}, its disk has term ${saved}`);
    };
    return {
      requestSent(node, request) {
        // A pre-vote names a term that nobody is in yet (thesis §9.6), timeout-now names none.
        if (request.kind === 'RequestPreVoteRequest' || request.kind === 'TimeoutNowRequest')
          return;
        judgeTerm(node, request.kind, request.term);
      },
      replySent(node, request, reply) {
        if (reply.kind === 'RequestPreVoteResponse' || reply.kind === 'TimeoutNowResponse') return;
        judgeTerm(node, reply.kind, reply.term);
        if (request.kind === 'RequestVoteRequest') {
          if ('granted' in reply && reply.granted) judge(unkeptVote(node, request));
        } else if ('success' in reply && reply.success) {
          if (request.kind === 'AppendEntriesRequest') judge(unkeptEntries(node, request));
          if (request.kind === 'InstallSnapshotRequest') judge(unkeptSnapshot(node, request));
        }
      },
      elected(node, term) {
        const { id, stableDisk } = node;
        // Whom an uncommitted change leaves out may stand, and does not vote (thesis §4.2.2).
        const votes = facts.configurationsOf(node).every((servers) => hasVote(servers, id));
        if (votes && stableDisk.durable.number('LastVoteTerm') !== term) {
          violated(`${id} leads in term ${term} and its own vote is not on its disk`);
        }
      },
    };
  },
};
