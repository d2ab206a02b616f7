import { quorumSize, votersOf } from '../configuration.ts';
import { ErrNotLeader } from '../errors.ts';
import type { Effects } from './effect.ts';
import { beat } from './heartbeat.ts';
import type { Ticket } from './input.ts';
import type { Leadership } from './leader.ts';
import type { NodeState } from './node.ts';
import type { Progress } from './progress.ts';

/** A question whether this node still leads, asked after everything up to `round` was sent. */
interface Question {
  readonly ticket: Ticket;
  readonly round: number;
  /** What the answer carries: the index to read at, or nothing for a plain verify. */
  readonly readIndex: number | undefined;
  /** A restore asks, which goes on when it is answered. */
  readonly restores?: true;
}

/** Questions that wait for a quorum, in the order in which they were asked. */
export class PendingReads {
  #questions: Question[] = [];
  /** Reads that came before this leadership had committed anything of its own. */
  readonly #tooEarly: Ticket[] = [];

  get isEmpty(): boolean {
    return this.#questions.length === 0;
  }

  ask(question: Question): void {
    this.#questions.push(question);
  }

  /** Takes out every question that was asked before `round` was sent. */
  answered(round: number): Question[] {
    let count = 0;
    for (const question of this.#questions) {
      if (question.round >= round) break;
      count += 1;
    }
    return this.#questions.splice(0, count);
  }

  hold(ticket: Ticket): void {
    this.#tooEarly.push(ticket);
  }

  /** The state was replaced, which is not committed yet: no read may see it before that. */
  holdAgain(): void {
    for (const { ticket, readIndex } of this.#questions) {
      if (readIndex !== undefined) this.hold(ticket);
    }
    this.#questions = this.#questions.filter(({ readIndex }) => readIndex === undefined);
  }

  release(): Ticket[] {
    return this.#tooEarly.splice(0);
  }

  /** Everybody who waits, for the end of the leadership. */
  abandon(): Ticket[] {
    const asked = this.#questions.splice(0).filter(({ restores }) => restores !== true);
    return [...asked.map(({ ticket }) => ticket), ...this.release()];
  }
}

/**
 * Am I still the leader? (§8, thesis §6.4) Answered once a majority of the voters has confirmed a
 * request that was sent after the question. Nonvoters confirm nothing. Go: `verifyLeader`.
 */
export function onVerify(node: NodeState, ticket: Ticket, out: Effects): void {
  const { leadership } = node;
  if (leadership === null) out.push({ kind: 'settleError', ticket, error: ErrNotLeader });
  else ask(node, leadership, { ticket, readIndex: undefined }, out);
}

/** Asks on behalf of a restore, which `restoreVerified` answers. */
export function verifyForRestore(
  node: NodeState,
  leadership: Leadership,
  ticket: Ticket,
  out: Effects,
): void {
  ask(node, leadership, { ticket, readIndex: undefined, restores: true }, out);
}

/** True when every read would see committed state only. */
function mayRead(node: NodeState, leadership: Leadership): boolean {
  return node.commitIndex >= Math.max(leadership.commitment.startIndex, node.snapshotIndex);
}

/**
 * A linear read in four steps (thesis §6.4): an entry of this term is committed; the commit index
 * is taken; a quorum confirms the leadership afterwards; the FSM has finished that index. The first
 * three are here, the fourth is the runtime's. Beyond Go.
 */
export function onReadIndex(node: NodeState, ticket: Ticket, out: Effects): void {
  const { leadership } = node;
  if (leadership === null) out.push({ kind: 'settleError', ticket, error: ErrNotLeader });
  else if (!mayRead(node, leadership)) leadership.reads.hold(ticket);
  else ask(node, leadership, { ticket, readIndex: node.commitIndex }, out);
}

/** An entry of this term is committed: reads that came too early may be asked now. */
export function askHeldReads(node: NodeState, leadership: Leadership, out: Effects): void {
  if (!mayRead(node, leadership)) return;
  for (const ticket of leadership.reads.release()) {
    ask(node, leadership, { ticket, readIndex: node.commitIndex }, out);
  }
}

function ask(
  node: NodeState,
  leadership: Leadership,
  question: Omit<Question, 'round'>,
  out: Effects,
): void {
  leadership.reads.ask({ ...question, round: leadership.round });
  for (const { id } of votersOf(node.configurations.latest)) {
    const peer = leadership.peers.get(id);
    if (peer !== undefined) beat(node, leadership, peer, out);
  }
  answerConfirmed(node, leadership, out);
}

/** A follower has confirmed request `round`; questions from before it may have their quorum now. */
export function confirmRound(
  node: NodeState,
  leadership: Leadership,
  peer: Progress,
  round: number,
  out: Effects,
): void {
  if (round <= peer.confirmedRound) return;
  peer.confirmedRound = round;
  answerConfirmed(node, leadership, out);
}

/**
 * Answers the questions that a quorum has confirmed. A change of the membership calls this too: the
 * quorum it leaves may be there already.
 */
export function answerConfirmed(node: NodeState, leadership: Leadership, out: Effects): void {
  if (leadership.reads.isEmpty) return;
  const confirmed = confirmedByQuorum(node, leadership);
  for (const { ticket, readIndex, restores } of leadership.reads.answered(confirmed)) {
    if (restores) out.push({ kind: 'post', input: { kind: 'restoreVerified', leadership } });
    else out.push({ kind: 'settle', ticket, value: readIndex });
  }
}

/** The newest round that a majority of the voters has confirmed; the leader confirms any. */
function confirmedByQuorum(node: NodeState, leadership: Leadership): number {
  const { latest } = node.configurations;
  const rounds = votersOf(latest).map(({ id }) =>
    id === node.self.id ? Number.MAX_SAFE_INTEGER : (leadership.peers.get(id)?.confirmedRound ?? 0),
  );
  rounds.sort((a, b) => b - a);
  return rounds[quorumSize(latest) - 1] ?? 0;
}
