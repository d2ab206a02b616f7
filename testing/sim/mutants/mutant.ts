import type { SimulationOptions } from '../simulator.ts';

/** One change of one file. */
export interface Edit {
  /** From the root of the repository. */
  readonly file: string;
  /** Text that is in the file exactly once. */
  readonly find: string;
  readonly replace: string;
}

/** A bug planted on purpose: the code as it would be if one rule had been forgotten. */
export interface Mutant {
  /** What reports call it. */
  readonly name: string;
  /** The number of the rule in `docs/architecture.md` that it breaks, if it breaks one of them. */
  readonly rule?: number;
  /** What goes wrong, in one sentence. */
  readonly title: string;
  readonly edits: readonly Edit[];
  /** The run in which the bug shows; the seed is added. */
  readonly run: Omit<SimulationOptions, 'seed'>;
  /** Seeds 1 to this are tried. */
  readonly seeds: number;
  /** The invariants of which one must catch it. */
  readonly caughtBy: readonly string[];
}
