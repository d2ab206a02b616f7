/**
 * What a snapshot of a large state does to the loop of a leader that is under load, encoded by a
 * worker and, beside it, on the main thread: `npm run e2e:snapshot [-- --keys 1000000]`. Three
 * nodes over TCP, two of them in processes of their own. It measures and judges nothing.
 */
import { type ChildProcess, fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { pickAddresses } from '../../examples/kv/cluster.ts';
import {
  bootstrapCluster,
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
import { newLMDBStore } from '../../store/lmdb-store.ts';
import { newTCPTransport } from '../../transport/index.ts';

const VALUE_BYTES = 100;
const IDS = ['a', 'b', 'c'];

const { values } = parseArgs({
  options: {
    keys: { type: 'string', default: '1000000' },
    writers: { type: 'string', default: '64' },
    seconds: { type: 'string', default: '5' },
    node: { type: 'string' },
    addresses: { type: 'string' },
    data: { type: 'string' },
  },
});
const keyCount = Number(values.keys);

/** Who encodes: a worker, the main thread item by item, or the main thread in one go. */
const WAYS = ['in a worker', 'on the main thread', 'there, in one go'] as const;

/** Large values under keys; a command is the number of a key and a value. */
class Store implements FSM {
  way: (typeof WAYS)[number] = 'in a worker';
  #state = newCowMap<string, Uint8Array>();

  fill(count: number): void {
    const bytes = randomBytes(VALUE_BYTES);
    for (let i = 0; i < count; i += 1) this.#state.set(`key ${i}`, Uint8Array.from(bytes));
  }

  apply({ data }: Log): void {
    if (data === null) return;
    const number = new DataView(data.buffer, data.byteOffset).getUint32(0);
    this.#state.set(`key ${number}`, data.slice(4));
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

async function start(id: string, addresses: readonly string[], data: string, fsm: FSM) {
  const config = {
    ...defaultConfig(),
    localID: id,
    logLevel: 'ERROR' as const,
    snapshotInterval: 3_600_000,
    // The first one leads: the load and the measuring are where it is.
    ...(id === IDS[0] ? {} : { heartbeatTimeout: 20_000, electionTimeout: 20_000 }),
  };
  const path = join(data, id);
  const store = await newLMDBStore({ path: join(path, 'log') });
  const snaps = await newFileSnapshotStore(path, 1, { write: () => true });
  const trans = await newTCPTransport(addresses[IDS.indexOf(id)] ?? '', null, 3, 10_000);
  const servers = IDS.map((name, at) => {
    return { suffrage: 0 as const, id: name, address: addresses[at] ?? '' };
  });
  await bootstrapCluster(config, store, store, snaps, trans, new Configuration(servers));
  return { raft: await newRaft(config, fsm, store, store, snaps, trans), store };
}

/** Writers that go on until they are told to stop; `done` is how often one was answered. */
class Load {
  done = 0;
  readonly #writing: Promise<unknown>;
  #stopped = false;

  constructor(raft: Raft, writers: number) {
    const write = async () => {
      while (!this.#stopped) {
        const command = Buffer.alloc(4 + VALUE_BYTES, 7);
        command.writeUInt32BE(Math.floor(Math.random() * keyCount));
        // A loop that is held up for longer than the lease costs the office.
        if ((await raft.apply(command, 10_000).error()) === null) this.done += 1;
        else await sleep(20);
      }
    };
    this.#writing = Promise.all(Array.from({ length: writers }, write));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#writing;
  }
}

/** Says how the loop and the writers fared while `work` was under way. */
async function measure(name: string, load: Load, work: () => Promise<unknown>): Promise<number> {
  const delays = monitorEventLoopDelay({ resolution: 1 });
  const pauses: number[] = [];
  const observer = new PerformanceObserver((list) => {
    for (const { duration } of list.getEntries()) pauses.push(duration);
  });
  observer.observe({ entryTypes: ['gc'] });
  const before = load.done;
  const startMs = performance.now();
  delays.enable();
  await work();
  delays.disable();
  const ms = performance.now() - startMs;
  await sleep(0);
  observer.disconnect();
  const rate = ((load.done - before) / ms) * 1000;
  const [p99, max] = [delays.percentile(99) / 1e6, delays.max / 1e6];
  const gcMs = pauses.reduce((sum, pause) => sum + pause, 0);
  console.log(
    `${name.padEnd(24)} ${(ms / 1000).toFixed(1).padStart(6)} s  ` +
      `delay p99 ${p99.toFixed(1).padStart(6)} ms, max ${max.toFixed(1).padStart(7)} ms  ` +
      `${rate.toFixed(0).padStart(6)} writes/s  ` +
      `collector ${((gcMs / ms) * 100).toFixed(1)} %, max ${Math.max(0, ...pauses).toFixed(1)} ms`,
  );
  return rate;
}

async function lead(data: string): Promise<void> {
  const ports = await pickAddresses(IDS, 21_000);
  const addresses = ports.map(({ raftPort }) => `127.0.0.1:${raftPort}`);
  const self = fileURLToPath(import.meta.url);
  const followers: ChildProcess[] = IDS.slice(1).map((id) =>
    fork(self, ['--node', id, '--data', data, '--addresses', addresses.join(), '--keys', '0']),
  );
  process.on('exit', () => {
    for (const follower of followers) follower.kill();
  });
  const fsm = new Store();
  fsm.fill(keyCount);
  const { raft, store } = await start(IDS[0] ?? '', addresses, data, fsm);
  for await (const leads of raft.leaderCh()) if (leads) break;
  const load = new Load(raft, Number(values.writers));
  const pause = Number(values.seconds) * 1000;
  await sleep(pause);
  for (const way of WAYS) {
    fsm.way = way;
    const alone = await measure('no snapshot', load, () => sleep(pause));
    const during = await measure(way, load, async () => await raft.snapshot());
    console.log(`  throughput during the snapshot: ${((during / alone) * 100).toFixed(0)} %`);
  }
  await load.stop();
  for (const follower of followers) follower.kill();
  await raft.shutdown();
  await store.close();
}

const { node, addresses = '', data } = values;
if (node !== undefined) {
  await start(node, addresses.split(','), data ?? '', new Store());
} else {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-snapshot-delay-'));
  try {
    await lead(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
