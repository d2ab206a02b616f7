import {
  checkLinearizable,
  type KeyValueInput,
  type KeyValueOperation,
  type KeyValueOutput,
  keyValueModel,
} from '../check/index.ts';

/** An operation that a client has begun. */
export interface OpenOperation {
  /** The answer is known. */
  answered(output: KeyValueOutput): void;
  /** It is certain that it never happened and never will. */
  denied(): void;
}

interface Entry {
  readonly input: KeyValueInput;
  readonly calledAt: number;
  answer: { readonly at: number; readonly output: KeyValueOutput } | null;
  denied: boolean;
}

/** What the checker makes of a history. */
export interface Judgement {
  /** Why no single store that ran alone can have given these answers; `null` when one can. */
  readonly complaint: string | null;
  /** False when the search was given up: nothing is known. */
  readonly isDecided: boolean;
}

/** What all clients of a run asked and were told, in the order in which it happened. */
export class ClientHistory {
  readonly #entries: Entry[] = [];
  #moment = 0;

  /** A client asks; an operation that is never answered has an unknown outcome. */
  begin(input: KeyValueInput): OpenOperation {
    this.#moment += 1;
    const entry: Entry = { input, calledAt: this.#moment, answer: null, denied: false };
    this.#entries.push(entry);
    return {
      answered: (output) => {
        this.#moment += 1;
        entry.answer = { at: this.#moment, output };
      },
      denied: () => {
        entry.denied = true;
      },
    };
  }

  /** All that happened, or may have. Reads without an answer say nothing and are left out. */
  get operations(): readonly KeyValueOperation[] {
    return this.#entries.filter(
      ({ input, answer, denied }) => !denied && !(input.op === 'get' && answer === null),
    );
  }

  /** Asks whether a single store that ran alone can have given these answers. */
  judge(): Judgement {
    const { verdict, message } = checkLinearizable(this.operations, keyValueModel);
    return { complaint: verdict === 'broken' ? message : null, isDecided: verdict !== 'undecided' };
  }
}
