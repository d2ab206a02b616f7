import { assert } from '../../internal/assert.ts';
import { stepPeer } from '../core/core.ts';
import { Effects, isDurable } from '../core/effect.ts';
import type { PeerInput } from '../core/input.ts';
import { lastIndexOf, type NodeState } from '../core/node.ts';
import { RaftState } from '../state.ts';
import type { Performer } from './effects.ts';

/**
 * What fast lanes and users may read of a node (rule 7): the state as it was when the last list of
 * effects had passed its durable ones, never a term or an entry that a crash could still take back.
 */
export interface Published {
  readonly term: number;
  readonly role: RaftState;
  readonly leaderAddress: string;
  readonly leaderID: string;
  readonly lastIndex: number;
  readonly commitIndex: number;
  readonly lastApplied: number;
}

/** The state of `node`, to be published when its effects are done. */
export function published(node: NodeState): Published {
  return {
    term: node.currentTerm,
    role: node.role,
    leaderAddress: node.leaderAddress,
    leaderID: node.leaderID,
    lastIndex: lastIndexOf(node),
    commitIndex: node.commitIndex,
    lastApplied: node.lastApplied,
  };
}

/**
 * What may be seen of `node` while its disk still works: that it has stepped down, at once, as
 * `leaderCh` says it too; nothing else before it is durable.
 */
export function steppedDown(node: NodeState, seen: Published): Published {
  const wasMore = seen.role === RaftState.Leader || seen.role === RaftState.Candidate;
  if (!wasMore || node.role !== RaftState.Follower) return seen;
  return { ...seen, role: RaftState.Follower, leaderAddress: '', leaderID: '' };
}

/**
 * The lanes of peers. Their inputs are stepped at once, also while the main lane waits for the
 * disk: safe because they change neither term nor vote nor log, which is asserted here.
 */
export class PeerLanes {
  readonly #node: NodeState;
  readonly #performer: () => Performer;

  constructor(node: NodeState, performer: () => Performer) {
    this.#node = node;
    this.#performer = performer;
  }

  step(input: PeerInput): void {
    const node = this.#node;
    const { currentTerm, vote } = node;
    const lastIndex = node.terms.lastIndex;
    const out = new Effects();
    stepPeer(node, input, out);
    assert(
      node.currentTerm === currentTerm &&
        node.vote === vote &&
        node.terms.lastIndex === lastIndex &&
        !out.list.some(isDurable),
      () => `only the main lane may change term, vote and log, ${input.kind} did`,
    );
    this.#performer().performNow(out);
  }
}
