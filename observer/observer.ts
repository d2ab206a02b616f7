import type { Channel } from '../internal/channel.ts';
import type { FilterFn, Observation, ObservationSink } from '../raft/observation.ts';

/** Observations that may wait for a blocking observer; a node that waits makes one at a time. */
const MAX_WAITING = 1024;

/**
 * Someone who wants to know what a node does. Register it with `raft.registerObserver`; read from
 * the channel. Go: `Observer`.
 */
export class Observer implements ObservationSink {
  readonly #channel: Channel<Observation> | null;
  readonly #blocking: boolean;
  readonly #filter: FilterFn | null;
  #observedCount = 0;
  #droppedCount = 0;
  #waitingCount = 0;

  /** See {@link newObserver}. */
  constructor(channel: Channel<Observation> | null, blocking: boolean, filter: FilterFn | null) {
    this.#channel = channel;
    this.#blocking = blocking;
    this.#filter = filter;
  }

  /** How many observations reached the channel. Go: `GetNumObserved`. */
  getNumObserved(): number {
    return this.#observedCount;
  }

  /**
   * How many found the channel full or closed, or made the filter throw; of a blocking observer,
   * how many found 1024 others waiting. Go: `GetNumDropped`.
   */
  getNumDropped(): number {
    return this.#droppedCount;
  }

  /**
   * Filters and delivers one observation. Returns a promise only when a blocking observer has to be
   * waited for; it never rejects.
   */
  observe(observation: Observation): Promise<void> | undefined {
    if (!this.#wants(observation) || this.#channel === null) return undefined;
    if (this.#channel.trySend(observation)) {
      this.#observedCount += 1;
      return undefined;
    }
    if (this.#blocking && !this.#channel.closed && this.#waitingCount < MAX_WAITING) {
      return this.#deliver(this.#channel, observation);
    }
    this.#droppedCount += 1;
    return undefined;
  }

  /** A filter that throws wants nothing: the user's mistake must not reach the node. */
  #wants(observation: Observation): boolean {
    try {
      return this.#filter === null || this.#filter(observation);
    } catch {
      this.#droppedCount += 1;
      return false;
    }
  }

  async #deliver(channel: Channel<Observation>, observation: Observation): Promise<void> {
    this.#waitingCount += 1;
    try {
      await channel.send(observation);
      this.#observedCount += 1;
    } catch {
      // Only a channel that was closed refuses. Go would bring the process down here.
      this.#droppedCount += 1;
    } finally {
      this.#waitingCount -= 1;
    }
  }
}

/**
 * Makes an observer. Go: `NewObserver`.
 *
 * @param channel where observations go; `null` for an observer that is only its filter
 * @param blocking true to hold the node up until the channel takes the observation, which delays
 *   votes and heartbeats too; false to drop what the channel has no room for
 * @param filter which observations are wanted; `null` for all. Runs inside the node: be quick
 */
export function newObserver(
  channel: Channel<Observation> | null,
  blocking: boolean,
  filter: FilterFn | null,
): Observer {
  return new Observer(channel, blocking, filter);
}
