/** Looks for rejections that nobody hears. */
export class RejectionWatch {
  readonly #unheard: unknown[] = [];

  readonly start = (): void => void process.on('unhandledRejection', this.#note);

  /** Ends the watch, and gives what was rejected unheard. */
  stop(): readonly unknown[] {
    process.off('unhandledRejection', this.#note);
    return this.#unheard;
  }

  readonly #note = (reason: unknown): void => void this.#unheard.push(reason);
}

/** What a port does instead of what it should. */
export type Fault = () => unknown;

export const failures = {
  throws: () => {
    throw new Error('on purpose');
  },
  rejects: () => Promise.reject(new Error('on purpose')),
} satisfies Readonly<Record<string, Fault>>;
export const silence = { 'never answers': () => new Promise(() => {}) } satisfies Record<
  string,
  Fault
>;
export const garbage: Readonly<Record<string, Fault>> = {
  'answers undefined': () => undefined,
  'answers text': () => 'garbage',
  'answers NaN': () => Number.NaN,
  'answers -5': () => -5,
  'answers 2^60': () => 2 ** 60,
  'answers 1.5': () => 1.5,
  'answers an object': () => ({}),
  'answers a list': () => [1, 2, 3],
  'answers later, and undefined': async () => undefined,
};
