import type { Configuration } from './configuration.ts';
import type { OpenSnapshot } from './snapshot.ts';

/**
 * The result of something that has been asked of a node and will be known later. `error()` is Go's:
 * it resolves with the error or `null` and never rejects. A future can also be awaited, which gives
 * the result or throws. Nobody has to look: an unread failure is not an unhandled rejection.
 * Go: `Future`.
 */
export interface Future<T = void> extends PromiseLike<T> {
  /**
   * Waits for the end: `null` when all went well, else why not. Never rejects. Go: `Future.Error`.
   */
  error(): Promise<Error | null>;
}

/** A future of something that takes a place in the log. Go: `IndexFuture`. */
export interface IndexFuture<T = void> extends Future<T> {
  /**
   * The entry's index; throws before the future is done. 0 when it never got one.
   * Go: `IndexFuture.Index`.
   */
  index(): number;
}

/** What is known of a command whose future is done: see {@link ApplyFuture.outcome}. */
export type ApplyOutcome = 'applied' | 'not-applied' | 'unknown';

/** A future of a command. Awaiting it gives the FSM's response. Go: `ApplyFuture`. */
export interface ApplyFuture extends IndexFuture<unknown> {
  /**
   * What the FSM returned; throws before the future is done. `undefined` after a failure.
   * Go: `ApplyFuture.Response`.
   */
  response(): unknown;
  /**
   * Whether the command took effect. The same error can mean either: `ErrRaftShutdown` at the call
   * is "not-applied", in flight it is "unknown". Throws before the future is done. Beyond Go.
   */
  outcome(): ApplyOutcome;
}

/** A future of a configuration that was read. Go: `ConfigurationFuture`. */
export interface ConfigurationFuture extends IndexFuture<Configuration> {
  /** The configuration. Go: `ConfigurationFuture.Configuration`. */
  configuration(): Configuration;
}

/** A future of a snapshot. Go: `SnapshotFuture`. */
export interface SnapshotFuture extends Future<void> {
  /**
   * Opens the snapshot that was taken; works once. Rejects with `ERR_NO_SNAPSHOT` when it is opened
   * again, before the future is done, and after a failure; and with what the store throws.
   * Go: `SnapshotFuture.Open`.
   */
  open(): Promise<OpenSnapshot>;
}

/** A future of a handing-over of leadership. Go: `LeadershipTransferFuture`. */
export interface LeadershipTransferFuture extends Future {}

/** A future read too early. */
function notDone(): Error {
  return new Error('the future is not done; await it or its error() first');
}

/**
 * The one future behind all: settles once, later attempts are ignored. No promise exists until
 * somebody asks for one, so thousands a second cost what a plain object costs. Go: `deferError`.
 */
export class SettableFuture<T> implements IndexFuture<T> {
  #state: 'pending' | 'done' | 'failed' = 'pending';
  #value: T | undefined;
  #error: Error | null = null;
  #index = 0;
  #afterwards: (() => void) | undefined;
  /** Whoever else waits: most futures have one who does, and need no list. */
  #others: (() => void)[] | undefined;

  /** True once the future is done, whichever way. */
  get isSettled(): boolean {
    return this.#state !== 'pending';
  }

  /** Remembers the index that the entry got. */
  setIndex(index: number): void {
    this.#index = index;
  }

  /** Ends the future well; false when it was over already. */
  succeed(value: T): boolean {
    if (this.#state !== 'pending') return false;
    this.#state = 'done';
    this.#value = value;
    this.#tell();
    return true;
  }

  /** Ends the future badly; false when it was over already. */
  fail(error: Error): boolean {
    if (this.#state !== 'pending') return false;
    this.#state = 'failed';
    this.#error = error;
    this.#tell();
    return true;
  }

  /** Runs `run` once the future is done, at once when it is. */
  whenSettled(run: () => void): void {
    if (this.isSettled) run();
    else if (this.#afterwards === undefined) this.#afterwards = run;
    else if (this.#others === undefined) this.#others = [run];
    else this.#others.push(run);
  }

  #tell(): void {
    this.#afterwards?.();
    for (const run of this.#others ?? []) run();
  }

  error(): Promise<Error | null> {
    return new Promise((resolve) => this.whenSettled(() => resolve(this.#error)));
  }

  index(): number {
    if (this.#state === 'pending') throw notDone();
    return this.#index;
  }

  /** The value; throws before the future is done. */
  protected valueWhenDone(): T | undefined {
    if (this.#state === 'pending') throw notDone();
    return this.#value;
  }

  // biome-ignore lint/suspicious/noThenProperty: a future is meant to be awaited (api: Future)
  then<A = T, B = never>(
    onDone?: ((value: T) => A | PromiseLike<A>) | null,
    onFailed?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    const result = new Promise<T>((resolve, reject) => {
      this.whenSettled(() => {
        if (this.#error !== null) reject(this.#error);
        else resolve(this.#value as T);
      });
    });
    return result.then(onDone, onFailed);
  }
}

/** The future of an entry that was proposed: a command, a barrier or a configuration. */
export class EntryFuture extends SettableFuture<unknown> implements ApplyFuture {
  #outcome: ApplyOutcome = 'unknown';
  #isTaken = false;

  response(): unknown {
    return this.valueWhenDone();
  }

  outcome(): ApplyOutcome {
    this.valueWhenDone();
    return this.#outcome;
  }

  /** The main lane has it: from here on it may take effect. */
  taken(): void {
    this.#isTaken = true;
  }

  /** False while it waits to be let in. */
  get isTaken(): boolean {
    return this.#isTaken;
  }

  /** Whoever waited has given up: what was taken goes on, and nobody is told what comes of it. */
  abandon(error: Error): void {
    if (this.#isTaken) this.lost(error);
    else this.refused(error);
  }

  /** The FSM has applied the entry and returned `response`. */
  applied(response: unknown): void {
    if (this.succeed(response)) this.#outcome = 'applied';
  }

  /** The entry was never appended. */
  refused(error: Error): void {
    if (this.fail(error)) this.#outcome = 'not-applied';
  }

  /** The entry was appended, and nobody here can say what becomes of it. */
  lost(error: Error): void {
    if (this.fail(error)) this.#outcome = 'unknown';
  }
}

/** The future of an entry to which the FSM has nothing to say: a barrier or a configuration. */
export class WithoutResponse implements IndexFuture {
  readonly #entry: EntryFuture;

  constructor(entry: EntryFuture) {
    this.#entry = entry;
  }

  error(): Promise<Error | null> {
    return this.#entry.error();
  }

  index(): number {
    return this.#entry.index();
  }

  // biome-ignore lint/suspicious/noThenProperty: a future is meant to be awaited (api: Future)
  then<A = void, B = never>(
    onDone?: ((value: undefined) => A | PromiseLike<A>) | null,
    onFailed?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#entry.then(() => undefined).then(onDone, onFailed);
  }
}

/** A future of the configuration, which is known at once. */
export class KnownConfiguration
  extends SettableFuture<Configuration>
  implements ConfigurationFuture
{
  readonly #configuration: Configuration;

  constructor(configuration: Configuration, index: number) {
    super();
    this.#configuration = configuration;
    this.setIndex(index);
    this.succeed(configuration);
  }

  configuration(): Configuration {
    return this.#configuration;
  }
}
