import process from 'node:process';
import { parseArgs } from 'node:util';
import { describeFailure, runSimulation } from './simulator.ts';

const usage = 'usage: npm run sim -- [--seed N] [--count N] [--nodes 1..5] [--lines N] [--verbose]';

/** A whole number from the command line. */
function wholeNumber(name: string, text: string): number {
  const value = Number(text);
  if (Number.isSafeInteger(value)) return value;
  throw new Error(`--${name} must be a whole number, got ${text}\n${usage}`);
}

/** Runs seeds one after the other; stops at the first that breaks a rule. Gives the exit code. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string', default: '1' },
      count: { type: 'string', default: '1' },
      nodes: { type: 'string' },
      lines: { type: 'string', default: '200' },
      verbose: { type: 'boolean', default: false },
    },
  });
  const first = wholeNumber('seed', values.seed);
  const traceLines = wholeNumber('lines', values.lines);
  const nodes = values.nodes === undefined ? {} : { nodes: wholeNumber('nodes', values.nodes) };
  const startedMs = performance.now();
  for (let seed = first; seed < first + wholeNumber('count', values.count); seed += 1) {
    const result = await runSimulation({ seed, traceLines, ...nodes });
    const { violation, events, acknowledged, committed, newestTerm, traceHash } = result;
    if (violation !== null) {
      console.error(describeFailure(result));
      return 1;
    }
    if (values.verbose) console.log(result.trace.join('\n'));
    console.log(
      `seed ${seed}: clean, ${events} events, ${committed} committed, ` +
        `${acknowledged} acknowledged, term ${newestTerm}, trace ${traceHash}`,
    );
  }
  console.log(`${Math.round(performance.now() - startedMs)} ms`);
  return 0;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : error);
  process.exitCode = 2;
}
