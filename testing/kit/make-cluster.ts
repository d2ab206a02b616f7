import { type Random, seededRandom } from '../../internal/random.ts';
import { newLogger } from '../../observer/logger.ts';
import { type Config, clockOf, defaultConfig, randomOf } from '../../raft/config.ts';
import { Configuration, ServerSuffrage } from '../../raft/configuration.ts';
import type { FSM } from '../../raft/fsm.ts';
import { type Logger, silentLogger } from '../../raft/logger.ts';
import { bootstrapCluster } from '../../raft/recover.ts';
import { FileSnapshotStore } from '../../snapshot/file-snapshot-store.ts';
import { newInmemStore } from '../../store/inmem-store.ts';
import { newInmemAddr, newInmemTransport } from '../../transport/inmem-transport.ts';
import { Cluster, type ClusterParts } from './cluster.ts';
import { fileSnapTest } from './file-snap-test.ts';
import { MemoryFileSystem } from './memory-file-system.ts';
import { MockFSM, MockFSMConfigStore } from './mock-fsm.ts';
import { MockMonotonicLogStore } from './mock-monotonic-log-store.ts';

/**
 * How long a test waits for something before it fails, in milliseconds. Six times what Go waits: a
 * limit that a busy machine reaches tells nothing of the cluster, and one that holds costs nothing.
 */
const LONGSTOP_MS = 30_000;
/** Snapshots kept by a store in memory; as many as {@link fileSnapTest} keeps. */
const RETAINED = 3;

/** What {@link makeClusterCustom} makes. Go: `MakeClusterOpts`. */
export interface MakeClusterOpts {
  /** How many nodes, 1 or more. */
  readonly peers: number;
  /** True for nodes that know each other; false for ones that know nobody. Default false. */
  readonly bootstrap?: boolean;
  /** What all nodes get; each gets a `localID` of its own. Default: {@link inmemConfig}. */
  readonly conf?: Config;
  /** True for {@link MockFSMConfigStore}; `makeFSMFunc` is not asked then. Default false. */
  readonly configStoreFSM?: boolean;
  /** Makes the state machine of each node. Default: a {@link MockFSM}. */
  readonly makeFSMFunc?: () => FSM;
  /** How long the methods of the cluster wait, in milliseconds above 0. Default 30,000. */
  readonly longstopTimeout?: number;
  /** True for log stores that cannot hold gaps: {@link MockMonotonicLogStore}. Default false. */
  readonly monotonicLogs?: boolean;
}

/**
 * A config for nodes in memory: elections take 50 to 100 ms, commits reach followers after 5 ms.
 * Go: `inmemConfig`.
 */
export function inmemConfig(): Config {
  return {
    ...defaultConfig(),
    heartbeatTimeout: 50,
    electionTimeout: 50,
    leaderLeaseTimeout: 50,
    commitTimeout: 5,
  };
}

function loggerOf(conf: Config, id: string): Logger {
  if (conf.logger !== undefined) return conf.logger;
  if (conf.logOutput === undefined) return silentLogger;
  return newLogger({ name: id, level: conf.logLevel, output: conf.logOutput });
}

/** Each node draws from its own numbers; the same seed gives each node the same ones again. */
function ownRandom(random: Random): Random {
  return seededRandom(Math.floor(random.next() * 2 ** 32));
}

type Snapshots = Pick<ClusterParts, 'snap' | 'dirs'>;

async function snapshotsOf(conf: Config, logger: Logger): Promise<Snapshots> {
  const { clock } = conf;
  if (clock === undefined) {
    const [dir, snap] = await fileSnapTest({ logger });
    return { snap, dirs: [dir] };
  }
  const init = { fileSystem: new MemoryFileSystem(), logger, clock };
  return { snap: await FileSnapshotStore.open('snapshots', RETAINED, init), dirs: [] };
}

function newFSM({ configStoreFSM = false, makeFSMFunc = () => new MockFSM() }: MakeClusterOpts) {
  return configStoreFSM ? new MockFSMConfigStore() : makeFSMFunc();
}

async function newNode(conf: Config, opts: MakeClusterOpts): Promise<ClusterParts> {
  const clock = clockOf(conf);
  const [address, trans] = newInmemTransport(newInmemAddr(randomOf(conf)), { clock });
  const id = conf.protocolVersion < 3 ? address : `server-${address}`;
  const logger = loggerOf(conf, id);
  const store = newInmemStore();
  const random = conf.random && { random: ownRandom(conf.random) };
  return {
    id,
    conf: { ...conf, ...random, localID: id, logger },
    store,
    logs: opts.monotonicLogs === true ? new MockMonotonicLogStore(store) : store,
    ...(await snapshotsOf(conf, logger)),
    fsm: newFSM(opts),
    trans,
  };
}

