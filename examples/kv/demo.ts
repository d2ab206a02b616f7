import { once } from 'node:events';
import { asError } from '../../raft/errors.ts';
import { UsageError } from './args.ts';
import {
  Cluster,
  ClusterError,
  pickAddresses,
  readAddresses,
  removeData,
  takenPorts,
  writeAddresses,
} from './cluster.ts';
import { type DemoOptions, demoUsage, parseDemoArgs } from './demo-args.ts';
import { playDemo } from './demo-story.ts';

const IDS = ['a', 'b', 'c'];
const BASE_PORT = 7001;
/** Snapshots often enough to be seen; the rest is as for any node. */
const NODE_ARGS = ['--snapshot-interval', '10000', '--snapshot-threshold', '16384'];
const EXIT_INTERRUPTED = 130;

async function prepare(options: DemoOptions): Promise<{ cluster: Cluster; hadData: boolean }> {
  const { dataDir, fresh } = options;
  const earlier = await readAddresses(dataDir);
  const taken = await takenPorts(earlier ?? []);
  if (taken.length > 0) {
    throw new ClusterError(
      `port ${taken.join(', ')} of the cluster in ${dataDir} is in use: ` +
        'end the other demo first, or choose another directory with --data',
    );
  }
  if (fresh) await removeData(dataDir, earlier ?? []);
  const hadData = earlier !== undefined && !fresh;
  const nodes = hadData ? earlier : await pickAddresses(IDS, BASE_PORT);
  if (!hadData) await writeAddresses(dataDir, nodes);
  return { cluster: new Cluster({ dataDir, nodes, nodeArgs: NODE_ARGS }), hadData };
}

function invite(cluster: Cluster): void {
  console.log('The cluster stays up until Ctrl-C.');
  for (const { id } of cluster.nodes) console.log(`  ${id}  ${cluster.url(id)}`);
  const [first = '', second = first, third = first] = cluster.nodes.map(({ id }) => id);
  console.log('Try:');
  console.log(`  curl ${cluster.url(first)}/status`);
  console.log(`  curl -L -X PUT --data-binary 'hello' ${cluster.url(second)}/kv/greeting`);
  console.log(`  curl -L '${cluster.url(third)}/kv/greeting?consistency=linear'`);
}

async function run(options: DemoOptions, interrupted: AbortSignal): Promise<number> {
  const { cluster, hadData } = await prepare(options);
  const failed = new AbortController();
  cluster.onUnexpectedExit = ({ id, code, logTail }) => {
    const text = `node ${id} ended by itself with code ${code}; its last words:\n${logTail}`;
    failed.abort(new ClusterError(text));
  };
  const signal = AbortSignal.any([interrupted, failed.signal]);
  try {
    console.log(`Starting three nodes on ${options.dataDir}`);
    const good = await playDemo(cluster, options, hadData, signal);
    if (!options.exit) {
      invite(cluster);
      if (!signal.aborted) await once(signal, 'abort');
      if (failed.signal.aborted) throw failed.signal.reason;
    }
    return good ? 0 : 1;
  } catch (error) {
    if (failed.signal.aborted) throw failed.signal.reason;
    if (interrupted.aborted) return EXIT_INTERRUPTED;
    throw error;
  } finally {
    await cluster.close();
  }
}

async function main(): Promise<number> {
  const options = parseDemoArgs(process.argv.slice(2));
  if (options === 'help') {
    console.log(demoUsage);
    return 0;
  }
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => interrupted.abort());
  }
  return await run(options, interrupted.signal);
}

try {
  process.exitCode = await main();
} catch (error) {
  const usage = error instanceof UsageError;
  const expected = usage || error instanceof ClusterError;
  console.error(`demo: ${expected ? error.message : (asError(error).stack ?? error)}`);
  process.exitCode = usage ? 2 : 1;
}
