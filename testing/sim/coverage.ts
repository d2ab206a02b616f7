import { type FaultKind, faultKinds } from './fault-kinds.ts';
import type { SimulationResult } from './simulator.ts';

/** Every way in which a node may come from one role to another. */
const roleChanges = [
  'Follower to Candidate',
  'Candidate to Leader',
  'Candidate to Follower',
  'Leader to Follower',
  'Follower to Shutdown',
  'Candidate to Shutdown',
  'Leader to Shutdown',
] as const;

/** What a hunt has reached so far. */
export class Coverage {
  readonly #faults = new Map<FaultKind, number>();
  readonly #changes = new Set<string>();

  /** Adds what a run has reached. */
  add({ faults, roleChanges: changes }: SimulationResult): void {
    for (const [kind, count] of faults) {
      this.#faults.set(kind, (this.#faults.get(kind) ?? 0) + count);
    }
    for (const change of changes.keys()) this.#changes.add(change);
  }

  /** How many faults there were. */
  get faults(): number {
    return [...this.#faults.values()].reduce((sum, count) => sum + count, 0);
  }

  /** Kinds of faults and changes of role that were not reached. */
  get gaps(): readonly string[] {
    return [
      ...faultKinds.filter((kind) => !this.#faults.has(kind)),
      ...roleChanges.filter((change) => !this.#changes.has(change)),
    ];
  }
}
