import { runSimulation, type SimulationOptions, type SimulationResult } from './simulator.ts';

/** A failure with as few faults as were needed. */
export interface Shrunk {
  /** What gives the failure again. */
  readonly options: SimulationOptions;
  /** How the run goes. */
  readonly result: SimulationResult;
  /** How many runs it took to get there. */
  readonly runs: number;
}

/** More runs than this are not worth the wait. */
const MAX_RUNS = 200;

/**
 * Looks for the fewest faults that still break the same rule: leaves out the last half, the first
 * half, quarters, and at last single ones (Zeller and Hildebrandt, "Simplifying and Isolating
 * Failure-Inducing Input", 2002). `null` when the run breaks no rule.
 */
export async function shrink(options: SimulationOptions): Promise<Shrunk | null> {
  let result = await runSimulation(options);
  const broken = result.violation?.invariant;
  if (broken === undefined) return null;
  let strikes = result.strikes;
  let runs = 1;
  for (let size = Math.max(strikes.length >> 1, 1); strikes.length > 0; size = size >> 1) {
    for (let at = strikes.length - size; at >= 0 && runs < MAX_RUNS; at -= size) {
      const fewer = [...strikes.slice(0, at), ...strikes.slice(at + size)];
      const tried = await runSimulation({ ...options, strikes: fewer });
      runs += 1;
      if (tried.violation?.invariant !== broken) continue;
      strikes = fewer;
      result = tried;
    }
    if (size <= 1 || runs >= MAX_RUNS) break;
  }
  return { options: { ...options, strikes }, result, runs };
}

/** A test that holds a failure, to be pasted where it belongs. */
export function testLine(options: SimulationOptions, broken: string): string {
  const { seed, nodes, durationMs, steps, strikes, profile = {} } = options;
  const drawn = Object.keys(profile).length === 0;
  const fixed = drawn ? {} : { profile };
  const fields = JSON.stringify({ seed, nodes, durationMs, steps, strikes, ...fixed })
    .replaceAll('"', '')
    .replaceAll(':', ': ')
    .replaceAll(',', ', ');
  return `it('keeps ${broken} with seed ${seed}', () => runCleanly(${fields}));`;
}
