import { Channel, overrideNotify } from '../../internal/channel.ts';
import type { Clock, TimerHandle } from '../../internal/clock.ts';
import { RingBuffer } from '../../internal/ring-buffer.ts';
import type { LogStore } from '../log.ts';
import { emitLogStoreMetrics, LOG_STORE_METRICS_INTERVAL_MS } from './log-store-metrics.ts';
import type { Telemetry } from './telemetry.ts';

/**
 * Words that wait for a reader of `notifyCh`. When there are more nobody reads: the two oldest go,
 * so that gains and losses still follow each other.
 */
const MOST_UNTOLD = 1024;

/** What the news needs from its node. */
export interface LeadershipNewsOptions {
  readonly notifyCh: Channel<boolean> | undefined;
  readonly logs: LogStore;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
}

/** Tells whoever listens that this node leads, or leads no more. */
export class LeadershipNews {
  /** Keeps the newest word. */
  readonly leaderCh = new Channel<boolean>(1);
  readonly #o: LeadershipNewsOptions;
  readonly #untold = new RingBuffer<boolean>();
  #isTelling = false;
  #logStoreMetrics: TimerHandle | null = null;

  constructor(options: LeadershipNewsOptions) {
    this.#o = options;
  }

  /** `notifyCh` gets every word, and never holds the node up. */
  changed(isLeader: boolean): void {
    overrideNotify(this.leaderCh, isLeader);
    this.#stopMetrics();
    if (isLeader) this.#logStoreMetrics = this.#emitLogStoreMetrics();
    const { notifyCh } = this.#o;
    if (notifyCh === undefined) return;
    if (this.#untold.length >= MOST_UNTOLD) {
      this.#untold.shift();
      this.#untold.shift();
    }
    this.#untold.push(isLeader);
    if (!this.#isTelling) void this.#tell(notifyCh);
  }

  /** There will be no more news: whoever iterates comes to the end. */
  close(): void {
    this.#stopMetrics();
    this.leaderCh.close();
  }

  async #tell(notifyCh: Channel<boolean>): Promise<void> {
    this.#isTelling = true;
    for (let word = this.#untold.shift(); word !== undefined; word = this.#untold.shift()) {
      // A channel that was closed wants no more words.
      await notifyCh.send(word).catch(() => {});
    }
    this.#isTelling = false;
  }

  #stopMetrics(): void {
    this.#logStoreMetrics?.cancel();
    this.#logStoreMetrics = null;
  }

  #emitLogStoreMetrics(): TimerHandle {
    const { logs, clock, telemetry } = this.#o;
    const { 'raft.leader.oldestLogAge': oldestLogAge } = telemetry.instruments;
    return emitLogStoreMetrics(logs, oldestLogAge, clock, LOG_STORE_METRICS_INTERVAL_MS);
  }
}
