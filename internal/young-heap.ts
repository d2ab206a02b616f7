/** An array of so many words is the largest that costs no page of its own. */
const MOST_WORDS = 4096;
const WORD_BYTES = 8;
/** So many bytes of buffers are worth one on the heap. */
const BUFFER_BYTES_PER_HEAP_BYTE = 2;
/** A young heap is no larger unless somebody asked for it: more would be filled for nothing. */
const MOST_FILLED_WORDS = (16 << 20) / WORD_BYTES;

/** Seen from outside, so that no compiler leaves the arrays out. */
export let filler: readonly unknown[] = [];

/**
 * To be called by whoever makes large buffers one after the other that soon nobody needs, with the
 * bytes of each. It fills a part of the young heap with nothing.
 *
 * The memory of a buffer lies outside the heap; on it is an object of some dozen words. So hundreds
 * of megabytes hardly fill the young heap, whose collection takes a millisecond and would free
 * them; V8 finds out by the sum of their bytes, and then collects everything, with all helper
 * threads, every 26 MiB. A third of the processor time of a node that sent a snapshot went there.
 */
export function fillYoungHeap(bufferBytes: number): void {
  const worth = Math.ceil(bufferBytes / BUFFER_BYTES_PER_HEAP_BYTE / WORD_BYTES);
  let words = Math.min(worth, MOST_FILLED_WORDS);
  for (; words > 0; words -= MOST_WORDS) filler = new Array(Math.min(words, MOST_WORDS));
}
