import type { Configuration } from './configuration.ts';
import { asError, RaftError } from './errors.ts';
import type { BatchingFSM, ConfigurationStore, FSM, FSMSnapshot } from './fsm.ts';
import type { ApplyOutcome, IndexFuture } from './future.ts';
import { type Codec, framesOf, type ItemFormat } from './item-frames.ts';
import { type Log, LogType, type MaybePromise } from './log.ts';
import type { RaftNode } from './node.ts';
import type { Timeout } from './timeout.ts';

/** A command that was decoded, and the entry that carried it. */
export interface TypedLog<Command> {
  /** The command, decoded. */
  readonly command: Command;
  /** Its entry, with index, term and time. */
  readonly log: Log;
}

/**
 * A picture of the state, item by item: an array, a `CowMapSnapshot`, a generator. Later commands
 * must not show in it.
 */
export type Picture<Item> = (Iterable<Item> | AsyncIterable<Item>) & {
  /** Is called once when the picture is no longer needed. */
  release?(): void;
};

/**
 * A state machine that knows commands and state as values and never sees a byte; {@link typedFSM}
 * makes an `FSM` of it. The rules for an `FSM` hold: `apply` must be deterministic, and one that
 * throws stops the node. Beyond Go.
 */
export interface TypedStateMachine<Command, Response, Item> {
  /**
   * Applies one command; what it returns is what `apply` on the leader gives.
   *
   * @param log the entry: its index, and the leader's time of appending it
   */
  apply(command: Command, log: Log): MaybePromise<Response>;
  /** Optional: applies many commands in one call; exactly one response for each, in order. */
  applyBatch?(commands: readonly TypedLog<Command>[]): MaybePromise<readonly Response[]>;
  /** The state as it is now, item by item; a small state is one item. */
  snapshot(): MaybePromise<Picture<Item>>;
  /** Replaces the whole state by the items of a snapshot. */
  restore(items: AsyncIterable<Item>): MaybePromise<void>;
  /** Optional: is told every committed configuration. */
  storeConfiguration?(index: number, configuration: Configuration): MaybePromise<void>;
  /**
   * Optional: checks what was decoded, before `apply` sees it, and says what it is; throws for what
   * is no command. Without it, whatever was proposed is believed.
   */
  parseCommand?(value: unknown): Command;
  /** Optional: the same for the items of a snapshot. */
  parseItem?(value: unknown): Item;
}

/** How the error text shows bytes that are no command. */
function excerpt(data: Uint8Array): string {
  const hex = [...data.subarray(0, 16)].map((byte) => byte.toString(16).padStart(2, '0'));
  return `${data.length} bytes (${hex.join(' ')}${data.length > 16 ? ' ...' : ''})`;
}

/** What {@link typedFSM} makes: give it to `newRaft`, and to {@link typed}. */
export class TypedFSM<Command, Response, Item = unknown> implements FSM {
  /** Set when the state machine applies batches. */
  readonly applyBatch?: BatchingFSM['applyBatch'];
  /** Set when the state machine wants to know configurations. */
  readonly storeConfiguration?: ConfigurationStore['storeConfiguration'];
  readonly #machine: TypedStateMachine<Command, Response, Item>;
  readonly #codec: Codec;
  readonly #format: ItemFormat;

  /** Prefer {@link typedFSM}. */
  constructor(
    machine: TypedStateMachine<Command, Response, Item>,
    codec: Codec,
    format: ItemFormat = framesOf(codec),
  ) {
    this.#machine = machine;
    this.#codec = codec;
    this.#format = format;
    if (machine.applyBatch !== undefined) this.applyBatch = (logs) => this.#applyBatch(logs);
    if (machine.storeConfiguration !== undefined) {
      this.storeConfiguration = (index, configuration) =>
        machine.storeConfiguration?.(index, configuration);
    }
  }

  /**
   * The bytes of a command, for an `apply` without {@link typed}. Throws `ERR_INVALID_ARGUMENT` for
   * what cannot be encoded.
   */
  encode(command: Command): Uint8Array {
    try {
      return this.#codec.encode(command);
    } catch (thrown) {
      const cause = asError(thrown);
      const text = `command must be a value that can be encoded: ${cause.message}`;
      throw new RaftError('ERR_INVALID_ARGUMENT', text, { cause });
    }
  }

