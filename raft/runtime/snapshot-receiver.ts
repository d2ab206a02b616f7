import type { Clock } from '../../internal/clock.ts';
import { HeldReader } from '../../internal/held-reader.ts';
import type { DurableEffect } from '../core/effect.ts';
import type { Outcome, Ticket } from '../core/input.ts';
import { asError, ErrRaftShutdown, RaftError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { SnapshotSink, SnapshotStore } from '../snapshot.ts';
import type { Transport } from '../transport.ts';
import type { Entries } from './entries.ts';
import type { FsmLoop } from './fsm-loop.ts';

type Receive = Extract<DurableEffect, { kind: 'receiveSnapshot' }>;
type Restore = Extract<DurableEffect, { kind: 'restoreSnapshot' }>;

/** What the receiver needs from its node. */
export interface SnapshotReceiverOptions {
  readonly snaps: SnapshotStore;
  readonly trans: Transport;
  readonly fsm: FsmLoop;
  readonly entries: Entries;
  readonly clock: Clock;
  readonly log: Logger;
  /** A sender that is silent for longer holds the main lane no more. */
  readonly silenceLimitMs: number;
}

/** Takes in the snapshots that a leader sends, and gives them to the FSM (§7). */
export class SnapshotReceiver {
  readonly #o: SnapshotReceiverOptions;
  readonly #readers = new Map<Ticket, HeldReader>();
  /** Ends what is being read at the moment; one reader at most, the main lane is held meanwhile. */
  #abort: ((error: Error) => void) | null = null;
  #stopped = false;

  constructor(options: SnapshotReceiverOptions) {
    this.#o = options;
  }

  /** Remembers where the bytes that follow a request come from. */
  expect(ticket: Ticket, reader: AsyncIterable<Uint8Array>): void {
    this.#readers.set(ticket, new HeldReader(reader));
  }

  /** The request was answered: what was not read of its bytes is let go. */
  release(ticket: Ticket): void {
    void this.#readers.get(ticket)?.release();
    this.#readers.delete(ticket);
  }

  /** Copies the bytes into the store; what comes of it is told to the rules, never thrown. */
  async receive(effect: Receive): Promise<Outcome<{ readonly id: string }>> {
    try {
      return { reply: { id: await this.#copy(effect) } };
    } catch (error) {
      return { error: asError(error) };
    }
  }

  /** Gives a snapshot of the store to the FSM; a failure leaves it half-restored and is thrown. */
  async restore({ id, index, term }: Restore): Promise<void> {
    const { fsm, snaps, entries } = this.#o;
    await fsm.restore(index, term, async () => snaps.open(id));
    entries.clear();
  }

  /** Reads and forgets the bytes of a request, so that the connection stays in step. */
  async drain(ticket: Ticket): Promise<void> {
    const reader = this.#readers.get(ticket);
    if (reader === undefined) return;
    try {
      await this.#each(reader, async () => {});
    } catch (error) {
      this.#o.log.debug({ error: asError(error) }, 'failed to drain snapshot');
    }
  }

  /** Ends whatever is being received. */
  stop(): void {
    this.#stopped = true;
    this.#abort?.(ErrRaftShutdown);
  }

  async #copy(effect: Receive): Promise<string> {
    const reader = this.#readers.get(effect.ticket);
    if (reader === undefined) {
      throw new RaftError('ERR_MALFORMED_REQUEST', 'expected the bytes of a snapshot, got none');
    }
    const sink = await this.#create(effect);
    try {
      let bytes = 0;
      await this.#each(reader, async (chunk) => {
        bytes += chunk.length;
        await sink.write(chunk);
      });
      if (bytes !== effect.size) {
        const text = `short read: expected a snapshot of ${effect.size} bytes, got ${bytes}`;
        throw new RaftError('ERR_SHORT_SNAPSHOT', text);
      }
      await sink.close();
      this.#o.log.info({ bytes }, 'copied to local snapshot');
      return sink.id();
    } catch (error) {
      await sink.cancel();
      throw error;
    }
  }

  async #create(effect: Receive): Promise<SnapshotSink> {
    const { version, index, term, configuration, configurationIndex } = effect;
    const { snaps, trans } = this.#o;
    try {
      return await snaps.create(version, index, term, configuration, configurationIndex, trans);
    } catch (error) {
      const cause = asError(error);
      const text = `failed to create snapshot: ${cause.message}`;
      throw new RaftError('ERR_SNAPSHOT', text, { cause });
    }
  }

  /** Calls `take` with every chunk, until the end, a long silence, or the end of the node. */
  async #each(reader: HeldReader, take: (chunk: Uint8Array) => Promise<void>): Promise<void> {
    const iterator = reader[Symbol.asyncIterator]();
    for (;;) {
      const next = await this.#next(iterator);
      if (next.done === true) return;
      await take(next.value);
    }
  }

  /**
   * The next chunk. Each has a promise of its own: racing against one that lives as long as the
   * node would keep every chunk alive with it.
   */
  #next(iterator: AsyncIterator<Uint8Array>): Promise<IteratorResult<Uint8Array>> {
    const { clock, silenceLimitMs } = this.#o;
    if (this.#stopped) return Promise.reject(ErrRaftShutdown);
    return new Promise((resolve, reject) => {
      const limit = clock.setTimer(silenceLimitMs, () => {
        const text = `the sender of a snapshot was silent for ${silenceLimitMs} ms`;
        end(() => reject(new RaftError('ERR_SNAPSHOT_STALLED', text)));
      });
      const end = (settle: () => void): void => {
        limit.cancel();
        this.#abort = null;
        settle();
      };
      this.#abort = (error) => end(() => reject(error));
      iterator.next().then(
        (next) => end(() => resolve(next)),
        (error: unknown) => end(() => reject(asError(error))),
      );
    });
  }
}
