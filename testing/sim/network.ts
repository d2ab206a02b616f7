import type { Random } from '../../internal/random.ts';
import type { ServerAddress } from '../../raft/configuration.ts';
import type { RPCReply, RPCRequest } from '../../raft/messages.ts';
import type { RPC } from '../../raft/transport.ts';
import type { Scheduler, SimProcess } from './virtual-clock.ts';

/** Where requests to an address arrive. */
export interface Endpoint {
  /** The process that listens. */
  readonly process: SimProcess;
  /** Called inside the process. */
  receive(rpc: RPC): void;
}

/** Sees every message at the moment at which a node lets it go. Names are addresses. */
export interface NetworkWatcher {
  /** A request left `from`. */
  requestSent(from: ServerAddress, to: ServerAddress, request: RPCRequest): void;
  /** A reply left `from`. */
  replySent(from: ServerAddress, to: ServerAddress, request: RPCRequest, reply: RPCReply): void;
}

/** What a network does to messages; probabilities from 0 to 1, times in milliseconds. */
export interface NetworkWeather {
  /** The shortest way of a message, in milliseconds. */
  readonly minDelayMs: number;
  /** The longest way of a message, in milliseconds. */
  readonly maxDelayMs: number;
  /** Probability that a message is lost. */
  readonly drop: number;
  /** Probability that a request arrives two times. */
  readonly duplicate: number;
  /** Probability that a message takes ten times as long, and so is overtaken. */
  readonly straggle: number;
  /**
   * How delays are spread: evenly, mostly short with few long ones, or so that a few are as long as
   * all others together. Default: evenly.
   */
  readonly spread?: DelaySpread;
}

/** A distribution of delays. */
export type DelaySpread = 'even' | 'exponential' | 'heavy-tail';

/** A number from 0, of which 1 is the rough upper end, by one of the distributions. */
function drawDelay(spread: DelaySpread, at: number): number {
  if (spread === 'exponential') return -Math.log(1 - at) / 3;
  if (spread === 'heavy-tail') return ((1 - at) ** (-1 / 1.3) - 1) / 4;
  return at;
}

/** A connection that the network may reset: whoever uses it is told. */
interface Connection {
  readonly from: ServerAddress;
  readonly to: ServerAddress;
  readonly reset: () => void;
}

/** Good weather: what the liveness phase runs in. */
export const CALM: NetworkWeather = Object.freeze({
  minDelayMs: 0.2,
  maxDelayMs: 2,
  drop: 0,
  duplicate: 0,
  straggle: 0,
});

/** Whatever the weather, a message on a link that does not stall arrives within this time. */
const MAX_DELAY_MS = 500;
/** The longest time for which a link stalls, in milliseconds. */
export const MAX_STALL_MS = 600;
/** Whatever the weather and the link, a message that arrives does so within this time. */
export const MAX_JOURNEY_MS = MAX_DELAY_MS + MAX_STALL_MS;

/** The wires between nodes: directed, each with its own cut and slowness. */
export class SimNetwork {
  /** What lets time pass. */
  readonly scheduler: Scheduler;
  /** Who sees every message. */
  readonly watcher: NetworkWatcher;
  readonly #random: Random;
  readonly #endpoints = new Map<ServerAddress, Endpoint>();
  readonly #cuts = new Set<string>();
  readonly #slow = new Map<string, number>();
  readonly #stalledUntilMs = new Map<string, number>();
  readonly #connections = new Set<Connection>();
  /** Chunks of snapshots until one of them breaks its connection; 0 for none. */
  #chunksLeft = 0;
  /** How messages fare; may be changed at any time. */
  weather: NetworkWeather = CALM;

  constructor(scheduler: Scheduler, random: Random, watcher: NetworkWatcher) {
    this.scheduler = scheduler;
    this.#random = random;
    this.watcher = watcher;
  }

  /** Lets a process receive what is sent to `address`. */
  listen(address: ServerAddress, endpoint: Endpoint): void {
    this.#endpoints.set(address, endpoint);
  }

