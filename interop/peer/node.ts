import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import process from 'node:process';
import { newRaft, type Raft, recoverCluster } from '../../index.ts';
import { newLogger } from '../../observer/logger.ts';
import type { Config } from '../../raft/config.ts';
import type { LogStore } from '../../raft/log.ts';
import type { Logger } from '../../raft/logger.ts';
import type { SnapshotStore } from '../../raft/snapshot.ts';
import type { StableStore } from '../../raft/stable.ts';
import { newDiscardSnapshotStore } from '../../snapshot/discard-snapshot-store.ts';
import { newInmemSnapshotStore } from '../../snapshot/inmem-snapshot-store.ts';
import { newFileSnapshotStoreWithLogger } from '../../snapshot/new-file-snapshot-store.ts';
import { newInmemStore } from '../../store/inmem-store.ts';
import { newLMDBStore } from '../../store/lmdb-store.ts';
import { readConfigJSON, readPeersJSON } from '../../store/peers-json.ts';
import type { NetworkTransport } from '../../transport/network-transport.ts';
import { newTCPTransportWithConfig } from '../../transport/tcp-stream-layer.ts';
import { FaultyDisk } from './faulty-disk.ts';
import { configOf, type PeerOptions } from './options.ts';
import { newState, type State } from './state.ts';

const SNAPSHOTS_RETAINED = 2;
const LEVELS = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'OFF'] as const;

type Store = LogStore & StableStore;

/** A Raft node with all that it is made of. */
export interface PeerNode {
  readonly options: PeerOptions;
  readonly raft: Raft;
  readonly state: State;
  readonly address: string;
  /** What `--faulty-disk` gives a test to play with. */
  readonly disk: FaultyDisk;
  close(): Promise<void>;
}

async function openStore(kind: string, directory: string): Promise<Store> {
  if (kind === 'inmem') return newInmemStore();
  if (kind === 'lmdb') return newLMDBStore({ path: directory });
  throw new Error(`--store must be lmdb or inmem, got "${kind}"`);
}

async function closeStore(store: Store): Promise<void> {
  if ('close' in store && typeof store.close === 'function') await store.close();
}

/** The snapshot store that `--snapshots` names. */
export async function openSnapshots(
  kind: string,
  directory: string,
  logger: Logger | null,
): Promise<SnapshotStore> {
  if (kind === 'file') {
    return newFileSnapshotStoreWithLogger(directory, SNAPSHOTS_RETAINED, logger);
  }
  if (kind === 'inmem') return newInmemSnapshotStore();
  if (kind === 'discard') return newDiscardSnapshotStore();
  throw new Error(`--snapshots must be file, inmem or discard, got "${kind}"`);
}

function openTransport(options: PeerOptions, logger: Logger): Promise<NetworkTransport> {
  const { addresses, ...fields } = options.transport;
  const config = { ...fields, logger };
  if (addresses === null) return newTCPTransportWithConfig(options.bind, options.advertise, config);
  const serverAddr = (id: string): string => {
    const address = addresses.get(id);
    if (address === undefined) throw new Error(`no address of ${id}`);
    return address;
  };
  return newTCPTransportWithConfig(options.bind, options.advertise, {
    ...config,
    serverAddressProvider: { serverAddr },
  });
}

interface Parts {
  readonly config: Config;
  readonly store: Store;
  readonly snapshots: SnapshotStore;
  readonly transport: NetworkTransport;
}

/** Does what an operator does after a quorum was lost. */
async function recover(options: PeerOptions, parts: Parts, peersJson: string): Promise<void> {
  const { config, store, snapshots, transport } = parts;
  const read = config.protocolVersion < 3 ? readPeersJSON : readConfigJSON;
  const configuration = await read(peersJson);
  const fsm = newState(options.fsm);
  await recoverCluster(config, fsm, store, store, snapshots, transport, configuration);
}

/** Starts a node on its directory. */
export async function startNode(options: PeerOptions): Promise<PeerNode> {
  const level = LEVELS.find((name) => name === options.logLevel.toUpperCase());
  if (level === undefined) throw new Error(`unknown --log-level ${options.logLevel}`);
  const logger = newLogger({ name: options.id, level, output: process.stderr });
  const config = { ...configOf(options.config, options.id), logger };
  const transport = await openTransport(options, logger);
  await mkdir(options.data, { recursive: true });
  const disk = new FaultyDisk();
  const opened = await openStore(options.store, path.join(options.data, 'raft'));
  const store = options.faultyDisk ? disk.under(opened) : opened;
  const snapshots = await openSnapshots(options.snapshots, options.data, logger);
  const parts = { config, store, snapshots, transport };
  if (options.peersJson !== null) await recover(options, parts, options.peersJson);
  const state = newState(options.fsm);
  const raft = await newRaft(config, state, store, store, snapshots, transport);
  return {
    options,
    raft,
    state,
    address: transport.localAddr(),
    disk,
    close: async () => {
      await raft.shutdown();
      await closeStore(store);
    },
  };
}
