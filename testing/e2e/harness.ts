import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { UsageError, wholeNumber } from '../../examples/kv/args.ts';
import { Cluster, pickAddresses } from '../../examples/kv/cluster.ts';
import { asError } from '../../raft/errors.ts';

/** Short enough that an election takes well under a second, long enough for two busy cores. */
const FAST_ELECTIONS = [
  ...['--heartbeat-timeout', '500', '--election-timeout', '500'],
  ...['--leader-lease-timeout', '250'],
];

/** What a check runs with. */
export interface Setting {
  /** How many nodes; they are called a, b, c, … */
  readonly nodes: number;
  readonly nodeArgs?: readonly string[];
  readonly execArgs?: readonly string[];
}

/** Something that a check found wrong. */
export class CheckFailed extends Error {
  override readonly name = 'CheckFailed';
}

/** Throws {@link CheckFailed} unless `condition` holds. */
export function check(condition: boolean, message: string): asserts condition {
  if (!condition) throw new CheckFailed(message);
}

/** Prints one line of a report. */
export function say(line: string): void {
  console.log(line);
}

/**
 * Runs `play` on a new cluster in a directory of its own. Stops every process at the end; the
 * directory stays when the check fails.
 */
export async function withCluster(
  setting: Setting,
  play: (cluster: Cluster) => Promise<void>,
): Promise<void> {
  const dataDir = await mkdtemp(path.join(tmpdir(), 'quorate-e2e-'));
  const ids = Array.from({ length: setting.nodes }, (_, at) => String.fromCharCode(97 + at));
  // Runs side by side start from different ports.
  const basePort = 10_000 + 10 * Math.floor(Math.random() * 800);
  const nodes = await pickAddresses(ids, basePort);
  const { nodeArgs = [], execArgs = [] } = setting;
  const cluster = new Cluster({
    dataDir,
    nodes,
    nodeArgs: [...FAST_ELECTIONS, ...nodeArgs],
    execArgs,
  });
  const unexpected: string[] = [];
  cluster.onUnexpectedExit = ({ id, code, logTail }) => {
    unexpected.push(`node ${id} ended by itself with code ${code}:\n${logTail}`);
  };
  try {
    await play(cluster);
    check(unexpected.length === 0, unexpected.join('\n'));
  } catch (error) {
    say(`data and logs are in ${dataDir}`);
    for (const line of unexpected) say(line);
    throw error;
  } finally {
    await cluster.close();
  }
  await rm(dataDir, { recursive: true, force: true });
}

/** Reads options that are whole numbers. @throws UsageError */
export function numbersOf<Name extends string>(
  defaults: Readonly<Record<Name, number>>,
): Record<Name, number> {
  const names: Name[] = [];
  for (const name in defaults) names.push(name);
  const options = Object.fromEntries(names.map((name) => [name, { type: 'string' as const }]));
  let given: Record<string, unknown>;
  try {
    given = parseArgs({ options, strict: true }).values;
  } catch (error) {
    throw new UsageError(asError(error).message);
  }
  const numbers: Record<Name, number> = { ...defaults };
  for (const name of names) {
    const text = given[name];
    if (typeof text === 'string') numbers[name] = wholeNumber(name, text, 1, 2 ** 31);
  }
  return numbers;
}

/** Runs a check as a program: exit code 0 when it held, 1 when not, 2 for bad arguments. */
export async function runCheck(name: string, play: () => Promise<string>): Promise<void> {
  const startMs = performance.now();
  try {
    const result = await play();
    say(`ok: ${name}: ${result} (${((performance.now() - startMs) / 1000).toFixed(1)} s)`);
    process.exitCode = 0;
  } catch (error) {
    const plain = error instanceof CheckFailed || error instanceof UsageError;
    say(`FAILED: ${name}: ${plain ? error.message : (asError(error).stack ?? String(error))}`);
    process.exitCode = error instanceof UsageError ? 2 : 1;
  }
}
