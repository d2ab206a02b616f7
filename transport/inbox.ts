import { Channel } from '../internal/channel.ts';
import type { RPC } from '../raft/transport.ts';

interface Waiting {
  readonly rpc: RPC;
  readonly accepted: () => void;
}

const nothingToWithdraw = (): void => {};

/**
 * A transport's consumer channel whose senders can give up waiting. When nobody reads any more, a
 * sender that timed out or lost its connection leaves nothing behind.
 */
export class Inbox extends Channel<RPC> {
  /** In the order in which they came; a set, so that any of them can leave at once. */
  readonly #waiting = new Set<Waiting>();

  /**
   * Hands over now, or as soon as there is room. `accepted` is called once that has happened.
   * Returns how to withdraw the request before.
   */
  deliver(rpc: RPC, accepted: () => void): () => void {
    if (this.#waiting.size === 0 && this.trySend(rpc)) {
      accepted();
      return nothingToWithdraw;
    }
    const waiting = { rpc, accepted };
    this.#waiting.add(waiting);
    return () => {
      this.#waiting.delete(waiting);
    };
  }

  override receive(): Promise<IteratorResult<RPC, undefined>> {
    const received = super.receive();
    this.#admit();
    return received;
  }

  override tryReceive(): { readonly value: RPC } | undefined {
    const ready = super.tryReceive() ?? this.#fromHand();
    if (ready !== undefined) this.#admit();
    return ready;
  }

  override close(): void {
    super.close();
    this.#waiting.clear();
  }

  /** Without a buffer whoever waits holds what is ready. */
  #fromHand(): { readonly value: RPC } | undefined {
    for (const waiting of this.#waiting) {
      this.#waiting.delete(waiting);
      waiting.accepted();
      return { value: waiting.rpc };
    }
    return undefined;
  }

  #admit(): void {
    for (const waiting of this.#waiting) {
      if (!this.trySend(waiting.rpc)) return;
      this.#waiting.delete(waiting);
      waiting.accepted();
    }
  }
}
