import { closeSync, fsyncSync, openSync, readSync, writeSync } from 'node:fs';
import { pipeline, Readable } from 'node:stream';
import type { MessagePort } from 'node:worker_threads';
import { createGunzip, gzipSync } from 'node:zlib';
import { Crc64 } from '../../internal/crc64.ts';
import { asError, RaftError } from '../../raft/errors.ts';
import { type Codec, ItemFrames, readItems } from '../../raft/item-frames.ts';
import { msgpackCodec } from '../msgpack-codec.ts';
import type { StateFile } from '../state-file.ts';
import { Gatherer } from './gather.ts';
import { PipeReader, PipeWriter } from './pipe.ts';
import type { DecodeTask, EncodeTask, Outcome, Task, Told } from './tasks.ts';

const CHUNK_BYTES = 256 * 1024;
/** Small enough that the main thread reads one in well under a millisecond. */
const SLICE_ITEMS = 500;
const SLICE_BYTES = 64 * 1024;
/** The first byte of gzip; snapshots that are not compressed begin with 1. */
const GZIP = 0x1f;

async function codecOf(module: string | null): Promise<Codec> {
  if (module === null) return msgpackCodec;
  const { encode, decode }: Partial<Codec> = await import(module);
  if (typeof encode === 'function' && typeof decode === 'function') return { encode, decode };
  const text = `expected ${module} to export encode() and decode()`;
  throw new RaftError('ERR_INVALID_ARGUMENT', text);
}

/** Counts and sums what goes by. */
class Tally {
  #sizeBytes = 0;
  readonly #checksum = new Crc64();

  count(bytes: Uint8Array): void {
    this.#sizeBytes += bytes.length;
    this.#checksum.update(bytes);
  }

  told(): Told {
    return { sizeBytes: this.#sizeBytes, crc: this.#checksum.digest() };
  }
}

/** @param chunkOf gives the memory for the next chunk; the same one when nobody keeps chunks */
function* chunksOf(
  path: string,
  tally: Tally,
  chunkOf: () => Uint8Array,
): Generator<Uint8Array, undefined> {
  const file = openSync(path, 'r');
  try {
    for (;;) {
      const chunk = chunkOf();
      const bytes = chunk.subarray(0, readSync(file, chunk));
      if (bytes.length === 0) return;
      tally.count(bytes);
      yield bytes;
    }
  } finally {
    closeSync(file);
  }
}

function checksum(path: string): Told {
  const tally = new Tally();
  const chunk = new Uint8Array(CHUNK_BYTES);
  for (const _ of chunksOf(path, tally, () => chunk));
  return tally.told();
}

interface Output {
  write(bytes: Uint8Array): Promise<number>;
  end(): void;
  close(): void;
}

function fileOutput(path: string): Output {
  // It is there and empty. When it is not there any more, nobody wants the snapshot.
  const file = openSync(path, 'r+');
  return {
    write: async (bytes) => {
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at);
      return bytes.length;
    },
    end: () => fsyncSync(file),
    close: () => closeSync(file),
  };
}

function portOutput(port: MessagePort): Output {
  const chunks = new PipeWriter<Uint8Array>(port);
  return {
    write: async (bytes) => {
      await chunks.room();
      const copy = bytes.slice();
      chunks.post(copy, [copy.buffer]);
      return bytes.length;
    },
    end: () => chunks.end(),
    close: () => chunks.close(),
  };
}

async function encode(task: EncodeTask): Promise<Told> {
  const slices = new PipeReader<unknown[]>(task.slices);
  try {
    const codec = await codecOf(task.codec);
    const { target } = task;
    const output = typeof target === 'string' ? fileOutput(target) : portOutput(target);
    const tally = new Tally();
    const write = async (bytes: Uint8Array) => {
      const out = task.compress ? gzipSync(bytes) : bytes;
      tally.count(out);
      return output.write(out);
    };
    try {
      const frames = new ItemFrames(codec);
      for await (const slice of slices) {
        for (const item of slice) if (frames.add(item)) await write(frames.take());
      }
      frames.end();
      await write(frames.take());
      output.end();
    } finally {
      output.close();
    }
    return tally.told();
  } finally {
    slices.close();
  }
}

async function* checked(file: StateFile, tally: Tally): AsyncGenerator<Uint8Array, undefined> {
  yield* chunksOf(file.path, tally, () => new Uint8Array(CHUNK_BYTES));
  const { sizeBytes, crc } = tally.told();
  if (sizeBytes === file.sizeBytes && Buffer.compare(crc, file.crc) === 0) return;
  throw new RaftError('ERR_SNAPSHOT_CORRUPT', 'state.bin is not what it was when it was opened');
}

/** The same bytes, unzipped when they are zipped. */
async function* unzipped(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, undefined> {
  const iterator = source[Symbol.asyncIterator]();
  const first = await iterator.next();
  const all = async function* () {
    if (first.done !== true) yield first.value;
    yield* { [Symbol.asyncIterator]: () => iterator };
  };
  if (first.done === true || first.value[0] !== GZIP) {
    yield* all();
    return;
  }
  // What fails on the way in comes out of the stream, at its reader.
  yield* pipeline(Readable.from(all()), createGunzip(), () => {});
}

function sizeOf(item: unknown): number {
  return typeof item === 'string' ? item.length : 0;
}

async function decode(task: DecodeTask): Promise<Told> {
  const slices = new PipeWriter<unknown[]>(task.slices);
  const tally = new Tally();
  const { source } = task;
  const reader = 'path' in source ? checked(source, tally) : new PipeReader<Uint8Array>(source);
  try {
    const codec = await codecOf(task.codec);
    let items: unknown[] = [];
    let gatherer = new Gatherer();
    let sizeBytes = 0;
    const send = async () => {
      await slices.room();
      slices.post(items, gatherer.transfer);
      items = [];
      gatherer = new Gatherer();
      sizeBytes = 0;
    };
    for await (const item of readItems(unzipped(reader), codec)) {
      items.push(gatherer.gather(item));
      sizeBytes += sizeOf(item);
      const full = sizeBytes + gatherer.sizeBytes >= SLICE_BYTES;
      if (full || items.length >= SLICE_ITEMS) await send();
    }
    await send();
    slices.end();
    return tally.told();
  } finally {
    slices.close();
  }
}

async function perform(task: Task): Promise<Told> {
  if (task.kind === 'checksum') return checksum(task.path);
  return task.kind === 'encode' ? encode(task) : decode(task);
}

/** What a thread of the pool runs. It never throws: see {@link Outcome}. */
export default async function run(task: Task): Promise<Outcome> {
  try {
    return { ok: true, told: await perform(task) };
  } catch (thrown) {
    const error = asError(thrown);
    const code = 'code' in error && typeof error.code === 'string' ? error.code : null;
    return { ok: false, code, message: error.message };
  }
}
