import { newLogger } from '../../observer/logger.ts';
import { asError } from '../../raft/errors.ts';
import type { Logger } from '../../raft/logger.ts';
import { type NodeOptions, parseNodeArgs, UsageError, usage } from './args.ts';
import { joinCluster } from './join.ts';
import { type KvNode, startNode } from './node.ts';

const EXIT_FAILURE = 1;
const EXIT_USAGE = 2;

/** Aborts when the process is asked to stop. */
function stopSignal(options: NodeOptions): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => stop.abort());
  if (options.stopWithStdin) process.stdin.on('end', () => stop.abort()).resume();
  return stop.signal;
}

/** Says why an argument that founds or enters a cluster does nothing. */
function sayWhatIsIgnored(node: KvNode, options: NodeOptions, logger: Logger): void {
  if (!node.hadState) return;
  const ignored = options.bootstrap ? '--bootstrap' : '--join';
  if (options.bootstrap || options.join !== undefined) {
    logger.info({ data: options.dataDir }, `there are data already: ${ignored} is ignored`);
  }
}

async function enter(node: KvNode, options: NodeOptions, logger: Logger, signal: AbortSignal) {
  if (options.join === undefined || node.hadState) return;
  const { id, raftAddress: raft, http } = node.service;
  try {
    await joinCluster(options.join, { id, raft, http }, logger, signal);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
}

/** Serves until asked to stop, or until the node stops by itself. */
async function serve(options: NodeOptions, logger: Logger): Promise<number> {
  const signal = stopSignal(options);
  const node = await startNode(options, logger);
  try {
    logger.info({ id: options.id, http: options.httpAdvertise }, 'serving');
    sayWhatIsIgnored(node, options, logger);
    const asked = new Promise<'asked'>((resolve) => {
      if (signal.aborted) resolve('asked');
      signal.addEventListener('abort', () => resolve('asked'), { once: true });
    });
    const entered = enter(node, options, logger, signal).then(() => asked);
    const ended = await Promise.race([node.stopped, asked, entered]);
    if (ended === 'asked') {
      logger.info({ id: options.id }, 'stopping');
      return 0;
    }
    if (ended === null) {
      logger.info({ id: options.id }, 'removed from the cluster');
      return 0;
    }
    logger.error({ error: ended.message }, 'the node stopped');
    return EXIT_FAILURE;
  } finally {
    await node.close();
  }
}

async function main(): Promise<number> {
  const options = parseNodeArgs(process.argv.slice(2));
  if (options === 'help') {
    process.stdout.write(usage);
    return 0;
  }
  const { logLevel: level, jsonLogs: json } = options;
  return await serve(options, newLogger({ name: 'kv', level, json }));
}

/** The whole of an error on one line: what failed, and what made it fail. */
function oneLine(thrown: unknown): string {
  const error = asError(thrown);
  const cause = error.cause === undefined ? '' : `: ${oneLine(error.cause)}`;
  return `${error.message}${cause}`.replaceAll('\n', ' ');
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`kv: ${oneLine(error)}\n`);
  process.exitCode = error instanceof UsageError ? EXIT_USAGE : EXIT_FAILURE;
}
// Nothing is left to do; a keep-alive connection of a join must not hold the process.
process.exit();
