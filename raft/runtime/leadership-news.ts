import { Channel, overrideNotify } from '../../internal/channel.ts';
import type { Clock, TimerHandle } from '../../internal/clock.ts';
import type { LogStore } from '../log.ts';
import { emitLogStoreMetrics, LOG_STORE_METRICS_INTERVAL_MS } from './log-store-metrics.ts';
import type { Telemetry } from './telemetry.ts';

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
  #notified: Promise<void> = Promise.resolve();
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
    this.#notified = this.#notified.then(() => notifyCh.send(isLeader)).catch(() => {});
  }

  /** There will be no more news: whoever iterates comes to the end. */
  close(): void {
    this.#stopMetrics();
    this.leaderCh.close();
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
