import { MessageChannel, type MessagePort } from 'node:worker_threads';
import type { FSMSnapshot } from '../../raft/fsm.ts';
import type { SnapshotSink } from '../../raft/snapshot.ts';
import { isWorkerSnapshotSink } from '../state-file.ts';
import { Cancellation, type Errand, finish } from './errand.ts';
import { moduleOf, paceOf, SNAPSHOT_SHARE, type WorkerSnapshotInit } from './options.ts';
import { PipeReader, PipeWriter } from './pipe.ts';
import { sharedWorkers } from './pool.ts';
import { sendSlices } from './slices.ts';
import type { Told } from './tasks.ts';

/** Where the bytes go, and what this thread does for it. */
interface Output extends Pick<Errand, 'work' | 'pipes'> {
  readonly target: string | MessagePort;
  readonly ports: readonly MessagePort[];
}

/** The worker writes the file. */
function toFile(path: string): Output {
  return { target: path, ports: [], work: [], pipes: [] };
}

/** The worker sends the bytes back, for a sink that only this thread can write to. */
function toSink(sink: SnapshotSink): Output {
  const { port1, port2 } = new MessageChannel();
  const chunks = new PipeReader<Uint8Array>(port1);
  const drained = async () => {
    for await (const chunk of chunks) await sink.write(chunk);
  };
  return { target: port2, ports: [port2], work: [drained()], pipes: [chunks] };
}

function encodeTo<Item>(
  { target, ports, work, pipes }: Output,
  init: WorkerSnapshotInit<Item>,
  sinkSignal?: AbortSignal,
): Promise<Told> {
  const { source, encode, transfer, workers = sharedWorkers() } = init;
  const cancellation = new Cancellation(init.signal, sinkSignal);
  const { signal } = cancellation;
  const { port1, port2: slices } = new MessageChannel();
  const writer = new PipeWriter<unknown[]>(port1);
  const compress = encode?.compress === 'gzip';
  const codec = moduleOf(encode);
  const what = { kind: 'encode', slices, target, compress, codec } as const;
  const task = workers.run(what, [slices, ...ports], signal);
  const sent = sendSlices(writer, { source, transfer, pace: paceOf(init, SNAPSHOT_SHARE), signal });
  return finish({ cancellation, task, work: [...work, sent], pipes: [...pipes, writer] });
}

/**
 * A picture of the state that a worker thread encodes, compresses, sums and writes, for
 * `FSM.snapshot()` to return. The main thread only draws items and hands them over, in slices
 * between which its loop turns. A file snapshot store has its file written and synced by the
 * worker; any other store gets the bytes through `SnapshotSink.write`. Beyond Go.
 *
 * Items must be what structured clones carry and the codec encodes: with msgpack null, booleans,
 * numbers, strings, bigints of 64 bits, `Uint8Array`, `Date`, arrays and plain objects. The bytes
 * are those that `typedFSM` writes, so either reads what the other wrote.
 *
 * `persist()` rejects with a `RaftError`: the worker crashed, ran out of memory or could not write,
 * which is the cause (`ERR_SNAPSHOT_WORKER`); `signal` was aborted or the sink cancelled
 * (`ERR_SNAPSHOT_CANCELLED`); an item that cannot be carried or encoded (`ERR_INVALID_ARGUMENT`).
 * Otherwise with what the source or the sink threw. No thread goes on working then.
 *
 * @throws `RaftError` (`ERR_INVALID_ARGUMENT`) for a `sliceMs` or `share` out of range
 *
 * @example
 * ```ts
 * import { newCowMap } from 'quorate/snapshot';
 * import { workerRestore, workerSnapshot } from 'quorate/snapshot/worker';
 *
 * let state = newCowMap<string, Uint8Array>();
 *
 * function snapshot() {
 *   const source = state.snapshot();
 *   return workerSnapshot({ source, release: () => source.release() });
 * }
 *
 * async function restore(reader: AsyncIterable<Uint8Array>) {
 *   const restored = newCowMap<string, Uint8Array>();
 *   const apply = ([key, value]: [string, Uint8Array]) => restored.set(key, value);
 *   await workerRestore({ reader, apply });
 *   state = restored;
 * }
 * ```
 */
export function workerSnapshot<Item>(init: WorkerSnapshotInit<Item>): FSMSnapshot {
  paceOf(init, SNAPSHOT_SHARE);
  return {
    persist: (sink) => persistInWorker(sink, init),
    release: () => init.release?.(),
  };
}

/** What `workerSnapshot(init).persist(sink)` does. */
export async function persistInWorker<Item>(
  sink: SnapshotSink,
  init: WorkerSnapshotInit<Item>,
): Promise<void> {
  if (isWorkerSnapshotSink(sink)) {
    const write = (path: string, signal: AbortSignal) => encodeTo(toFile(path), init, signal);
    if (await sink.writeInWorker(write)) return;
  }
  await encodeTo(toSink(sink), init);
}
