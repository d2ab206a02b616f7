import {
  type CheckOptions,
  checkLinearizable,
  type KeyValueOperation,
  keyValueModel,
} from '../check/index.ts';

/** What must hold of real processes, whatever happens to them. */
export type Rule =
  | 'linearizable-history'
  | 'one-leader-a-term'
  | 'equal-states'
  | 'damage-is-named';

/** A rule of Raft is broken: more than a fault, a crash or a limit of the machine. */
export class Violation extends Error {
  readonly rule: Rule;

  constructor(rule: Rule, message: string) {
    super(`${rule}: ${message}`);
    this.rule = rule;
  }
}

/** What a node says of its state machine. */
export interface StateView {
  readonly id: string;
  /** Index of the last command. */
  readonly index: number;
  /** All else: equal where the index is equal. */
  readonly rest: string;
}

/**
 * @throws Violation when no order of operations explains what clients were told, Error when it
 *   cannot be found out
 */
export function judgeHistory(history: readonly KeyValueOperation[], options?: CheckOptions): void {
  const { verdict, message } = checkLinearizable(history, keyValueModel, options);
  if (verdict === 'broken') throw new Violation('linearizable-history', message);
  if (verdict === 'undecided') throw new Error(`nobody can judge this history: ${message}`);
}

/** @throws Violation when two nodes led in one term */
export function judgeLeaders(leaders: ReadonlyMap<number, ReadonlySet<string>>): void {
  for (const [term, ids] of leaders) {
    if (ids.size < 2) continue;
    const text = `term ${term} had the leaders ${[...ids].join(' and ')}`;
    throw new Violation('one-leader-a-term', text);
  }
}

/** @throws Violation when two nodes have applied up to one index and are in different states */
export function judgeStates(views: readonly StateView[]): void {
  const byIndex = new Map<number, StateView>();
  for (const view of views) {
    const other = byIndex.get(view.index) ?? view;
    byIndex.set(view.index, other);
    if (other.rest === view.rest) continue;
    const text = `at index ${view.index} ${other.id} has ${other.rest}, ${view.id} ${view.rest}`;
    throw new Violation('equal-states', text);
  }
}

/** A damaged record or file, and what was made of it. */
export interface DamageReport {
  /** What has to be named: `log 17`, a key or a snapshot. */
  readonly name: string;
  /** Whether a node can do without what is damaged. */
  readonly isNeeded: boolean;
  /** What `quorate verify` printed, and its exit code. */
  readonly verify: { readonly code: number | null; readonly out: string };
  /** Why the node did not start; `null` when it did. */
  readonly refusal: string | null;
}

/** @throws Violation when damage is not seen, or not said where it is */
export function judgeDamage({ name, isNeeded, verify, refusal }: DamageReport): void {
  const broken = (text: string) => new Violation('damage-is-named', text);
  const lines = verify.out.split('\n');
  if (verify.code !== 1 || !lines.some((line) => line.startsWith('bad: ') && named(line, name))) {
    throw broken(`verify ends with ${verify.code} and does not name ${name}: ${verify.out}`);
  }
  if (!lines.some((line) => line.startsWith('do: '))) {
    throw broken(`verify does not say what to do: ${verify.out}`);
  }
  if (refusal === null && isNeeded) throw broken(`a node starts that needs ${name}`);
  if (refusal !== null && !named(refusal, name)) {
    throw broken(`a node does not start and does not name ${name}: ${refusal}`);
  }
}

/** Index 7 is not named by a text about index 77. */
function named(text: string, name: string): boolean {
  const at = text.indexOf(name);
  return at >= 0 && !/\d/.test(text.charAt(at + name.length));
}
