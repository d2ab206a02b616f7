/**
 * One node on a durable store, twice: what the first acknowledged, the second finds. Runs wherever
 * the package is installed, under any version of Node: `node smoke.js`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  bootstrapCluster,
  Configuration,
  defaultConfig,
  type FSM,
  type Log,
  newRaft,
  ServerSuffrage,
} from 'quorate';
import { newInmemSnapshotStore } from 'quorate/snapshot';
import { newLMDBStore } from 'quorate/store/lmdb';
import { newInmemTransport } from 'quorate/transport';

const COMMANDS = 100;

/** Counts what it is told, and cannot be snapshotted, because nobody asks it to. */
class Counter implements FSM {
  count = 0;

  apply(_log: Log): number {
    this.count += 1;
    return this.count;
  }

  snapshot(): never {
    throw new Error('no snapshot is expected here');
  }

  restore(): never {
    throw new Error('no snapshot is expected here');
  }
}

/** Starts the node on `path`, proposes `commands` commands, and says how many it has seen. */
async function live(path: string, commands: number): Promise<number> {
  const config = { ...defaultConfig(), localID: 'a', logLevel: 'ERROR' as const };
  const store = await newLMDBStore({ path });
  const snapshots = newInmemSnapshotStore();
  const [address, transport] = newInmemTransport('');
  if (store.lastIndex() === 0) {
    const self = { suffrage: ServerSuffrage.Voter, id: config.localID, address };
    const servers = new Configuration([self]);
    await bootstrapCluster(config, store, store, snapshots, transport, servers);
  }
  const counter = new Counter();
  const raft = await newRaft(config, counter, store, store, snapshots, transport);
  for await (const leads of raft.leaderCh()) if (leads) break;
  const command = Uint8Array.of(1);
  await Promise.all(Array.from({ length: commands }, () => raft.apply(command, 10_000)));
  await raft.barrier(10_000);
  await raft.shutdown();
  await store.close();
  return counter.count;
}

const folder = await mkdtemp(join(tmpdir(), 'quorate-smoke-'));
try {
  const first = await live(folder, COMMANDS);
  const second = await live(folder, 0);
  if (first !== COMMANDS || second !== COMMANDS) {
    throw new Error(`expected ${COMMANDS} commands both times, got ${first} and then ${second}`);
  }
  console.log(`${COMMANDS} commands survived a restart on Node ${process.version}`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