  /** Stops listening, unless somebody else listens at the address by now. */
  unlisten(address: ServerAddress, endpoint: Endpoint): void {
    if (this.#endpoints.get(address) === endpoint) this.#endpoints.delete(address);
  }

  /** Who listens at `address`, if anybody does. */
  endpointAt(address: ServerAddress): Endpoint | undefined {
    return this.#endpoints.get(address);
  }

  /** Nothing goes from one address to the other any more. */
  cut(from: ServerAddress, to: ServerAddress): void {
    this.#cuts.add(`${from}>${to}`);
  }

  /** Messages between two addresses take `factor` times as long. */
  slowDown(from: ServerAddress, to: ServerAddress, factor: number): void {
    this.#slow.set(`${from}>${to}`, factor);
  }

  /** Whatever is sent within the next `ms` (at most 600) arrives only after it. */
  stall(from: ServerAddress, to: ServerAddress, ms: number): void {
    const untilMs = this.scheduler.nowMs + Math.min(ms, MAX_STALL_MS);
    this.#stalledUntilMs.set(`${from}>${to}`, untilMs);
  }

  /** Notes a connection; the function that is returned forgets it. */
  connect(from: ServerAddress, to: ServerAddress, reset: () => void): () => void {
    const connection = { from, to, reset };
    this.#connections.add(connection);
    return () => void this.#connections.delete(connection);
  }

  /** Resets every connection of an address, whatever is under way on it. Says how many. */
  reset(address: ServerAddress): number {
    const broken = [...this.#connections].filter(
      ({ from, to }) => from === address || to === address,
    );
    for (const connection of broken) {
      this.#connections.delete(connection);
      connection.reset();
    }
    return broken.length;
  }

  /** One of the next chunks of a snapshot, the `count`th, breaks its connection. */
  breakSnapshotAfter(count: number): void {
    this.#chunksLeft = count;
  }

  /** A chunk of a snapshot is sent. True when the connection breaks under it. */
  chunkBreaks(): boolean {
    if (this.#chunksLeft === 0) return false;
    this.#chunksLeft -= 1;
    return this.#chunksLeft === 0;
  }

  /** Takes back every cut, slowness and stall. */
  heal(): void {
    this.#cuts.clear();
    this.#slow.clear();
    this.#stalledUntilMs.clear();
    this.#chunksLeft = 0;
  }

  /** True when no message gets from `from` to `to`. */
  isCut(from: ServerAddress, to: ServerAddress): boolean {
    return this.#cuts.size > 0 && this.#cuts.has(`${from}>${to}`);
  }

  /** Milliseconds until a message arrives, or `null` when it never does. */
  journeyMs(from: ServerAddress, to: ServerAddress): number | null {
    const { minDelayMs, maxDelayMs, drop, straggle, spread = 'even' } = this.weather;
    if (this.isCut(from, to)) return null;
    if (drop > 0 && this.#random.next() < drop) return null;
    const factor = this.#slow.size > 0 ? (this.#slow.get(`${from}>${to}`) ?? 1) : 1;
    const lateness = straggle > 0 && this.#random.next() < straggle ? 10 : 1;
    const share = drawDelay(spread, this.#random.next());
    const plainMs = minDelayMs + share * (maxDelayMs - minDelayMs);
    const delayMs = Math.min(plainMs * factor * lateness, MAX_DELAY_MS);
    return delayMs + this.#stallMs(from, to);
  }

  /** What is left of a stall. */
  #stallMs(from: ServerAddress, to: ServerAddress): number {
    if (this.#stalledUntilMs.size === 0) return 0;
    const untilMs = this.#stalledUntilMs.get(`${from}>${to}`) ?? 0;
    return Math.max(untilMs - this.scheduler.nowMs, 0);
  }

  /**
   * Carries something that is no part of an ordered connection: it may be lost, late or doubled.
   */
  carry(from: ServerAddress, to: ServerAddress, arrive: () => void, mayDouble: boolean): void {
    this.#carryOnce(from, to, arrive);
    const { duplicate } = this.weather;
    if (mayDouble && duplicate > 0 && this.#random.next() < duplicate) {
      this.#carryOnce(from, to, arrive);
    }
  }

  #carryOnce(from: ServerAddress, to: ServerAddress, arrive: () => void): void {
    const journeyMs = this.journeyMs(from, to);
    if (journeyMs === null) return;
    this.scheduler.schedule(journeyMs, () => {
      if (!this.isCut(from, to)) arrive();
    });
  }
}