function renewed(parts: ClusterParts, opts: MakeClusterOpts): ClusterParts {
  const clock = clockOf(parts.conf);
  const [, trans] = newInmemTransport(parts.trans.localAddr(), { clock });
  return { ...parts, fsm: newFSM(opts), trans };
}

/**
 * Makes a cluster in which everything can be chosen. Each node has a store in memory, file
 * snapshots in a temporary directory (3 are kept), and a transport in memory that is connected to
 * all others. With a virtual `conf.clock` and a seeded `conf.random` the same test takes the same
 * course each time; snapshots are kept in memory then. Nodes log to `conf.logger` or, under their
 * names, to `conf.logOutput`; without either they are silent. Go: `MakeClusterCustom`, without the
 * `*testing.T`.
 *
 * @returns the cluster, which must be closed; rejects with what `bootstrapCluster` and `newRaft`
 *   reject with, such as `ERR_INVALID_CONFIG`
 *
 * @example
 * ```ts
 * import { seededRandom } from 'quorate';
 * import { inmemConfig, makeClusterCustom, newVirtualClock } from 'quorate/testing';
 *
 * await using cluster = await makeClusterCustom({
 *   peers: 3,
 *   bootstrap: true,
 *   monotonicLogs: true,
 *   conf: { ...inmemConfig(), clock: newVirtualClock(), random: seededRandom(1) },
 * });
 * const leader = await cluster.leader();
 * const [follower] = await cluster.followers();
 * if (follower !== undefined) await cluster.restart(follower);
 * await leader.apply(new TextEncoder().encode('hello'), 1000);
 * await cluster.waitForReplication(1);
 * ```
 */
export async function makeClusterCustom(opts: MakeClusterOpts): Promise<Cluster> {
  const conf = opts.conf ?? inmemConfig();
  const { longstopTimeout = LONGSTOP_MS } = opts;
  const renew = (parts: ClusterParts) => renewed(parts, opts);
  const cluster = new Cluster({ conf, longstopTimeout, renew });
  const nodes: ClusterParts[] = [];
  for (let i = 0; i < opts.peers; i += 1) nodes.push(await newNode(conf, opts));
  const servers = nodes.map(({ id, trans }) => {
    return { suffrage: ServerSuffrage.Voter, id, address: trans.localAddr() };
  });
  for (const { trans: from } of nodes) {
    for (const { trans: to } of nodes) if (from !== to) from.connect(to.localAddr(), to);
  }
  try {
    for (const node of nodes) {
      const { conf: own, logs, store, snap, trans } = node;
      if (opts.bootstrap === true) {
        await bootstrapCluster(own, logs, store, snap, trans, new Configuration(servers));
      }
      await cluster.add(node);
    }
  } catch (error) {
    await cluster.close();
    throw error;
  }
  return cluster;
}

/**
 * Makes a cluster of `n` voters that know each other; one of them will soon lead. See
 * {@link makeClusterCustom} for what it is made of and for the errors. Go: `MakeCluster`, without
 * the `*testing.T`.
 *
 * @param n how many nodes, 1 or more
 * @param conf what all nodes get; `localID` is set for each. Default: {@link inmemConfig}
 *
 * @example
 * ```ts
 * import { makeCluster } from 'quorate/testing';
 *
 * await using cluster = await makeCluster(3);
 * const leader = await cluster.leader();
 * await leader.apply(new TextEncoder().encode('hello'), 1000);
 * await cluster.ensureSame();
 * ```
 */
export function makeCluster(n: number, conf?: Config): Promise<Cluster> {
  return makeClusterCustom({ peers: n, bootstrap: true, ...(conf && { conf }) });
}

/**
 * Makes `n` nodes that are connected and know of nobody, ready for `bootstrapCluster` and
 * `addVoter`. See {@link makeClusterCustom} for what they are made of and for the errors. Go:
 * `MakeClusterNoBootstrap`, without the `*testing.T`.
 *
 * @param n how many nodes, 1 or more
 * @param conf what all nodes get; `localID` is set for each. Default: {@link inmemConfig}
 *
 * @example
 * ```ts
 * import { Configuration, ServerSuffrage } from 'quorate';
 * import { makeClusterNoBootstrap } from 'quorate/testing';
 *
 * await using cluster = await makeClusterNoBootstrap(1);
 * const address = cluster.trans[0]?.localAddr() ?? '';
 * const self = { suffrage: ServerSuffrage.Voter, id: `server-${address}`, address };
 * await cluster.rafts[0]?.bootstrapCluster(new Configuration([self]));
 * await cluster.leader();
 * ```
 */
export function makeClusterNoBootstrap(n: number, conf?: Config): Promise<Cluster> {
  return makeClusterCustom({ peers: n, ...(conf && { conf }) });
}
