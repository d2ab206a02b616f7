import type { Operation, SequentialModel } from './history.ts';

/** How far to search. */
export interface CheckOptions {
  /**
   * How many steps of the model may be tried for one part of the history, 2,000,000 by default.
   * Many operations of unknown outcome that change one key make a search long.
   */
  readonly maxSteps?: number;
}

/** What {@link checkLinearizable} found. */
export interface LinearizabilityReport {
  /**
   * `linearizable`: an order of operations explains every answer. `broken`: none does.
   * `undecided`: the search was given up at its limit; a history of fewer operations a part, or
   * fewer with unknown outcomes, can be judged.
   */
  readonly verdict: 'linearizable' | 'broken' | 'undecided';
  /** Which answer cannot be explained, and what the state may have been; empty when all is well. */
  readonly message: string;
}

/** A way in which the history so far can be explained. */
interface Explanation<State> {
  readonly state: State;
  readonly text: string;
  /** Operations that have happened and whose answers are still to come: one bit each. */
  readonly done: bigint;
  /** Operations of unknown outcome that have happened: one bit each. */
  readonly spent: bigint;
}

/** An operation that has been called and may happen now. */
interface Pending<Input, Output> {
  readonly operation: Operation<Input, Output>;
  readonly bit: bigint;
  readonly isRead: boolean;
}

/**
 * Explanations without those that another one makes needless: of two with one state and the same
 * answers to come, the one that has spent fewer unknown operations can do all that the other can.
 */
class Explanations<State> {
  readonly #bySituation = new Map<string, Explanation<State>[]>();

  add(explanation: Explanation<State>): boolean {
    const { text, done, spent } = explanation;
    const situation = `${done.toString(36)} ${text}`;
    const known = this.#bySituation.get(situation) ?? [];
    if (known.some((other) => (other.spent & spent) === other.spent)) return false;
    const needed = known.filter((other) => (other.spent & spent) !== spent);
    this.#bySituation.set(situation, [...needed, explanation]);
    return true;
  }

  all(): Explanation<State>[] {
    return [...this.#bySituation.values()].flat();
  }
}

class OutOfSteps extends Error {}

/**
 * Lowe's just-in-time form of the search of Wing and Gong: goes through calls and answers in the
 * order of time and keeps every explanation of what was answered so far. Operations happen only
 * when an answer needs them.
 */
class Search<State, Input, Output> {
  readonly #model: SequentialModel<State, Input, Output>;
  readonly #pending = new Set<Pending<Input, Output>>();
  #explanations: Explanation<State>[];
  #freeBits: bigint[] = [];
  #usedBits = 0n;
  #stepsLeft: number;

  constructor(model: SequentialModel<State, Input, Output>, maxSteps: number) {
    this.#model = model;
    this.#stepsLeft = maxSteps;
    const text = model.describe(model.initial);
    this.#explanations = [{ state: model.initial, text, done: 0n, spent: 0n }];
  }

