import type { Operation, SequentialModel } from './history.ts';

/** Writes a value, or adds it to the end of what is there. */
export interface KeyValueWrite {
  /** `append` of nothing makes a new text. */
  readonly op: 'set' | 'append';
  /** Where. */
  readonly key: string;
  /** What. */
  readonly value: string;
}

/** Writes a value when another one is there. */
export interface KeyValueSwap {
  /** Compare and set. */
  readonly op: 'cas';
  /** Where. */
  readonly key: string;
  /** What must be there; `null` stands for no value. */
  readonly from: string | null;
  /** What is there afterwards. */
  readonly to: string;
}

/** Reads a value, or removes it. */
export interface KeyValueAccess {
  /** Which of both. */
  readonly op: 'get' | 'delete';
  /** Where. */
  readonly key: string;
}

/** What a client may ask of a key-value store of texts. */
export type KeyValueInput = KeyValueWrite | KeyValueSwap | KeyValueAccess;

/**
 * What the store answered: `get` the value, `null` when there is none; `set` and `delete` the value
 * that was there before; `append` the value that is there now; `cas` whether it wrote.
 * `undefined` says only that it is done.
 */
export type KeyValueOutput = string | null | boolean | undefined;

/** An operation of a history on a key-value store. */
export type KeyValueOperation = Operation<KeyValueInput, KeyValueOutput>;

function run(
  value: string | null,
  input: KeyValueInput,
): { readonly state: string | null; readonly output: KeyValueOutput } {
  switch (input.op) {
    case 'set':
      return { state: input.value, output: value };
    case 'append': {
      const longer = (value ?? '') + input.value;
      return { state: longer, output: longer };
    }
    case 'cas': {
      const isEqual = value === input.from;
      return { state: isEqual ? input.to : value, output: isEqual };
    }
    case 'delete':
      return { state: null, output: value };
    case 'get':
      return { state: value, output: value };
  }
}

/** A key-value store of texts, empty at first; every key is a part of its own. */
export const keyValueModel: SequentialModel<string | null, KeyValueInput, KeyValueOutput> = {
  initial: null,
  step(value, input) {
    const { state, output } = run(value, input);
    return { state, accepts: (observed) => observed === undefined || observed === output };
  },
  describe: (value) => JSON.stringify(value),
  readsOnly: (input) => input.op === 'get',
  partOf: (input) => input.key,
};
