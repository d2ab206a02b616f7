import type { Operation, SequentialModel } from './history.ts';

/** What a client may ask of a key-value store of texts. */
export type KeyValueInput =
  /** Writes `value`. */
  | { readonly op: 'set'; readonly key: string; readonly value: string }
  /** Adds `value` to the end of the text; of none, it makes one. */
  | { readonly op: 'append'; readonly key: string; readonly value: string }
  /** Writes `to` when the value is `from`; `null` stands for no value. */
  | { readonly op: 'cas'; readonly key: string; readonly from: string | null; readonly to: string }
  /** Removes the value. */
  | { readonly op: 'delete'; readonly key: string }
  /** Reads the value. */
  | { readonly op: 'get'; readonly key: string };

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
