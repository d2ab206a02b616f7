import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pickAddresses } from '../../examples/kv/cluster.ts';
import {
  bootstrapCluster,
  type Config,
  Configuration,
  defaultConfig,
  type FSM,
  type FSMSnapshot,
  type Log,
  newRaft,
  type Raft,
  type SnapshotSink,
} from '../../index.ts';
import { writeItems } from '../../raft/item-frames.ts';
import { newCowMap, newFileSnapshotStore } from '../../snapshot/index.ts';
import { msgpackCodec } from '../../snapshot/msgpack-codec.ts';
import { workerRestore, workerSnapshot } from '../../snapshot/worker/index.ts';
import { type LMDBStore, newLMDBStore } from '../../store/lmdb-store.ts';
import { newTCPTransport } from '../../transport/index.ts';

const VALUE_BYTES = 100;
const LEADER = 'a';
const FOLLOWERS = ['b', 'c'];
const FIRST_PORT = 21_000;
/** A loop that is held up for longer than the lease costs the office; the others come back. */
const RETRY_MS = 20;
const WRITE_TIMEOUT_MS = 10_000;

/** Who encodes: a worker, the main thread item by item, or the main thread in one go. */
export const WAYS = ['in a worker', 'on the main thread', 'there, in one go'] as const;

/** Large values under keys; a command is the number of a key and a value. */
export class KeyedStore implements FSM {
  way: (typeof WAYS)[number] = 'in a worker';
  #state = newCowMap<string, Uint8Array>();

  fill(count: number): void {
    const bytes = randomBytes(VALUE_BYTES);
    for (let i = 0; i < count; i += 1) this.#state.set(`key ${i}`, Buffer.from(bytes));
  }

  apply({ data }: Log): void {
    if (data === null) return;
    const number = new DataView(data.buffer, data.byteOffset).getUint32(0);
    // Of memory that others share: memory of its own for each value would be the collector's.
    this.#state.set(`key ${number}`, Buffer.from(data.subarray(4)));
  }

  snapshot(): FSMSnapshot {
    const source = this.#state.snapshot();
    const release = () => source.release();
    if (this.way === 'in a worker') return workerSnapshot({ source, release });
    const persist = async (sink: SnapshotSink) => {
      if (this.way === 'on the main thread') await writeItems(sink, source, msgpackCodec);
      else await sink.write(msgpackCodec.encode([...source]));
    };
    return { persist, release };
  }

  async restore(reader: AsyncIterable<Uint8Array>): Promise<void> {
    const state = newCowMap<string, Uint8Array>();
    await workerRestore<[string, Uint8Array]>({ reader, apply: ([k, v]) => state.set(k, v) });
    this.#state = state;
  }
}

/** Where a node of the cluster finds itself and the others. */
export interface Place {
  readonly id: string;
  /** Of the first node, which leads, and of each follower. */
  readonly addresses: readonly string[];
  readonly data: string;
}

/** A node with its stores. */
export interface StartedNode {
  readonly raft: Raft;
  readonly store: LMDBStore;
}

/** Starts one of the nodes over TCP, on LMDB and file snapshots. The first one leads. */
export async function startNode(
  { id, addresses, data }: Place,
  fsm: FSM,
  settings: Partial<Config> = {},
): Promise<StartedNode> {
  const config = {
    ...defaultConfig(),
    localID: id,
    logLevel: 'ERROR' as const,
    // The load and the measuring are where the first one is.
    ...(id === LEADER ? {} : { heartbeatTimeout: 20_000, electionTimeout: 20_000 }),
    ...settings,
  };
  const path = join(data, id);
  const store = await newLMDBStore({ path: join(path, 'log') });
  const snaps = await newFileSnapshotStore(path, 1, { write: () => true });
  const servers = addresses.map((address, i) => {
    return { suffrage: 0 as const, id: [LEADER, ...FOLLOWERS][i] ?? '', address };
  });
  const own = servers.find((server) => server.id === id)?.address ?? '';
  const trans = await newTCPTransport(own, null, 3, 10_000);
  await bootstrapCluster(config, store, store, snaps, trans, new Configuration(servers));
  return { raft: await newRaft(config, fsm, store, store, snaps, trans), store };
}

/** Starts followers by running `script` in processes of their own; gives the place of ours. */
export async function startFollowers(
  script: string,
  data: string,
  count = FOLLOWERS.length,
): Promise<{ readonly place: Place; readonly stop: () => void }> {
  const ids = FOLLOWERS.slice(0, count);
  const ports = await pickAddresses([LEADER, ...ids], FIRST_PORT);
  const addresses = ports.map(({ raftPort }) => `127.0.0.1:${raftPort}`);
  const followers: ChildProcess[] = ids.map((id) =>
    fork(script, ['--node', id, '--data', data, '--addresses', addresses.join()]),
  );
  const stop = (): void => {
    for (const follower of followers) follower.kill();
  };
  process.on('exit', stop);
  return { place: { id: LEADER, addresses, data }, stop };
}

/** Writers that go on until they are told to stop; `done` is how often one was answered. */
export class Load {
  done = 0;
  readonly #writing: Promise<unknown>;
  #stopped = false;

  constructor(raft: Raft, writers: number, keyCount: number) {
    const write = async () => {
      while (!this.#stopped) {
        const command = Buffer.allocUnsafe(4 + VALUE_BYTES).fill(7);
        command.writeUInt32BE(Math.floor(Math.random() * keyCount));
        if ((await raft.apply(command, WRITE_TIMEOUT_MS).error()) === null) this.done += 1;
        else await sleep(RETRY_MS);
      }
    };
    this.#writing = Promise.all(Array.from({ length: writers }, write));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#writing;
  }
}

/** Resolves once the node leads. */
export async function leads(raft: Raft): Promise<void> {
  for await (const isLeader of raft.leaderCh()) if (isLeader) return;
}
