import { newDeferred } from '../../internal/deferred.ts';
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
  readonly log: Logger;
}

/** Takes in the snapshots that a leader sends, and gives them to the FSM (§7). */
export class SnapshotReceiver {
  readonly #o: SnapshotReceiverOptions;
  readonly #readers = new Map<Ticket, AsyncIterable<Uint8Array>>();
  readonly #stop = newDeferred<never>();

  constructor(options: SnapshotReceiverOptions) {
    this.#o = options;
    // Raced against in every read; nobody else looks.
    this.#stop.promise.catch(() => {});
  }

  /** Remembers where the bytes that follow a request come from. */
  expect(ticket: Ticket, reader: AsyncIterable<Uint8Array>): void {
    this.#readers.set(ticket, reader);
  }

  /** Copies the bytes into the store; what comes of it is told to the rules, never thrown. */
  async receive(effect: Receive): Promise<Outcome<{ readonly id: string }>> {
    try {
      return { reply: { id: await this.#copy(effect) } };
    } catch (error) {
      await this.drain(effect.ticket);
      return { error: asError(error) };
    } finally {
      this.#readers.delete(effect.ticket);
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
    this.#readers.delete(ticket);
    if (reader === undefined) return;
    try {
      await this.#each(reader, async () => {});
    } catch (error) {
      this.#o.log.debug({ error: asError(error) }, 'failed to drain snapshot');
    }
  }

  /** Ends whatever is being received. */
  stop(): void {
    this.#stop.reject(ErrRaftShutdown);
  }

  async #copy(effect: Receive): Promise<string> {
    const { snaps, trans, log } = this.#o;
    const { version, index, term, configuration, configurationIndex, size } = effect;
    const reader = this.#readers.get(effect.ticket);
    if (reader === undefined) {
      throw new RaftError('ERR_MALFORMED_REQUEST', 'expected the bytes of a snapshot, got none');
    }
    let sink: SnapshotSink;
    try {
      sink = await snaps.create(version, index, term, configuration, configurationIndex, trans);
    } catch (error) {
      const cause = asError(error);
      const text = `failed to create snapshot: ${cause.message}`;
      throw new RaftError('ERR_SNAPSHOT', text, { cause });
    }
    try {
      let bytes = 0;
      await this.#each(reader, async (chunk) => {
        bytes += chunk.length;
        await sink.write(chunk);
      });
      if (bytes !== size) {
        const text = `short read: expected a snapshot of ${size} bytes, got ${bytes}`;
        throw new RaftError('ERR_SHORT_SNAPSHOT', text);
      }
      await sink.close();
      log.info({ bytes }, 'copied to local snapshot');
      return sink.id();
    } catch (error) {
      await sink.cancel();
      throw error;
    }
  }

  /** Calls `take` with every chunk, until the end or until the node stops. */
  async #each(
    reader: AsyncIterable<Uint8Array>,
    take: (chunk: Uint8Array) => Promise<void>,
  ): Promise<void> {
    const iterator = reader[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await Promise.race([iterator.next(), this.#stop.promise]);
        if (next.done === true) return;
        await take(next.value);
      }
    } catch (error) {
      void iterator.return?.()?.catch(() => {});
      throw error;
    }
  }
}
