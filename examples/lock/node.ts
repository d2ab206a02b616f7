import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import {
  bootstrapCluster,
  type Config,
  Configuration,
  defaultConfig,
  hasExistingState,
  newRaft,
  type Raft,
  ServerSuffrage,
} from '../../index.ts';
import { newFileSnapshotStore } from '../../snapshot/index.ts';
import { newLMDBStore } from '../../store/lmdb-store.ts';
import { newTCPTransport } from '../../transport/index.ts';
import { newHttpServer } from './http.ts';
import { LockService } from './lock-service.ts';
import { LockTable } from './lock-table.ts';

const MAX_POOL = 3;
const TRANSPORT_TIMEOUT_MS = 10_000;
const SNAPSHOTS_RETAINED = 2;

/** Where one server of the cluster is reached. */
export interface Peer {
  readonly id: string;
  /** Where other nodes reach it, as `host:port`. */
  readonly raft: string;
  /** Where clients reach it, as `host:port`. */
  readonly http: string;
}

/** What a node is started with. */
export interface NodeOptions {
  readonly id: string;
  /** A directory of its own. */
  readonly dataDir: string;
  /** All servers, this one among them; the same on every node. */
  readonly peers: readonly Peer[];
}

/** A node that serves. */
export interface LockNode {
  readonly raft: Raft;
  /** Stops HTTP, then raft, then the store. */
  close(): Promise<void>;
}

/** Starts a node on its directory; the first time, all servers of the cluster are its voters. */
export async function startNode({ id, dataDir, peers }: NodeOptions): Promise<LockNode> {
  const self = peers.find((peer) => peer.id === id);
  if (self === undefined) throw new Error(`expected ${id} to be one of the peers`);
  await mkdir(dataDir, { recursive: true });
  const config: Config = { ...defaultConfig(), localID: id, logLevel: 'INFO' };
  const transport = await newTCPTransport(self.raft, null, MAX_POOL, TRANSPORT_TIMEOUT_MS);
  const store = await newLMDBStore({ path: join(dataDir, 'raft') });
  const snapshots = await newFileSnapshotStore(dataDir, SNAPSHOTS_RETAINED);
  if (!(await hasExistingState(store, store, snapshots))) {
    const { Voter: suffrage } = ServerSuffrage;
    const servers = peers.map((peer) => ({ suffrage, id: peer.id, address: peer.raft }));
    const configuration = new Configuration(servers);
    await bootstrapCluster(config, store, store, snapshots, transport, configuration);
  }
  const table = new LockTable();
  const raft = await newRaft(config, table, store, store, snapshots, transport);
  const service = new LockService(raft, table);
  void service.run();
  const addresses = new Map(peers.map((peer) => [peer.id, peer.http]));
  const server = newHttpServer({ raft, service, addresses });
  const [host = '', port = ''] = self.http.split(/:(?=\d+$)/);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen(Number(port), host, resolve);
  });
  return {
    raft,
    async close() {
      service.stop();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await raft.shutdown();
      await store.close();
    },
  };
}
