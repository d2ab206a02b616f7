import process from 'node:process';
import { parseArgs } from 'node:util';
import { BranchWatch } from './branches.ts';
import { Coverage } from './coverage.ts';
import { shrink, testLine } from './shrink.ts';
import {
  describeFailure,
  runSimulation,
  type SimulationOptions,
  type SimulationResult,
} from './simulator.ts';

const usage =
  'usage: npm run sim -- [--seed N] [--count N | --minutes N] [--nodes 1..7] [--steps N] ' +
  '[--duration MS] [--timeout MS] [--work-every MS] [--proposals N] [--lines N] ' +
  '[--verbose] [--coverage] [--no-shrink]';

/** What a run is given beside its seed. */
const RUN_FLAGS = ['nodes', 'steps', 'duration', 'timeout', 'work-every', 'proposals'] as const;

/** Seeds of a hunt are drawn below this. */
const MAX_SEED = 2 ** 31;

/** A whole number from the command line. */
function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw new Error(`--${name} must be a whole number, got ${text}\n${usage}`);
}

function readArguments() {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      count: { type: 'string' },
      minutes: { type: 'string' },
      nodes: { type: 'string' },
      steps: { type: 'string' },
      duration: { type: 'string' },
      timeout: { type: 'string' },
      'work-every': { type: 'string' },
      proposals: { type: 'string' },
      lines: { type: 'string', default: '200' },
      verbose: { type: 'boolean', default: false },
      coverage: { type: 'boolean', default: false },
      'no-shrink': { type: 'boolean', default: false },
    },
  });
  const { nodes, steps, duration, timeout, 'work-every': workEvery, proposals } = values;
  const fixed = {
    traceLines: wholeNumber('lines', values.lines),
    ...(nodes !== undefined && { nodes: wholeNumber('nodes', nodes) }),
    ...(steps !== undefined && { steps: wholeNumber('steps', steps) }),
    ...(duration !== undefined && { durationMs: wholeNumber('duration', duration) }),
    profile: {
      ...(timeout !== undefined && { heartbeatTimeoutMs: wholeNumber('timeout', timeout) }),
      ...(workEvery !== undefined && { workEveryMs: wholeNumber('work-every', workEvery) }),
      ...(proposals !== undefined && { proposalsPerSecond: wholeNumber('proposals', proposals) }),
    },
  };
  const minutes = values.minutes === undefined ? null : wholeNumber('minutes', values.minutes);
  const first = wholeNumber('seed', values.seed ?? (minutes === null ? '1' : randomSeed()));
  const count = minutes === null ? wholeNumber('count', values.count ?? '1') : MAX_SEED;
  const { verbose, coverage, 'no-shrink': noShrink } = values;
  const flags = RUN_FLAGS.map((name) => values[name] && ` --${name} ${values[name]}`).join('');
  return { fixed, flags, first, count, minutes, verbose, coverage, noShrink };
}

function randomSeed(): string {
  return String(Math.floor(Math.random() * MAX_SEED));
}

/** What a hunt has done so far. */
class Totals {
  readonly coverage = new Coverage();
  readonly #startedMs = performance.now();
  #seeds = 0;
  #events = 0;
  #virtualMs = 0;
  #loadedMs = 0;
  #proposed = 0;
  #acknowledged = 0;
  #undecided = 0;

  add(result: SimulationResult): void {
    this.coverage.add(result);
    this.#seeds += 1;
    this.#events += result.events;
    this.#virtualMs += result.virtualMs;
    this.#loadedMs += result.loadedMs;
    this.#proposed += result.proposed;
    this.#acknowledged += result.acknowledged;
    if (!result.isDecided) this.#undecided += 1;
  }

  get seconds(): number {
    return (performance.now() - this.#startedMs) / 1000;
  }

  describe(): string {
    const { seconds } = this;
    const rate = (count: number): string => (count / seconds).toFixed(1);
    const virtualSeconds = this.#virtualMs / 1000;
    const loadedSeconds = this.#loadedMs / 1000;
    const ratio = (virtualSeconds / seconds).toFixed(0);
    return (
      `${this.#seeds} seeds in ${seconds.toFixed(1)} s: ${rate(this.#seeds)} seeds/s, ` +
      `${rate(this.#events)} steps/s, ${rate(this.coverage.faults)} faults/s, ` +
      `${(virtualSeconds / 60).toFixed(1)} virtual minutes (${ratio} times real time), ` +
      `${(loadedSeconds / 60).toFixed(1)} of them with faults and ` +
      `${(this.#proposed / loadedSeconds).toFixed(0)} proposals a virtual second, ` +
      `${this.#acknowledged} acknowledged commands, ${this.#undecided} histories undecided`
    );
  }
}

/** Says what broke, with as few faults as it needs, and how to see it again. */
async function report(options: SimulationOptions, flags: string, noShrink: boolean) {
  const shrunk = noShrink ? null : await shrink(options);
  const { result } = shrunk ?? { result: await runSimulation(options) };
  console.error(describeFailure(result, flags));
  if (shrunk === null || result.violation === null) return;
  const { strikes = [] } = shrunk.options;
  console.error(`${strikes.length} faults are needed, found in ${shrunk.runs} runs; as a test:`);
  console.error(testLine(shrunk.options, result.violation.invariant));
}

/** Runs seeds one after the other; stops at the first that breaks a rule. Gives the exit code. */
async function main(): Promise<number> {
  const { fixed, flags, first, count, minutes, verbose, coverage, noShrink } = readArguments();
  if (minutes !== null) console.log(`hunting from seed ${first} for ${minutes} minutes`);
  const branches = coverage ? new BranchWatch() : null;
  const totals = new Totals();
  let toldMs = performance.now();
  for (let seed = first; seed < first + count; seed += 1) {
    // A hunt writes nothing down: a run that breaks a rule is run again.
    const quiet = minutes === null ? {} : { traceLines: 0 };
    const result = await runSimulation({ ...fixed, ...quiet, seed });
    totals.add(result);
    if (result.violation !== null) {
      await report({ ...fixed, seed }, flags, noShrink);
      return 1;
    }
    if (verbose || (count === 1 && fixed.steps !== undefined)) console.log(result.trace.join('\n'));
    if (minutes === null) console.log(describeClean(result));
    if (minutes === null || performance.now() - toldMs < 10_000) {
      if (minutes === null || totals.seconds < minutes * 60) continue;
      break;
    }
    toldMs = performance.now();
    console.log(totals.describe());
  }
  console.log(totals.describe());
  if (branches === null) return 0;
  const gaps = [...totals.coverage.gaps, ...(await branches.unreached())];
  if (gaps.length === 0) return 0;
  console.error(`never reached: ${gaps.join('; ')}`);
  return 1;
}

function describeClean(result: SimulationResult): string {
  const { seed, events, acknowledged, committed, newestTerm, traceHash } = result;
  return (
    `seed ${seed}: clean, ${events} steps, ${committed} committed, ` +
    `${acknowledged} acknowledged, term ${newestTerm}, trace ${traceHash}`
  );
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
