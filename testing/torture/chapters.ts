import type { KeyValueInput, KeyValueOperation, KeyValueOutput } from '../check/index.ts';

interface Chapter {
  readonly over: KeyValueOperation[];
  /** Asked, and neither answered nor given up. */
  readonly open: Set<KeyValueOperation>;
}

/** An operation that was asked; one of the three is called, once. */
export interface Asked {
  answered(output: KeyValueOutput): void;
  /** It may have happened, or may still happen. */
  gaveUp(): void;
  didNotHappen(): void;
}

/**
 * The history of clients, cut into chapters: each has keys of its own, so that an old one can be
 * forgotten, once it was judged, while others are being written.
 */
export class Chapters {
  readonly #chapters = new Map<number, Chapter>();
  readonly #now: () => number;

  constructor(now: () => number) {
    this.#now = now;
  }

  begin(number: number, input: KeyValueInput): Asked {
    const chapter = this.#chapters.get(number) ?? { over: [], open: new Set() };
    this.#chapters.set(number, chapter);
    const asked = { input, calledAt: this.#now(), answer: null };
    chapter.open.add(asked);
    const end = (operation: KeyValueOperation | null): void => {
      chapter.open.delete(asked);
      if (operation !== null) chapter.over.push(operation);
    };
    return {
      answered: (output) => end({ ...asked, answer: { at: this.#now(), output } }),
      gaveUp: () => end(asked),
      didNotHappen: () => end(null),
    };
  }

  /** All that was asked; what is open may have happened. */
  operations(): KeyValueOperation[] {
    return [...this.#chapters.values()].flatMap(({ over, open }) => [...over, ...open]);
  }

  /** Forgets the chapters before `number` in which nothing is open. */
  forgetBefore(number: number): void {
    for (const [key, { open }] of this.#chapters) {
      if (key < number && open.size === 0) this.#chapters.delete(key);
    }
  }
}
