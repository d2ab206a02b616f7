import { fillYoungHeap } from './young-heap.ts';

/** Memory that is cut into copies, in bytes: the most that a single copy can keep alive. */
const SLAB_BYTES = 8192;
/** Engines keep arrays up to this size beside their object, which is as cheap. */
const LARGEST_INLINE_BYTES = 64;
/** Copies above this size get memory of their own. */
const LARGEST_SHARED_BYTES = 1024;
/** Copies from this size on are few for their bytes; see {@link fillYoungHeap}. */
const LEAST_LARGE_BYTES = 16_384;
/** For a large command that comes in, chunks and messages are made besides its copy. */
const BUFFERS_PER_COPY = 4;

/** A Node `Buffer` has a `slice` of its own, which copies nothing. */
const copyingSlice = Uint8Array.prototype.slice;

let slab = new Uint8Array(SLAB_BYTES);
let used = 0;

/**
 * A copy of `bytes` from `start` to `end`. Copies of medium size are cut from common memory, never
 * overlapping: a buffer for each costs four times as much, and most of it goes to the collector.
 */
export function sliceOf(bytes: Uint8Array, start = 0, end = bytes.length): Uint8Array {
  const size = end - start;
  if (size <= LARGEST_INLINE_BYTES || size > LARGEST_SHARED_BYTES) {
    if (size >= LEAST_LARGE_BYTES) fillYoungHeap(BUFFERS_PER_COPY * size);
    return copyingSlice.call(bytes, start, end);
  }
  if (used + size > SLAB_BYTES) {
    slab = new Uint8Array(SLAB_BYTES);
    used = 0;
  }
  const copy = slab.subarray(used, used + size);
  copy.set(size === bytes.length ? bytes : bytes.subarray(start, end));
  used += size;
  return copy;
}
