import type { ServerAddress, ServerID } from '../configuration.ts';
import { hasVote, votersOf } from '../configuration.ts';
import { ErrLeadershipTransferInProgress, ErrNotLeader, RaftError } from '../errors.ts';
import { TimeoutNowResponse } from '../messages.ts';
import type { Effects } from './effect.ts';
import { campaign } from './election.ts';
import type { Now, Ticket } from './input.ts';
import type { Leadership } from './leader.ts';
import { lastIndexOf, type NodeState } from './node.ts';
import type { Progress } from './progress.ts';
import { replicate } from './replication.ts';
import { becomeCandidate } from './role.ts';

/** A handing-over that is under way; meanwhile the leader takes no requests (thesis §3.10). */
export interface Transfer {
  readonly ticket: Ticket;
  readonly id: ServerID;
  readonly address: ServerAddress;
  /** 'catching-up' until the target has every entry, then 'told' to stand for election. */
  phase: 'catching-up' | 'told';
}

function failure(code: string, message: string): RaftError {
  return new RaftError(code, message);
}

/**
 * The voter that is known to lack the fewest entries; the first of the configuration wins a tie. Go
 * looks at the next index, which is a guess until the server has answered.
 */
export function pickServer(node: NodeState, leadership: Leadership): Progress | undefined {
  let best: Progress | undefined;
  for (const { id } of votersOf(node.configurations.latest)) {
    const peer = leadership.peers.get(id);
    if (peer === undefined) continue;
    if (best === undefined || peer.matchIndex > best.matchIndex) best = peer;
  }
  return best;
}

/** Starts handing over: brings the target up to date, then tells it to stand. */
export function onTransfer(
  node: NodeState,
  target: { readonly id: ServerID; readonly address: ServerAddress } | null,
  ticket: Ticket,
  out: Effects,
): void {
  const refuse = (error: Error): void => out.push({ kind: 'settleError', ticket, error });
  const { leadership } = node;
  if (leadership === null) return refuse(ErrNotLeader);
  if (leadership.transfer !== null) {
    node.log.debug({}, 'leadership transfer in progress');
    return refuse(ErrLeadershipTransferInProgress);
  }
  const peer = target === null ? pickServer(node, leadership) : leadership.peers.get(target.id);
  if (peer === undefined) {
    return refuse(
      target === null
        ? failure('ERR_NO_TRANSFER_TARGET', 'cannot find peer')
        : failure('ERR_UNKNOWN_PEER', `cannot find replication state for ${target.id}`),
    );
  }
  if (!hasVote(node.configurations.latest, peer.server.id)) {
    return refuse(
      failure(
        'ERR_TRANSFER_TO_NONVOTER',
        `expected a voter to transfer leadership to, ${peer.server.id} is none`,
      ),
    );
  }
  const { id, address } = target ?? peer.server;
  node.log.debug({ id, address }, 'starting leadership transfer');
  leadership.transfer = { ticket, id, address, phase: 'catching-up' };
  out.setTimer('transfer', node.config.electionTimeoutMs);
  peer.poked = true;
  replicate(node, leadership, peer, out);
  onPeerCaughtUp(node, leadership, peer, out);
}

/** The target has acknowledged something: once it has everything, it is told to stand. */
export function onPeerCaughtUp(
  node: NodeState,
  leadership: Leadership,
  peer: Progress,
  out: Effects,
): void {
  const { transfer } = leadership;
  if (transfer === null || transfer.id !== peer.server.id) return;
  if (transfer.phase !== 'catching-up' || peer.matchIndex < lastIndexOf(node)) return;
  transfer.phase = 'told';
  const { id, address } = transfer;
  out.push({ kind: 'sendTimeoutNow', transfer, id, address });
}

/** The target took note, or could not be told. A fresh wait begins for its election. */
export function onTimeoutNowReply(
  node: NodeState,
  transfer: Transfer,
  error: Error | null,
  out: Effects,
): void {
  const { leadership } = node;
  if (leadership === null || leadership.transfer !== transfer) return;
  if (error === null) {
    out.setTimer('transfer', node.config.electionTimeoutMs);
    return;
  }
  // Fault: the target cannot be told
  endTransfer(
    leadership,
    failure(
      'ERR_TIMEOUT_NOW_FAILED',
      `failed to make TimeoutNow RPC to ${transfer.id}: ${error.message}`,
    ),
    out,
  );
}

/** The handing-over took longer than it may: this node goes on leading. */
export function onTransferTimeout(node: NodeState, out: Effects): void {
  if (node.leadership?.transfer == null) return;
  // Fault: the target is not elected
  node.log.debug({}, 'leadership transfer timeout');
  endTransfer(
    node.leadership,
    failure('ERR_LEADERSHIP_TRANSFER_TIMEOUT', 'leadership transfer timeout'),
    out,
  );
}

function endTransfer(leadership: Leadership, error: Error, out: Effects): void {
  const { transfer } = leadership;
  if (transfer === null) return;
  leadership.transfer = null;
  out.cancelTimer('transfer');
  out.push({ kind: 'settleError', ticket: transfer.ticket, error });
}

/** Losing the leadership, to whomever, is what was asked for. */
export function abandonTransfer(node: NodeState, leadership: Leadership, out: Effects): void {
  const { transfer } = leadership;
  if (transfer === null) return;
  node.log.debug({}, 'lost leadership during transfer (expected)');
  leadership.transfer = null;
  out.cancelTimer('transfer');
  out.push({ kind: 'settle', ticket: transfer.ticket, value: undefined });
}

/** TimeoutNow receiver: stands for election at once, without asking pre-votes. */
export function onTimeoutNow(node: NodeState, ticket: Ticket, now: Now, out: Effects): void {
  becomeCandidate(node, true, now, out);
  out.push({ kind: 'reply', ticket, reply: new TimeoutNowResponse({}) });
  campaign(node, now, out);
}
