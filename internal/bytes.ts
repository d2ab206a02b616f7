const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** UTF-8 bytes of a string. */
export function utf8(text: string): Uint8Array {
  return encoder.encode(text);
}

/** A string that was spelled before, and a copy of its bytes. */
interface Spelled {
  readonly bytes: Uint8Array;
  readonly text: string;
}

/** Longest bytes that are remembered: names and addresses, which come with every message. */
const MOST_REMEMBERED_BYTES = 64;
/** A place for each, by what the bytes are; a power of two. */
const spelled = new Array<Spelled | undefined>(16).fill(undefined);

/**
 * The string that UTF-8 bytes spell; ill-formed parts become U+FFFD. `null` gives "". The decoder
 * of the platform costs ten times what it takes to see that the bytes are those of last time.
 */
export function utf8ToString(bytes: Uint8Array | null): string {
  if (bytes === null || bytes.length === 0) return '';
  const { length } = bytes;
  if (length > MOST_REMEMBERED_BYTES) return decoder.decode(bytes);
  const place = (length + (bytes[length - 1] ?? 0)) & (spelled.length - 1);
  const before = spelled[place];
  if (before !== undefined && bytesEqual(before.bytes, bytes)) return before.text;
  const text = decoder.decode(bytes);
  spelled[place] = { bytes: copyBytes(bytes), text };
  return text;
}

/** True when both hold the same bytes; `null` equals only `null`. */
export function bytesEqual(a: Uint8Array | null, b: Uint8Array | null): boolean {
  if (a === null || b === null) return a === b;
  if (a.length !== b.length) return false;
  for (let i = 0; i < a.length; i += 1) if (a[i] !== b[i]) return false;
  return true;
}

/** A copy that shares no memory with its source. */
export function copyBytes(bytes: Uint8Array): Uint8Array {
  const copy = new Uint8Array(bytes.length);
  copy.set(bytes);
  return copy;
}

/** One array holding all chunks in order. */
export function concatBytes(chunks: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const chunk of chunks) length += chunk.length;
  const joined = new Uint8Array(length);
  let offset = 0;
  for (const chunk of chunks) {
    joined.set(chunk, offset);
    offset += chunk.length;
  }
  return joined;
}