  /** Decodes and applies. Throws `ERR_MALFORMED_COMMAND`, which stops the node. */
  apply(log: Log): MaybePromise<Response> {
    return this.#machine.apply(this.#decode(log), log);
  }

  /** A snapshot of the state machine's picture. */
  async snapshot(): Promise<FSMSnapshot> {
    const picture = await this.#machine.snapshot();
    return {
      persist: (sink) => this.#format.write(sink, picture),
      release: () => picture.release?.(),
    };
  }

  /**
   * Gives the items of a snapshot to the state machine. Rejects with `ERR_MALFORMED_SNAPSHOT` for
   * what another kind of state machine wrote or what lost its end.
   */
  async restore(reader: AsyncIterable<Uint8Array>): Promise<void> {
    await this.#machine.restore(this.#items(reader));
  }

  async *#items(reader: AsyncIterable<Uint8Array>): AsyncGenerator<Item, undefined> {
    const { parseItem = (value: unknown) => value as Item } = this.#machine;
    for await (const value of this.#format.read(reader)) yield parseItem(value);
  }

  async #applyBatch(logs: readonly Log[]): Promise<readonly unknown[]> {
    const commands = logs
      .filter(({ type }) => type === LogType.LogCommand)
      .map((log) => ({ command: this.#decode(log), log }));
    const responses = (await this.#machine.applyBatch?.(commands)) ?? [];
    if (responses.length !== commands.length) {
      const text = `expected ${commands.length}, got ${responses.length}`;
      throw new RaftError('ERR_FSM_RESPONSES', `invalid number of responses: ${text}`);
    }
    const next = responses.values();
    return logs.map(({ type }) => {
      return type === LogType.LogCommand ? next.next().value : undefined;
    });
  }

  #decode({ index, data }: Log): Command {
    const bytes = data ?? new Uint8Array();
    const { parseCommand = (value: unknown) => value as Command } = this.#machine;
    try {
      return parseCommand(this.#codec.decode(bytes));
    } catch (thrown) {
      const cause = asError(thrown);
      throw new RaftError(
        'ERR_MALFORMED_COMMAND',
        `expected a command at index ${index}, got ${excerpt(bytes)}: ${cause.message}`,
        { cause },
      );
    }
  }
}

/** An `ApplyFuture` whose response has a type. Beyond Go. */
export interface TypedApplyFuture<Response> extends IndexFuture<Response> {
  /** What the state machine returned; throws before the future is done. */
  response(): Response;
  /** See `ApplyFuture.outcome`. */
  outcome(): ApplyOutcome;
}

/** What {@link TypedRaft} needs of a {@link TypedFSM}. */
/** The half of a {@link TypedFSM} that writes commands. Beyond Go. */
export type CommandEncoder<Command> = Pick<TypedFSM<Command, unknown>, 'encode'>;

/** A node that takes commands as values. Made by {@link typed}. Beyond Go. */
export class TypedRaft<Command, Response> {
  /** The node itself, for everything else. */
  readonly raft: RaftNode;
  readonly #fsm: CommandEncoder<Command>;

  /** Prefer {@link typed}. */
  constructor(raft: RaftNode, fsm: CommandEncoder<Command>) {
    this.raft = raft;
    this.#fsm = fsm;
  }

  /**
   * Proposes a command, as `Raft.apply` does, with the same timeout and errors. Throws
   * `ERR_INVALID_ARGUMENT` for a command that cannot be encoded. The command is taken at the call.
   */
  apply(command: Command, timeout?: Timeout): TypedApplyFuture<Response> {
    // The node answers with what its state machine returned, and that is a `Response`.
    return this.raft.apply(this.#fsm.encode(command), timeout) as TypedApplyFuture<Response>;
  }
}

/**
 * A node that takes commands as values: `await typed(raft, fsm).apply({ op: 'set', key })`.
 * Beyond Go.
 *
 * @param raft the node
 * @param fsm the state machine that this node was started with; see {@link typedFSM}
 */
export function typed<Command, Response, Item>(
  raft: RaftNode,
  fsm: TypedFSM<Command, Response, Item>,
): TypedRaft<Command, Response> {
  return new TypedRaft(raft, fsm);
}
