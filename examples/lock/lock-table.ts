import type { FSM, FSMSnapshot, Log } from '../../index.ts';

/** Who holds a lock, and until when. */
export interface Lease {
  readonly owner: string;
  /** Grows with every grant of any lock: the index of the entry that granted this one. */
  readonly token: number;
  /** When it ends, in milliseconds of the log's time. */
  readonly expiresAtMs: number;
}

/**
 * What the leader writes into the log. `atMs` is the log's time, by the leader's word: the state
 * machine has no clock, so that every node comes to the same result, now and at every replay.
 */
export type Command =
  | { op: 'acquire'; lock: string; owner: string; ttlMs: number; atMs: number }
  | { op: 'renew'; lock: string; token: number; ttlMs: number; atMs: number }
  | { op: 'release'; lock: string; token: number; atMs: number }
  | { op: 'expire'; atMs: number };

/** What became of a command: the lease that was asked for, or the one that stands in its way. */
export interface Answer {
  readonly granted: boolean;
  readonly lease: Lease | null;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** The bytes of a command, as they are in the log. */
export function encodeCommand(command: Command): Uint8Array {
  return encoder.encode(JSON.stringify(command));
}

/** What a snapshot holds. */
interface State {
  readonly nowMs: number;
  readonly leases: readonly (readonly [string, Lease])[];
}

/** The locks: the replicated state machine. */
export class LockTable implements FSM {
  #nowMs = 0;
  #leases = new Map<string, Lease>();

  /** The log's time, in milliseconds since the cluster began; it never goes back. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** Who holds `lock`. */
  get(lock: string): Lease | undefined {
    return this.#leases.get(lock);
  }

  /** When the next lease ends, in the log's time; `null` when there is none. */
  nextExpiryMs(): number | null {
    let next: number | null = null;
    for (const { expiresAtMs } of this.#leases.values()) {
      if (next === null || expiresAtMs < next) next = expiresAtMs;
    }
    return next;
  }

  apply({ index, data }: Log): Answer {
    const command: Command = JSON.parse(decoder.decode(data ?? new Uint8Array()));
    this.#advance(command.atMs);
    switch (command.op) {
      case 'acquire':
        return this.#acquire(command.lock, command.owner, command.ttlMs, index);
      case 'renew':
        return this.#renew(command.lock, command.token, command.ttlMs);
      case 'release':
        return this.#release(command.lock, command.token);
      case 'expire':
        return { granted: true, lease: null };
    }
  }

  snapshot(): FSMSnapshot {
    const state: State = { nowMs: this.#nowMs, leases: [...this.#leases] };
    return {
      async persist(sink) {
        await sink.write(encoder.encode(JSON.stringify(state)));
      },
      release() {},
    };
  }

  async restore(reader: AsyncIterable<Uint8Array>): Promise<void> {
    const streaming = new TextDecoder();
    let text = '';
    for await (const chunk of reader) text += streaming.decode(chunk, { stream: true });
    const state: State = JSON.parse(text);
    this.#nowMs = state.nowMs;
    this.#leases = new Map(state.leases);
  }

  /** Moves the log's time on and ends what is due. An earlier leader may have been further. */
  #advance(atMs: number): void {
    this.#nowMs = Math.max(this.#nowMs, atMs);
    for (const [lock, { expiresAtMs }] of this.#leases) {
      if (expiresAtMs <= this.#nowMs) this.#leases.delete(lock);
    }
  }

  /** An owner that asks again, because it did not hear the answer, gets the same token. */
  #acquire(lock: string, owner: string, ttlMs: number, index: number): Answer {
    const held = this.#leases.get(lock);
    if (held !== undefined && held.owner !== owner) return { granted: false, lease: held };
    return this.#grant(lock, { owner, token: held?.token ?? index }, ttlMs);
  }

  #renew(lock: string, token: number, ttlMs: number): Answer {
    const held = this.#leases.get(lock);
    if (held?.token !== token) return { granted: false, lease: held ?? null };
    return this.#grant(lock, held, ttlMs);
  }

  #release(lock: string, token: number): Answer {
    const held = this.#leases.get(lock);
    if (held?.token !== token) return { granted: false, lease: held ?? null };
    this.#leases.delete(lock);
    return { granted: true, lease: null };
  }

  #grant(lock: string, { owner, token }: Pick<Lease, 'owner' | 'token'>, ttlMs: number): Answer {
    const lease = { owner, token, expiresAtMs: this.#nowMs + ttlMs };
    this.#leases.set(lock, lease);
    return { granted: true, lease };
  }
}
