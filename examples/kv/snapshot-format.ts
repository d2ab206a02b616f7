import { setImmediate as nextTurn } from 'node:timers/promises';
import { Packr } from 'msgpackr';
import { concatBytes } from '../../internal/bytes.ts';
import { asError, RaftError } from '../../raft/errors.ts';
import type { KvState, StatePicture } from './state.ts';
import { newKvState } from './state.ts';

/**
 * A snapshot is a row of frames, each a length of four bytes (big-endian) and as many bytes of
 * MessagePack: a header, slices of records as [key, value, key, value, …], and a trailer.
 */
const FORMAT = 'quorate-kv';
const VERSION = 1;
const SLICE_BYTES = 64 * 1024;
/** A slice ends with the record that fills it, so it may hold one largest value more. */
const MAX_FRAME_BYTES = 1024 * 1024;

const packr = new Packr({ useRecords: false });

function frame(content: unknown): Uint8Array {
  const body = packr.pack(content);
  const framed = Buffer.allocUnsafe(4 + body.length);
  framed.writeUInt32BE(body.length, 0);
  framed.set(body, 4);
  return framed;
}

/** The frames of a picture, each made when it is asked for. */
export function* encodeSnapshot(picture: StatePicture): Generator<Uint8Array, void> {
  const { index, members, hash, size } = picture;
  yield frame({ format: FORMAT, version: VERSION, index, members: [...members] });
  let slice: (string | Uint8Array)[] = [];
  let sliceBytes = 0;
  for (const [key, value] of picture.records()) {
    slice.push(key, value);
    sliceBytes += key.length + value.length;
    if (sliceBytes < SLICE_BYTES) continue;
    yield frame(slice);
    slice = [];
    sliceBytes = 0;
  }
  if (slice.length > 0) yield frame(slice);
  yield frame({ size, hash });
}

function damaged(what: string, cause?: Error): RaftError {
  return new RaftError('ERR_KV_BAD_SNAPSHOT', `cannot restore the snapshot: ${what}`, { cause });
}

function unpack(body: Uint8Array): unknown {
  try {
    return packr.unpack(body);
  } catch (error) {
    throw damaged('expected a frame of MessagePack', asError(error));
  }
}

/** Cuts a byte stream into frames, in linear time however the bytes are chunked. */
async function* framesOf(reader: AsyncIterable<Uint8Array>): AsyncGenerator<unknown, void> {
  let chunks: Uint8Array[] = [];
  let haveBytes = 0;
  let needBytes = 4;
  for await (const chunk of reader) {
    chunks.push(chunk);
    haveBytes += chunk.length;
    if (haveBytes < needBytes) continue;
    const bytes = concatBytes(chunks);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    let at = 0;
    for (;;) {
      needBytes = 4;
      if (haveBytes - at < needBytes) break;
      const bodyBytes = view.getUint32(at);
      if (bodyBytes > MAX_FRAME_BYTES) {
        throw damaged(`expected a frame of at most ${MAX_FRAME_BYTES} bytes, got ${bodyBytes}`);
      }
      needBytes = 4 + bodyBytes;
      if (haveBytes - at < needBytes) break;
      yield unpack(bytes.subarray(at + 4, at + needBytes));
      at += needBytes;
    }
    chunks = [bytes.subarray(at)];
    haveBytes -= at;
  }
  if (haveBytes > 0) throw damaged(`expected a whole frame at the end, got ${haveBytes} bytes`);
}

function fieldsOf(content: unknown): Record<string, unknown> {
  return typeof content === 'object' && content !== null ? { ...content } : {};
}

function startState(content: unknown): KvState {
  const { format, version, index, members } = fieldsOf(content);
  if (format !== FORMAT || version !== VERSION) {
    throw damaged(
      `expected format ${FORMAT} version ${VERSION}, got ${String(format)} ${String(version)}`,
    );
  }
  if (typeof index !== 'number' || !Array.isArray(members)) {
    throw damaged('expected an index and a list of members in the header');
  }
  const state = newKvState(index);
  for (const member of members) {
    const [id, http]: unknown[] = Array.isArray(member) ? member : [];
    if (typeof id !== 'string' || typeof http !== 'string') {
      throw damaged('expected a name and an address of each member');
    }
    state.setMember(id, http);
  }
  return state;
}

function addSlice(state: KvState, slice: readonly unknown[]): void {
  for (let at = 0; at < slice.length; at += 2) {
    const key = slice[at];
    const value = slice[at + 1];
    if (typeof key !== 'string' || !(value instanceof Uint8Array)) {
      throw damaged('expected keys and values in turn in a slice');
    }
    state.set(key, value);
  }
}

/**
 * Reads what {@link encodeSnapshot} wrote, and takes it only when count and hash are right.
 *
 * @throws RaftError `ERR_KV_BAD_SNAPSHOT`
 */
export async function decodeSnapshot(reader: AsyncIterable<Uint8Array>): Promise<KvState> {
  let state: KvState | undefined;
  let complete = false;
  for await (const content of framesOf(reader)) {
    if (complete) throw damaged('expected nothing behind the trailer');
    if (state === undefined) {
      state = startState(content);
    } else if (Array.isArray(content)) {
      addSlice(state, content);
    } else {
      const { size, hash } = fieldsOf(content);
      if (size !== state.size || hash !== state.hash) {
        throw damaged(
          `expected ${String(size)} records with hash ${String(hash)}, ` +
            `got ${state.size} with ${state.hash}`,
        );
      }
      complete = true;
    }
    await nextTurn();
  }
  if (state === undefined || !complete) throw damaged('expected a trailer, got the end');
  return state;
}
