/** A hash of text that does not depend on the machine (FNV-1a on UTF-16 units). */
export function hashText(text: string, from = 0x811c9dc5): number {
  let hash = from;
  for (let i = 0; i < text.length; i += 1) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  return hash >>> 0;
}

/** A hash of bytes (FNV-1a). */
export function hashBytes(bytes: Uint8Array | null, from = 0x811c9dc5): number {
  let hash = from;
  if (bytes === null) return hash >>> 0;
  for (let i = 0; i < bytes.length; i += 1) hash = Math.imul(hash ^ (bytes[i] ?? 0), 0x01000193);
  return hash >>> 0;
}

/**
 * What happened, line by line. Only the last lines are kept; the hash is over all of them, so that
 * two runs can be compared byte for byte.
 */
export class Trace {
  readonly #keep: number;
  readonly #lines: string[] = [];
  #hash = 0x811c9dc5;
  #count = 0;

  /** @param keep how many of the last lines are kept */
  constructor(keep: number) {
    this.#keep = keep;
  }

  /** How many lines there were. */
  get count(): number {
    return this.#count;
  }

  /** The hash over all lines, as eight hexadecimal digits. */
  get hash(): string {
    return this.#hash.toString(16).padStart(8, '0');
  }

  /** Adds a line: who did what, and when. */
  add(nowMs: number, who: string, what: string): void {
    const line = `${nowMs.toFixed(3).padStart(10)} ${who.padEnd(3)} ${what}`;
    this.#hash = hashText(line, this.#hash);
    this.#count += 1;
    this.#lines.push(line);
    if (this.#lines.length >= 2 * this.#keep)
      this.#lines.splice(0, this.#lines.length - this.#keep);
  }

  /** The last lines, oldest first. */
  tail(): string[] {
    return this.#lines.slice(-this.#keep);
  }
}
