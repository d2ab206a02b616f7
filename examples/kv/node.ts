import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { named } from '../../observer/logger.ts';
import { type Config, defaultConfig } from '../../raft/config.ts';
import { Configuration, ServerSuffrage } from '../../raft/configuration.ts';
import { asError } from '../../raft/errors.ts';
import type { Logger } from '../../raft/logger.ts';
import { newRaft } from '../../raft/raft.ts';
import { bootstrapCluster, hasExistingState } from '../../raft/recover.ts';
import { RaftState } from '../../raft/state.ts';
import { newFileSnapshotStoreWithLogger } from '../../snapshot/new-file-snapshot-store.ts';
import { newLMDBStore } from '../../store/lmdb-store.ts';
import { newTCPTransport } from '../../transport/tcp-stream-layer.ts';
import type { NodeOptions } from './args.ts';
import { encodeCommand } from './commands.ts';
import { addDebugRoutes } from './debug-routes.ts';
import { KvFsm } from './fsm.ts';
import { newHttpServer } from './http.ts';
import { probe } from './join.ts';
import type { Service } from './service.ts';

const MAX_POOL = 3;
const TRANSPORT_TIMEOUT_MS = 10_000;
const SNAPSHOTS_RETAINED = 2;
const WATCH_INTERVAL_MS = 100;
const PUBLISH_RETRY_MS = 100;
const HTTP_CLOSE_LIMIT_MS = 2000;

/** A node that serves. */
export interface KvNode {
  readonly service: Service;
  /** True when the node had data before it was started. */
  readonly hadState: boolean;
  /** Resolves when the node stopped by itself: with the reason, or `null` when it was removed. */
  readonly stopped: Promise<Error | null>;
  /** Stops HTTP, then raft, then the stores. */
  close(): Promise<void>;
}

/** Undoes the steps of a start, last one first; a step that fails does not stop the others. */
class Closers {
  readonly #steps: (() => unknown)[] = [];

  add(step: () => unknown): void {
    this.#steps.push(step);
  }

  async run(): Promise<void> {
    const errors: Error[] = [];
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step();
      } catch (error) {
        errors.push(asError(error));
      }
    }
    const [first] = errors;
    if (first !== undefined) throw first;
  }
}

function configOf(options: NodeOptions, logger: Logger): Config {
  return {
    ...defaultConfig(),
    localID: options.id,
    heartbeatTimeout: options.heartbeatTimeout,
    electionTimeout: options.electionTimeout,
    leaderLeaseTimeout: options.leaderLeaseTimeout,
    snapshotThreshold: options.snapshotThreshold,
    snapshotInterval: options.snapshotInterval,
    trailingLogs: options.trailingLogs,
    batchApplyCh: true,
    logger,
  };
}

/** Tells the cluster where the new leader serves HTTP, once a term. */
async function publishAddress(service: Service): Promise<void> {
  const { raft, id, http } = service;
  const command = encodeCommand({ op: 'member', id, http });
  while (raft.state() === RaftState.Leader) {
    if ((await raft.apply(command, service.enqueueTimeoutMs).error()) === null) return;
    await sleep(PUBLISH_RETRY_MS);
  }
}

async function publishWhenLeading(service: Service): Promise<void> {
  for await (const leads of service.raft.leaderCh()) if (leads) await publishAddress(service);
}

/** Resolves once the node has stopped by itself. */
function watch(service: Service, closers: Closers): Promise<Error | null> {
  return new Promise((resolve) => {
    const timer = setInterval(() => {
      const { fatal } = service.raft;
      if (fatal === null && service.raft.state() !== RaftState.Shutdown) return;
      clearInterval(timer);
      resolve(fatal);
    }, WATCH_INTERVAL_MS);
    closers.add(() => clearInterval(timer));
  });
}

async function serveHttp(service: Service, options: NodeOptions, closers: Closers): Promise<void> {
  const app = newHttpServer(service);
  if (options.debugEndpoints) addDebugRoutes(app);
  await app.listen({ ...options.http, exclusive: true });
  closers.add(async () => {
    const limit = sleep(HTTP_CLOSE_LIMIT_MS, undefined, { ref: false });
    await Promise.race([app.close(), limit]);
  });
}

async function start(options: NodeOptions, logger: Logger, closers: Closers): Promise<KvNode> {
  const config = configOf(options, named(logger, 'raft'));
  // The port comes first: it keeps a second process with the same arguments away from the data.
  const transport = await newTCPTransport(
    options.raft,
    options.raftAdvertise,
    MAX_POOL,
    TRANSPORT_TIMEOUT_MS,
    named(logger, 'raft-net'),
  );
  closers.add(() => transport.close());
  await mkdir(options.dataDir, { recursive: true });
  const { mapSize } = options;
  const store = await newLMDBStore({
    path: path.join(options.dataDir, 'raft'),
    ...(mapSize === undefined ? {} : { mapSize }),
  });
  closers.add(() => store.close());
  const snapshots = await newFileSnapshotStoreWithLogger(
    options.dataDir,
    SNAPSHOTS_RETAINED,
    named(logger, 'snapshot'),
  );
  const hadState = await hasExistingState(store, store, snapshots);
  if (options.bootstrap && !hadState) {
    const { id, raftAdvertise: address } = options;
    const first = new Configuration([{ id, address, suffrage: ServerSuffrage.Voter }]);
    await bootstrapCluster(config, store, store, snapshots, transport, first);
  }
  const fsm = new KvFsm();
  const raft = await newRaft(config, fsm, store, store, snapshots, transport);
  closers.add(() => raft.shutdown());
  const service: Service = {
    id: options.id,
    http: options.httpAdvertise,
    raftAddress: options.raftAdvertise,
    raft,
    fsm,
    restoresAtStart: fsm.restores,
    enqueueTimeoutMs: options.applyTimeout,
    requestTimeoutMs: options.requestTimeout,
    probe,
  };
  const stopped = watch(service, closers);
  publishWhenLeading(service).catch((error: unknown) => {
    logger.error({ error: asError(error).message }, 'cannot tell where this node serves HTTP');
  });
  await serveHttp(service, options, closers);
  return { service, hadState, stopped, close: () => closers.run() };
}

/**
 * Starts a node on its data directory.
 *
 * @throws Error when a port is taken, the data cannot be read, or the configuration is refused;
 * whatever was opened until then is closed again
 */
export async function startNode(options: NodeOptions, logger: Logger): Promise<KvNode> {
  const closers = new Closers();
  try {
    return await start(options, logger, closers);
  } catch (error) {
    // What could not be closed either says less than what went wrong first.
    await closers.run().catch(() => {});
    throw error;
  }
}
