import { MessageChannel, type MessagePort } from 'node:worker_threads';
import { asError } from '../../raft/errors.ts';
import type { StateFile } from '../state-file.ts';
import { Cancellation, type Errand, finish } from './errand.ts';
import { stateFileOf } from './opened-file.ts';
import { moduleOf, paceOf, RESTORE_SHARE, type WorkerRestoreInit } from './options.ts';
import { PipeClosedError, PipeReader, PipeWriter } from './pipe.ts';
import { sharedWorkers } from './pool.ts';
import { Turns } from './slices.ts';

/** A larger chunk goes to the worker in pieces. */
const PIECE_BYTES = 256 * 1024;

/** Where the bytes come from, and what this thread does for it. */
interface Input extends Pick<Errand, 'work' | 'pipes'> {
  readonly source: StateFile | MessagePort;
  readonly ports: readonly MessagePort[];
}

function fromFile(file: StateFile): Input {
  return { source: file, ports: [], work: [], pipes: [] };
}

async function sendChunks(
  writer: PipeWriter<Uint8Array>,
  reader: AsyncIterator<Uint8Array>,
): Promise<void> {
  for await (const chunk of { [Symbol.asyncIterator]: () => reader }) {
    for (let at = 0; at < chunk.length; at += PIECE_BYTES) {
      const piece = new Uint8Array(chunk.subarray(at, at + PIECE_BYTES));
      await writer.room();
      writer.post(piece, [piece.buffer]);
    }
  }
  writer.end();
}

function fromReader(reader: AsyncIterator<Uint8Array>): Input {
  const { port1, port2 } = new MessageChannel();
  const writer = new PipeWriter<Uint8Array>(port1);
  return { source: port2, ports: [port2], work: [sendChunks(writer, reader)], pipes: [writer] };
}

/** What of {@link WorkerRestoreInit} is not about one snapshot. */
type Options = Omit<WorkerRestoreInit<unknown>, 'apply' | 'reader'>;

async function* decoded(
  { source, ports, work, pipes }: Input,
  options: Options,
): AsyncGenerator<unknown[], undefined> {
  const { workers = sharedWorkers(), decode } = options;
  const cancellation = new Cancellation(options.signal);
  const { port1, port2: slices } = new MessageChannel();
  const reader = new PipeReader<unknown[]>(port1);
  const what = { kind: 'decode', slices, source, codec: moduleOf(decode) } as const;
  const task = workers.run(what, [slices, ...ports], cancellation.signal);
  const finished = finish({ cancellation, task, work, pipes });
  // A worker that was never reached does not close its end.
  finished.catch(() => reader.close());
  try {
    yield* reader;
    await finished;
  } catch (thrown) {
    // Why the pipe has closed is known to the task.
    if (thrown instanceof PipeClosedError) await finished;
    throw thrown;
  } finally {
    cancellation.cancel();
    reader.close();
    await finished.catch(() => {});
  }
}

/** A snapshot may be reaped between the opening of its file and the worker's own. */
function isGone(thrown: unknown): boolean {
  const { cause } = asError(thrown);
  return cause instanceof Error && 'code' in cause && cause.code === 'ENOENT';
}

/** The items of a snapshot, slice by slice. */
async function* slicesOf(
  reader: AsyncIterable<Uint8Array>,
  options: Options,
): AsyncGenerator<unknown[], undefined> {
  const file = stateFileOf(reader);
  const chunks = reader[Symbol.asyncIterator]();
  let hasBegun = false;
  try {
    if (file !== null) {
      try {
        for await (const slice of decoded(fromFile(file), options)) {
          hasBegun = true;
          yield slice;
        }
        return;
      } catch (thrown) {
        if (hasBegun || !isGone(thrown)) throw thrown;
      }
    }
    yield* decoded(fromReader(chunks), options);
  } finally {
    await chunks.return?.();
  }
}

/** The items of a snapshot, one by one; the loop turns when a slice has had its time. */
export async function* itemsInWorker(
  reader: AsyncIterable<Uint8Array>,
  options: Options,
): AsyncGenerator<unknown, undefined> {
  const turns = new Turns(paceOf(options, RESTORE_SHARE));
  for await (const slice of slicesOf(reader, options)) {
    for (const item of slice) {
      yield item;
      if (turns.isOver) await turns.turn();
    }
  }
}

/**
 * Reads what {@link workerSnapshot} or a `typedFSM` wrote, for `FSM.restore()`: a worker thread
 * reads, checks, unzips and decodes, and the main thread takes the items, in slices between which
 * its loop turns. The file of a file snapshot store is read by the worker itself. Beyond Go.
 *
 * Rejects with a `RaftError`: what is no such snapshot, or lost its end (`ERR_MALFORMED_SNAPSHOT`);
 * a file that changed after it was opened (`ERR_SNAPSHOT_CORRUPT`); a worker that crashed, ran out
 * of memory or could not read, which is the cause (`ERR_SNAPSHOT_WORKER`); an aborted `signal`
 * (`ERR_SNAPSHOT_CANCELLED`); a bad argument (`ERR_INVALID_ARGUMENT`). Otherwise with what `apply`
 * or the reader threw. Items may have been applied by then: build a new state, and take it at the
 * end.
 *
 * The `Uint8Array`s of several items may lie in one buffer of 64 KiB: copy what is kept alone.
 */
export async function workerRestore<Item>(init: WorkerRestoreInit<Item>): Promise<void> {
  const { reader, apply } = init;
  const turns = new Turns(paceOf(init, RESTORE_SHARE));
  for await (const slice of slicesOf(reader, init)) {
    for (const item of slice) {
      // Whoever wrote the snapshot says what its items are.
      apply(item as Item);
      if (turns.isOver) await turns.turn();
    }
  }
}
