/**
 * What the parts of a write cost on this thread, by the entry, each for batches of 64 entries of
 * 256 B: `npm run bench:micro`. No promise, but a measure to hold a change against.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import process from 'node:process';
import { Bench } from 'tinybench';
import { Channel } from '../../internal/channel.ts';
import { systemClock } from '../../internal/clock.ts';
import { Decoder } from '../../internal/msgpack/decode.ts';
import { EntryFuture } from '../../raft/future.ts';
import { type Log, LogType } from '../../raft/log.ts';
import { AppendEntriesRequest } from '../../raft/messages.ts';
import { newInmemStore } from '../../store/inmem-store.ts';
import { newLMDBStore } from '../../store/lmdb-store.ts';
import { decodeRequest, encodeRequest } from '../../transport/wire.ts';
import { InstantLeader } from './leader.ts';

const BATCH = 64;
const ENTRY_BYTES = 256;
const NANOSECONDS = 1e6;
const APPEND_ENTRIES = 0;

const data = new Uint8Array(ENTRY_BYTES);

function batchAt(first: number): Log[] {
  const appendedAt = systemClock.wallTime();
  return Array.from({ length: BATCH }, (_, i) => {
    return {
      index: first + i,
      term: 1,
      type: LogType.LogCommand,
      data,
      extensions: null,
      appendedAt,
    };
  });
}

function requestOf(entries: readonly Log[]): AppendEntriesRequest {
  const rpcHeader = { protocolVersion: 3, id: new Uint8Array(2), addr: new Uint8Array(14) };
  return new AppendEntriesRequest({ rpcHeader, term: 1, prevLogEntry: 1, entries });
}

function addCodec(bench: Bench): void {
  // Two, in turn: of the same entries the second request would only be copied.
  const requests = [requestOf(batchAt(1)), requestOf(batchAt(1))];
  let turn = 0;
  const next = (): AppendEntriesRequest => {
    turn = 1 - turn;
    return requests[turn] ?? requestOf([]);
  };
  const encoded = encodeRequest(next()).subarray(1);
  bench.add('codec: encode', () => void encodeRequest(next()));
  bench.add('codec: decode', () => void decodeRequest(APPEND_ENTRIES, Decoder.ofWhole(encoded)));
}

function addCore(bench: Bench): void {
  const leader = new InstantLeader();
  const proposal = { type: LogType.LogCommand, data, extensions: null };
  const proposals = Array.from({ length: BATCH }, () => proposal);
  bench.add('core: propose, replicate to two, commit', () => leader.propose(proposals));
}

function addFuture(bench: Bench): void {
  bench.add('future: made, awaited, settled', async () => {
    const futures = Array.from({ length: BATCH }, () => new EntryFuture());
    const awaited = Promise.all(futures.map(async (future) => future));
    for (const future of futures) future.applied(1);
    await awaited;
  });
}

function addChannel(bench: Bench): void {
  const channel = new Channel<number>(BATCH);
  bench.add('channel: sent, received', () => {
    for (let i = 0; i < BATCH; i += 1) channel.trySend(i);
    for (let i = 0; i < BATCH; i += 1) channel.tryReceive();
  });
}

/** Where the next batch of a log begins. */
function newPositions(): () => number {
  let next = 1;
  return () => {
    const first = next;
    next += BATCH;
    return first;
  };
}

async function main(): Promise<void> {
  const directory = await mkdtemp(path.join(tmpdir(), 'quorate-micro-'));
  const lmdb = await newLMDBStore({ path: path.join(directory, 'raft') });
  const bench = new Bench({ time: 1000, warmupTime: 300 });
  try {
    addCodec(bench);
    addCore(bench);
    addFuture(bench);
    addChannel(bench);
    const memory = newInmemStore();
    const inMemory = newPositions();
    bench.add('store in memory: append', () => memory.storeLogs(batchAt(inMemory())));
    const onDisk = newPositions();
    bench.add('LMDB: append, to the disk', () => lmdb.storeLogs(batchAt(onDisk())));
    await bench.run();
  } finally {
    await lmdb.close();
    await rm(directory, { recursive: true });
  }
  for (const { name, result } of bench.tasks) {
    if (result.state !== 'completed') throw new Error(`${name}: ${result.state}`);
    const { p50, p99 } = result.latency;
    const perEntry = (ms: number): string => ((ms * NANOSECONDS) / BATCH).toFixed(0).padStart(7);
    console.log(`${name.padEnd(42)} ${perEntry(p50)} ns an entry, p99 ${perEntry(p99)}`);
  }
}

main().catch((error: unknown) => {
  console.error(error);
  process.exitCode = 1;
});
