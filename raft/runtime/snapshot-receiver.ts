import type { Clock } from '../../internal/clock.ts';
import { HeldReader } from '../../internal/held-reader.ts';
import type { DurableEffect } from '../core/effect.ts';
import type { Outcome, Ticket } from '../core/input.ts';
import { asError, RaftError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import type { SnapshotSink, SnapshotStore } from '../snapshot.ts';
import type { Transport } from '../transport.ts';
import { ChunkPump } from './chunk-pump.ts';
import type { Entries } from './entries.ts';
import type { FsmLoop } from './fsm-loop.ts';
import { SnapshotProgress } from './snapshot-progress.ts';
import type { Watchdog } from './watchdog.ts';

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
  /** Ends the node when its snapshot store holds the main lane. */
  readonly watchdog: Watchdog;
}

/** Takes in the snapshots that a leader sends, and gives them to the FSM (§7). */
export class SnapshotReceiver {
  readonly #o: SnapshotReceiverOptions;
  readonly #readers = new Map<Ticket, HeldReader>();
  /** One stream at a time: the main lane is held meanwhile. */
  readonly #pump: ChunkPump;

  constructor(options: SnapshotReceiverOptions) {
    this.#o = options;
    this.#pump = new ChunkPump(options.clock, options.silenceLimitMs);
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
      await this.#pump.each(reader, async () => {});
    } catch (error) {
      this.#o.log.debug({ error: asError(error) }, 'failed to drain snapshot');
    }
  }

  /** Ends whatever is being received. */
  stop(): void {
    this.#pump.stop();
  }

  async #copy(effect: Receive): Promise<string> {
    const reader = this.#readers.get(effect.ticket);
    if (reader === undefined) {
      throw new RaftError('ERR_MALFORMED_REQUEST', 'expected the bytes of a snapshot, got none');
    }
    const sink = await this.#create(effect);
    const { log, clock, watchdog } = this.#o;
    const message = 'snapshot network transfer progress';
    const progress = new SnapshotProgress(log, clock, message, effect.size, {});
    let bytes = 0;
    let isShort = false;
    let failure = 'failed to copy snapshot';
    try {
      await this.#pump.each(reader, async (chunk) => {
        bytes += chunk.length;
        if (bytes > effect.size) throw wrongSize('too long', effect.size, bytes);
        await sink.write(chunk);
        progress.count(chunk.length);
      });
      isShort = bytes < effect.size;
      if (isShort) throw wrongSize('short read', effect.size, bytes);
      failure = 'failed to finalize snapshot';
      await watchdog.whileSnapshot('close of a snapshot', sink.close());
      this.#o.log.info({ bytes }, 'copied to local snapshot');
      return sink.id();
    } catch (thrown) {
      const error = asError(thrown);
      if (isShort) {
        log.error({ received: `${bytes} / ${effect.size}` }, 'failed to receive whole snapshot');
      } else {
        log.error({ error }, failure);
      }
      await watchdog.whileSnapshot('cancel of a snapshot', sink.cancel());
      throw error;
    } finally {
      progress.end();
    }
  }

  async #create(effect: Receive): Promise<SnapshotSink> {
    const { version, index, term, configuration, configurationIndex } = effect;
    const { snaps, trans, watchdog } = this.#o;
    try {
      const made = snaps.create(version, index, term, configuration, configurationIndex, trans);
      return await watchdog.whileSnapshot('create of a snapshot', made);
    } catch (error) {
      const cause = asError(error);
      this.#o.log.error({ error: cause }, 'failed to create snapshot to install');
      const text = `failed to create snapshot: ${cause.message}`;
      throw new RaftError('ERR_SNAPSHOT', text, { cause });
    }
  }
}

function wrongSize(what: string, expected: number, got: number): RaftError {
  const text = `${what}: expected a snapshot of ${expected} bytes, got ${got}`;
  return new RaftError('ERR_SHORT_SNAPSHOT', text);
}
