/**
 * One node on a durable store, twice: what the first acknowledged, the second finds, half of it in
 * a snapshot that worker threads write and read. Runs wherever the package is installed, under any
 * version of Node: `node smoke.js`.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  bootstrapCluster,
  Configuration,
  defaultConfig,
  type FSM,
  type FSMSnapshot,
  type Log,
  newRaft,
  ServerSuffrage,
} from 'quorate';
import { newFileSnapshotStore } from 'quorate/snapshot';
import { workerRestore, workerSnapshot } from 'quorate/snapshot/worker';
import { newLMDBStore } from 'quorate/store/lmdb';
import { newInmemTransport } from 'quorate/transport';

const COMMANDS = 100;

/** Counts what it is told. */
class Counter implements FSM {
  count = 0;
  restores = 0;

  apply(_log: Log): number {
    this.count += 1;
    return this.count;
  }

  snapshot(): FSMSnapshot {
    return workerSnapshot({ source: [{ count: this.count }], encode: { compress: 'gzip' } });
  }

  async restore(reader: AsyncIterable<Uint8Array>): Promise<void> {
    const apply = ({ count }: { count: number }) => {
      this.count = count;
    };
    await workerRestore({ reader, apply });
    this.restores += 1;
  }
}

/** Starts the node on `path`, proposes `commands` commands, and says what it has seen. */
async function live(path: string, commands: number): Promise<Counter> {
  const config = { ...defaultConfig(), localID: 'a', logLevel: 'ERROR' as const };
  const store = await newLMDBStore({ path });
  const snapshots = await newFileSnapshotStore(path, 1, { write: () => true });
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
  const propose = () =>
    Promise.all(Array.from({ length: commands / 2 }, () => raft.apply(command, 10_000)));
  await propose();
  if (commands > 0) await raft.snapshot();
  await propose();
  await raft.barrier(10_000);
  await raft.shutdown();
  await store.close();
  return counter;
}

const folder = await mkdtemp(join(tmpdir(), 'quorate-smoke-'));
try {
  const first = await live(folder, COMMANDS);
  const second = await live(folder, 0);
  const counts = [first.count, second.count, first.restores, second.restores];
  const expected = [COMMANDS, COMMANDS, 0, 1];
  if (counts.join() !== expected.join()) {
    throw new Error(`expected counts and restores of ${expected}, got ${counts}`);
  }
  console.log(`${COMMANDS} commands survived a restart on Node ${process.version}`);
} finally {
  await rm(folder, { recursive: true, force: true });
}
