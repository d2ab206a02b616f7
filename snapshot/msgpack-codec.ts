// These two sub-paths load no native code, unlike the package's root.
import { Packr } from 'msgpackr/pack';
import { Unpackr } from 'msgpackr/unpack';
import type { Codec } from '../raft/item-frames.ts';

// Without records every value is plain msgpack, which other languages read as well.
const packr = new Packr({ useRecords: false, variableMapSize: true });
const unpackr = new Unpackr({ useRecords: false, mapsAsObjects: true, copyBuffers: true });

/** The one byte that msgpack never uses; the decoder would make an object of it. */
const NEVER_USED = 0xc1;

/** The same bytes, not as a Node `Buffer`: what is cut out of one would be a `Buffer` again. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/**
 * Values as msgpack: null, booleans, numbers, strings, bigints of 64 bits, `Uint8Array`, `Date`,
 * arrays and plain objects of these.
 */
export const msgpackCodec: Codec = Object.freeze({
  encode(value: unknown): Uint8Array {
    if (value === undefined || typeof value === 'function') {
      throw new TypeError(`expected a value that msgpack has, got ${typeof value}`);
    }
    return plain(packr.pack(value));
  },
  decode(bytes: Uint8Array): unknown {
    if (bytes[0] === NEVER_USED) throw new TypeError('expected a msgpack value, got 0xc1');
    return unpackr.unpack(plain(bytes));
  },
});