  call(operation: Operation<Input, Output>): Pending<Input, Output> {
    const isRead = this.#model.readsOnly?.(operation.input) ?? false;
    const pending = { operation, bit: this.#takeBit(), isRead };
    this.#pending.add(pending);
    return pending;
  }

  /** False when no explanation goes with that answer. */
  answer(answered: Pending<Input, Output>): boolean {
    const next = new Explanations<State>();
    const seen = new Explanations<State>();
    const open: Explanation<State>[] = [];
    for (const before of this.#explanations) {
      if ((before.done & answered.bit) !== 0n) {
        next.add({ ...before, done: before.done & ~answered.bit });
      } else if (seen.add(before)) open.push(before);
    }
    for (let at = open.pop(); at !== undefined; at = open.pop()) {
      const after = this.#happen(at, answered);
      if (after !== null) next.add({ ...after, done: after.done & ~answered.bit });
      // A read that fits changes nothing: whatever could come before it can come behind it.
      if (after !== null && answered.isRead) continue;
      for (const further of this.#further(at, answered)) {
        if (seen.add(further)) open.push(further);
      }
    }
    const explanations = next.all();
    if (explanations.length === 0) return false;
    this.#explanations = explanations;
    this.#pending.delete(answered);
    this.#freeBits.push(answered.bit);
    return true;
  }

  /** What the state may have been, and what else was going on, when `answered` did not fit. */
  explain({ operation }: Pending<Input, Output>): string {
    const states = [...new Set(this.#explanations.map(({ text }) => text))];
    const others = [...this.#pending].filter((other) => other.operation !== operation);
    return [
      `no order of operations explains ${describe(operation)}`,
      `the state before could only be ${states.slice(0, 8).join(' or ')}`,
      ...others.slice(0, 20).map((other) => `at the same time: ${describe(other.operation)}`),
    ].join('\n  ');
  }

  #takeBit(): bigint {
    const free = this.#freeBits.pop();
    if (free !== undefined) return free;
    this.#usedBits += 1n;
    return 1n << (this.#usedBits - 1n);
  }

  /** Everything but `answered` that may happen next. */
  #further(
    at: Explanation<State>,
    answered: Pending<Input, Output>,
  ): readonly Explanation<State>[] {
    const found: Explanation<State>[] = [];
    for (const pending of this.#pending) {
      if (pending === answered || ((at.done | at.spent) & pending.bit) !== 0n) continue;
      const after = this.#happen(at, pending);
      if (after === null) continue;
      if (pending.isRead) return [after];
      // Nothing is gained by an unknown operation that changes nothing.
      if (pending.operation.answer !== null || after.text !== at.text) found.push(after);
    }
    return found;
  }

  /** What comes of it when `pending` happens now, `null` when its answer does not fit. */
  #happen(at: Explanation<State>, pending: Pending<Input, Output>): Explanation<State> | null {
    this.#stepsLeft -= 1;
    if (this.#stepsLeft < 0) throw new OutOfSteps('the search has no steps left');
    const { operation, bit } = pending;
    const { state, accepts } = this.#model.step(at.state, operation.input);
    const text = this.#model.describe(state);
    if (operation.answer === null) return { state, text, done: at.done, spent: at.spent | bit };
    if (!accepts(operation.answer.output)) return null;
    return { state, text, done: at.done | bit, spent: at.spent };
  }
}

function describe<Input, Output>({ input, calledAt, answer }: Operation<Input, Output>): string {
  const outcome =
    answer === null
      ? 'outcome unknown'
      : `answered ${JSON.stringify(answer.output) ?? 'without a word'} at ${answer.at}`;
  return `${JSON.stringify(input)}, called at ${calledAt}, ${outcome}`;
}

/** Calls and answers in the order of time; at equal times calls come first. */
function eventsOf<Input, Output>(history: readonly Operation<Input, Output>[]) {
  const events = history.flatMap((operation, number) => {
    const { calledAt, answer } = operation;
    const call = { at: calledAt, isAnswer: false, number, operation };
    if (answer === null) return [call];
    if (!(answer.at >= calledAt)) {
      throw new RangeError(`expected an answer after its call, got ${describe(operation)}`);
    }
    return [call, { at: answer.at, isAnswer: true, number, operation }];
  });
  return events.sort((a, b) => a.at - b.at || Number(a.isAnswer) - Number(b.isAnswer));
}

function checkPart<State, Input, Output>(
  history: readonly Operation<Input, Output>[],
  model: SequentialModel<State, Input, Output>,
  maxSteps: number,
): LinearizabilityReport {
  const search = new Search(model, maxSteps);
  const called = new Map<number, Pending<Input, Output>>();
  try {
    for (const { number, operation } of eventsOf(history)) {
      const pending = called.get(number);
      if (pending === undefined) called.set(number, search.call(operation));
      else if (!search.answer(pending)) {
        return { verdict: 'broken', message: search.explain(pending) };
      }
    }
  } catch (error) {
    if (!(error instanceof OutOfSteps)) throw error;
    const message = `${history.length} operations were not judged in ${maxSteps} steps`;
    return { verdict: 'undecided', message };
  }
  return { verdict: 'linearizable', message: '' };
}

/**
 * Judges whether a history is linearizable: whether all of its operations can be put in one order
 * that a state machine running alone would have answered in the same way, and in which nothing
 * that was answered before something else was called comes behind it.
 *
 * An operation that is known not to have happened is left out of the history. The parts of the
 * history (its keys, say) are judged one by one.
 *
 * @param history what clients asked and were told, in any order
 * @param model what the state machine does
 * @returns the verdict and, when it is not `linearizable`, a message for people; a broken part is
 *   reported before an undecided one
 * @throws RangeError when an answer comes before its call
 * @see Herlihy and Wing, "Linearizability"; Wing and Gong, "Testing and verifying concurrent
 *   objects"; Lowe, "Testing for linearizability"
 */
export function checkLinearizable<State, Input, Output>(
  history: readonly Operation<Input, Output>[],
  model: SequentialModel<State, Input, Output>,
  { maxSteps = 2_000_000 }: CheckOptions = {},
): LinearizabilityReport {
  const parts = new Map<string, Operation<Input, Output>[]>();
  for (const operation of history) {
    // A read of which nobody was told anything says nothing.
    if (operation.answer === null && model.readsOnly?.(operation.input) === true) continue;
    const name = model.partOf?.(operation.input) ?? '';
    const part = parts.get(name);
    if (part === undefined) parts.set(name, [operation]);
    else part.push(operation);
  }
  let undecided: LinearizabilityReport | null = null;
  for (const part of parts.values()) {
    const report = checkPart(part, model, maxSteps);
    if (report.verdict === 'broken') return report;
    if (report.verdict === 'undecided') undecided = report;
  }
  return undecided ?? { verdict: 'linearizable', message: '' };
}
