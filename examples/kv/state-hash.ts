import { hash } from 'node:crypto';
import { utf8 } from '../../internal/bytes.ts';

/** What a hashed pair means, so that a record and a member of the same name hash differently. */
export const PairKind = Object.freeze({ Record: 0, Member: 1 } as const);
/** What a hashed pair means. */
export type PairKind = (typeof PairKind)[keyof typeof PairKind];

const DIGEST_HEX_LENGTH = 32;

/** The first 128 bits of the SHA-256 of one pair, as 32 hexadecimal digits. */
export function hashPair(kind: PairKind, key: string, value: Uint8Array): string {
  const keyBytes = utf8(key);
  // The key's length stands in front of it: "ab" + "c" must not hash like "a" + "bc".
  const message = Buffer.allocUnsafe(5 + keyBytes.length + value.length);
  message.writeUInt8(kind, 0);
  message.writeUInt32BE(keyBytes.length, 1);
  message.set(keyBytes, 5);
  message.set(value, 5 + keyBytes.length);
  return hash('sha256', message, 'hex').slice(0, DIGEST_HEX_LENGTH);
}

/**
 * A hash of a set of pairs that is cheap to keep and the same for every order of arrival: the XOR
 * of the hashes of its pairs. It shows that two states differ by accident; it is no defence against
 * somebody who chooses values to make them look alike.
 */
export class StateHash {
  readonly #lanes = new Uint32Array(4);

  /** Adds a pair that is not in the set, or takes away one that is: XOR is its own inverse. */
  toggle(kind: PairKind, key: string, value: Uint8Array): void {
    const digest = hashPair(kind, key, value);
    for (let lane = 0; lane < 4; lane += 1) {
      const word = Number.parseInt(digest.slice(lane * 8, lane * 8 + 8), 16);
      this.#lanes[lane] = (this.#lanes[lane] ?? 0) ^ word;
    }
  }

  /** The hash as 32 hexadecimal digits; all zero for the empty set. */
  toString(): string {
    return [...this.#lanes].map((lane) => lane.toString(16).padStart(8, '0')).join('');
  }
}
