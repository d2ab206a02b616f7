import type { Decoder } from './decode.ts';
import { Encoder } from './encode.ts';
import { hexByte, MsgpackError } from './error.ts';

/** One field of a Go struct: its name on the wire and how its value goes there and back. */
export interface Field<T> {
  readonly key: string;
  readonly write: (to: Encoder, from: T) => void;
  readonly read: (from: Decoder, into: T) => void;
}

/** A field of one of Go's unsigned number types. */
export function uint<N extends string>(key: string, name: N): Field<Record<N, number>> {
  return {
    key,
    write: (to, from) => to.uint(from[name]),
    read: (from, into) => {
      into[name] = from.uint();
    },
  };
}

/** A field of one of Go's signed number types. */
export function int<N extends string>(key: string, name: N): Field<Record<N, number>> {
  return {
    key,
    write: (to, from) => to.int(from[name]),
    read: (from, into) => {
      into[name] = from.int();
    },
  };
}

/** A bool field. */
export function bool<N extends string>(key: string, name: N): Field<Record<N, boolean>> {
  return {
    key,
    write: (to, from) => to.bool(from[name]),
    read: (from, into) => {
      into[name] = from.bool();
    },
  };
}

/** A byte slice field; nil and empty are told apart. */
export function bytes<N extends string>(key: string, name: N): Field<Record<N, Uint8Array | null>> {
  return {
    key,
    write: (to, from) => to.bytes(from[name]),
    read: (from, into) => {
      into[name] = from.bytes();
    },
  };
}

/** A string field that names something. */
export function name<N extends string>(key: string, field: N): Field<Record<N, string>> {
  return {
    key,
    write: (to, from) => to.string(from[field]),
    read: (from, into) => {
      into[field] = from.name();
    },
  };
}

interface KeyedField<T> extends Field<T> {
  readonly encodedKey: Uint8Array;
}

function withEncodedKey<T>(field: Field<T>): KeyedField<T> {
  const key = new Encoder(32);
  key.string(field.key);
  return { ...field, encodedKey: key.finish() };
}

/**
 * A Go struct on the wire: a map of all its fields, sorted by name. Read as Go reads it: keys in
 * any order, unknown ones stepped over, of a key given twice the last; or an array of the fields in
 * the order of their declaration; or nil, which leaves every field as it is.
 */
export class Struct<T> {
  readonly #declared: readonly KeyedField<T>[];
  readonly #sorted: readonly KeyedField<T>[];
  readonly #byKey: ReadonlyMap<string, KeyedField<T>>;

  /** @param fields in the order in which Go declares them */
  constructor(fields: readonly Field<T>[]) {
    this.#declared = fields.map(withEncodedKey);
    this.#sorted = [...this.#declared].sort((a, b) => (a.key < b.key ? -1 : 1));
    this.#byKey = new Map(this.#declared.map((field) => [field.key, field]));
  }

  write(to: Encoder, value: T): void {
    to.mapHeader(this.#sorted.length);
    for (const field of this.#sorted) {
      to.verbatim(field.encodedKey);
      field.write(to, value);
    }
  }

  /** Reads what comes next into `into`, which holds the zero value of every field. Returns it. */
  read(from: Decoder, into: T): T {
    const head = from.peek();
    if (from.takeNil()) return into;
    if ((head >= 0x80 && head <= 0x8f) || head === 0xde || head === 0xdf) {
      this.#readMap(from, into);
    } else if ((head >= 0x90 && head <= 0x9f) || head === 0xdc || head === 0xdd) {
      this.#readArray(from, into);
    } else {
      throw new MsgpackError(`expected a struct as a map or an array, got ${hexByte(head)}`);
    }
    return into;
  }

  #readMap(from: Decoder, into: T): void {
    const count = from.mapHeader();
    for (let i = 0; i < count; i += 1) {
      const likely = this.#sorted[i];
      const isLikely = likely !== undefined && from.takeIfNext(likely.encodedKey);
      const field = isLikely ? likely : this.#byKey.get(from.text());
      if (field === undefined) from.skip();
      else readField(field, from, into);
    }
  }

  #readArray(from: Decoder, into: T): void {
    const count = from.arrayHeader(Number.MAX_SAFE_INTEGER);
    for (let i = 0; i < count; i += 1) {
      const field = this.#declared[i];
      if (field === undefined) from.skip();
      else readField(field, from, into);
    }
  }
}

/** Names the field in an error: the reader of a log cannot see which one was being read. */
function readField<T>(field: Field<T>, from: Decoder, into: T): void {
  try {
    field.read(from, into);
  } catch (error) {
    if (!(error instanceof MsgpackError)) throw error;
    throw new MsgpackError(`${field.key}: ${error.message}`);
  }
}
