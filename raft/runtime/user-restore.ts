import type { Clock, TimerHandle } from '../../internal/clock.ts';
import { HeldReader } from '../../internal/held-reader.ts';
import { checkBytes } from '../arguments.ts';
import type { StartedEffect } from '../core/effect.ts';
import type { MainInput, Outcome, Ticket } from '../core/input.ts';
import { asError, ErrEnqueueTimeout, ErrLeadershipLost, RaftError } from '../errors.ts';
import type { EntryFuture } from '../future.ts';
import type { Logger } from '../logger.ts';
import type { SnapshotSink, SnapshotStore } from '../snapshot.ts';
import type { Transport } from '../transport.ts';
import { ChunkPump } from './chunk-pump.ts';
import { EntryWaiter } from './effects.ts';
import type { Ledger } from './ledger.ts';
import type { Telemetry } from './telemetry.ts';
import type { Watchdog } from './watchdog.ts';

type Write = Extract<StartedEffect, { kind: 'writeRestore' }>;

/** What user restores need from their node. */
export interface UserRestoresOptions {
  readonly snaps: SnapshotStore;
  readonly trans: Transport;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly log: Logger;
  readonly telemetry: Telemetry;
  /** A reader that is silent for longer ends its restore. */
  readonly silenceLimitMs: number;
  /** Ends the node when its snapshot store holds the main lane. */
  readonly watchdog: Watchdog;
  readonly post: (input: MainInput) => void;
}

/** A restore that was asked for: where its bytes come from, and where they went. */
interface Asked {
  readonly source: AsyncIterable<Uint8Array>;
  readonly pump: ChunkPump;
  startMs: number | null;
  /** Set when the reading begins: until then the caller may give the source to another node. */
  reader: HeldReader | null;
  /** Runs until the rules have taken the request. */
  limit: TimerHandle | null;
  /** Takes the bytes, and is no snapshot before it is closed. */
  sink: SnapshotSink | null;
}

function failed(text: string, thrown: unknown): RaftError {
  const cause = asError(thrown);
  return new RaftError('ERR_SNAPSHOT', `${text}: ${cause.message}`, { cause });
}

/** Copies the snapshots that users restore. When to do what is decided in `core/restore.ts`. */
export class UserRestores {
  readonly #o: UserRestoresOptions;
  readonly #asked = new Map<Ticket, Asked>();

  constructor(options: UserRestoresOptions) {
    this.#o = options;
  }

  /**
   * Opens a ticket for a restore.
   *
   * @param timeoutMs until the rules must have taken the request, 0 to wait for ever
   */
  open(source: AsyncIterable<Uint8Array>, future: EntryFuture, timeoutMs: number): Ticket {
    const { clock, ledger, silenceLimitMs } = this.#o;
    const ticket = ledger.open(new EntryWaiter(future));
    const refuse = (): void => ledger.fail(ticket, ErrEnqueueTimeout);
    const limit = timeoutMs > 0 ? clock.setTimer(timeoutMs, refuse) : null;
    const pump = new ChunkPump(clock, silenceLimitMs);
    this.#asked.set(ticket, { source, pump, startMs: null, reader: null, limit, sink: null });
    // However it ends, and at the latest when it does, nobody reads on.
    void future.error().then(() => this.drop(ticket));
    return ticket;
  }

  /** Starts copying; the rules are told what comes of it. */
  async write(effect: Write): Promise<void> {
    const { leadership, ticket } = effect;
    const asked = this.#asked.get(ticket);
    if (asked === undefined) {
      this.#o.post({ kind: 'restoreWritten', leadership, ticket, error: ErrLeadershipLost });
      return;
    }
    asked.limit?.cancel();
    asked.startMs = this.#o.telemetry.nowMs();
    asked.reader = new HeldReader(asked.source);
    let error: Error | null = null;
    try {
      await this.#copy(effect, asked.reader, asked);
    } catch (thrown) {
      error = asError(thrown);
    }
    void asked.reader.release();
    this.#o.post({ kind: 'restoreWritten', leadership, ticket, error });
  }

  /** Makes what was copied the newest snapshot. */
  async store(ticket: Ticket): Promise<Outcome<{ readonly id: string }>> {
    const asked = this.#asked.get(ticket);
    const sink = asked?.sink ?? null;
    if (asked === undefined || sink === null) return { error: ErrLeadershipLost };
    asked.sink = null;
    try {
      await this.#o.watchdog.whileSnapshot('close of a snapshot', sink.close());
      return { reply: { id: sink.id() } };
    } catch (error) {
      return { error: failed('failed to close snapshot', error) };
    }
  }

  /** Ends the copying, or throws away what was copied. */
  drop(ticket: Ticket): void {
    const asked = this.#asked.get(ticket);
    if (asked === undefined) return;
    this.#asked.delete(ticket);
    asked.limit?.cancel();
    asked.pump.stop(ErrLeadershipLost);
    if (asked.startMs !== null) {
      this.#o.telemetry.took('raft.restoreUserSnapshot', asked.startMs);
    }
    void asked.reader?.release();
    this.#discard(asked);
  }

  /** Ends whatever is being copied, for `reason`. */
  stop(reason: Error): void {
    for (const ticket of [...this.#asked.keys()]) {
      this.#o.ledger.fail(ticket, reason);
      this.drop(ticket);
    }
  }

  async #copy(effect: Write, reader: HeldReader, asked: Asked): Promise<void> {
    const { pump } = asked;
    const sink = await this.#create(effect, pump);
    asked.sink = sink;
    try {
      const bytes = await pumpInto(sink, reader, pump, effect.size);
      this.#o.log.info({ bytes }, 'copied to local snapshot');
    } catch (error) {
      this.#discard(asked);
      throw error;
    }
  }

  async #create(effect: Write, pump: ChunkPump): Promise<SnapshotSink> {
    const { version, index, term, configuration, configurationIndex } = effect;
    const { snaps, trans } = this.#o;
    const creating = (async () =>
      snaps.create(version, index, term, configuration, configurationIndex, trans))();
    try {
      return await pump.within(creating, 'the snapshot store');
    } catch (error) {
      // One that comes too late is not left open.
      creating.then(
        (sink) => this.#cancel(sink),
        () => {},
      );
      throw failed('failed to create snapshot', error);
    }
  }

  /** Throws away what was copied; a sink is told so once, whoever is first. */
  #discard(asked: Asked): void {
    const { sink } = asked;
    asked.sink = null;
    if (sink !== null) void this.#cancel(sink);
  }

  async #cancel(sink: SnapshotSink): Promise<void> {
    try {
      await sink.cancel();
    } catch (error) {
      this.#o.log.error({ error: asError(error) }, 'failed to cancel snapshot');
    }
  }
}

/** Copies a stream of exactly `size` bytes. */
async function pumpInto(
  sink: SnapshotSink,
  reader: HeldReader,
  pump: ChunkPump,
  size: number,
): Promise<number> {
  let bytes = 0;
  try {
    await pump.each(reader, async (chunk) => {
      checkBytes('a chunk of the snapshot', chunk);
      bytes += chunk.length;
      if (bytes > size) throw wrongSize(bytes, size);
      await sink.write(chunk);
    });
  } catch (error) {
    throw bytes > size ? error : failed('failed to write snapshot', error);
  }
  if (bytes !== size) throw wrongSize(bytes, size);
  return bytes;
}

function wrongSize(got: number, expected: number): RaftError {
  const text = `failed to write snapshot, size didn't match (${got} != ${expected})`;
  return new RaftError('ERR_SNAPSHOT_SIZE', text);
}
