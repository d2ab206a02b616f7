import { type ApplyOutcome, ErrNotLeader, type RaftNode } from '../../index.ts';
import {
  type Answer,
  type Command,
  encodeCommand,
  type Lease,
  type LockTable,
} from './lock-table.ts';

/** How long a command may wait to be accepted, in milliseconds. */
const ENQUEUE_TIMEOUT_MS = 2000;
/** Leases that end close together end with one entry; also the pause after one that failed. */
const SWEEP_INTERVAL_MS = 20;

/** The time that a service needs: how much of it has passed, and being woken. */
export interface ServiceClock {
  monotonicMs(): number;
  setTimer(delayMs: number, ring: () => void): { cancel(): void };
}

const machineClock: ServiceClock = {
  monotonicMs: () => performance.now(),
  setTimer(delayMs, ring) {
    const timer = setTimeout(ring, delayMs);
    return { cancel: () => clearTimeout(timer) };
  },
};

/** A command that is not known to have been applied; `outcome` says whether it still may be. */
export class NotApplied extends Error {
  override readonly name = 'NotApplied';
  readonly outcome: ApplyOutcome;

  constructor(cause: Error, outcome: ApplyOutcome) {
    super(cause.message, { cause });
    this.outcome = outcome;
  }
}

/** A lease as a client sees it: it does not share our time, so it is told what is left. */
export interface LeaseView {
  readonly owner: string;
  readonly token: number;
  readonly expiresInMs: number;
}

/** What became of a request. */
export interface Reply {
  readonly granted: boolean;
  readonly lease: LeaseView | null;
}

/** Something one leader knows: the log's time when it began, by the log and by its own clock. */
interface Reign {
  readonly logMs: number;
  readonly startedMs: number;
}

type Untimed<C> = C extends { atMs: number } ? Omit<C, 'atMs'> : never;

/**
 * The lock service of one node. Only the leader serves. Its clock drives the log's time, from where
 * the leader before it had left that; while nobody leads, it stands still. So a lease may last
 * longer than was asked for, never shorter, whatever the clocks of the machines show.
 */
export class LockService {
  readonly #raft: RaftNode;
  readonly #table: LockTable;
  readonly #clock: ServiceClock;
  #reign: Reign | null = null;
  #sweep: { cancel(): void } | null = null;

  constructor(raft: RaftNode, table: LockTable, clock: ServiceClock = machineClock) {
    this.#raft = raft;
    this.#table = table;
    this.#clock = clock;
  }

  /** Serves whenever the node leads. It goes on for as long as the node lives. */
  async run(): Promise<void> {
    for await (const leads of this.#raft.leaderCh()) {
      this.stop();
      if (leads) await this.#begin();
    }
  }

  /** Serves no more, until the node leads again. */
  stop(): void {
    this.#reign = null;
    this.#sweep?.cancel();
    this.#sweep = null;
  }

  /** Takes `lock` for `ttlMs`, or for that long again when `owner` holds it already. */
  acquire(lock: string, owner: string, ttlMs: number): Promise<Reply> {
    return this.#propose({ op: 'acquire', lock, owner, ttlMs });
  }

  /** Keeps a lock for `ttlMs` from now on; `token` is what `acquire` gave. */
  renew(lock: string, token: number, ttlMs: number): Promise<Reply> {
    return this.#propose({ op: 'renew', lock, token, ttlMs });
  }

  /** Gives a lock back; `token` is what `acquire` gave. */
  release(lock: string, token: number): Promise<Reply> {
    return this.#propose({ op: 'release', lock, token });
  }

  /** Who holds a lock, after everything that was granted before the question. */
  async get(lock: string): Promise<LeaseView | null> {
    const error = await this.#raft.barrier(ENQUEUE_TIMEOUT_MS).error();
    // A barrier changes nothing: it may be tried again whatever became of it.
    if (error !== null) throw new NotApplied(error, 'not-applied');
    const lease = this.#table.get(lock);
    const view = lease === undefined ? null : this.#view(lease);
    return view === null || view.expiresInMs === 0 ? null : view;
  }

  async #begin(): Promise<void> {
    // What earlier leaders granted must be known before the time goes on from it.
    if ((await this.#raft.barrier().error()) !== null) return;
    this.#reign = { logMs: this.#table.nowMs, startedMs: this.#clock.monotonicMs() };
    this.#arm();
  }

  /** The log's time, as this leader tells it. */
  #nowMs({ logMs, startedMs }: Reign): number {
    return logMs + Math.floor(this.#clock.monotonicMs() - startedMs);
  }

  #view({ owner, token, expiresAtMs }: Lease): LeaseView {
    const nowMs = this.#reign === null ? this.#table.nowMs : this.#nowMs(this.#reign);
    return { owner, token, expiresInMs: Math.max(0, expiresAtMs - nowMs) };
  }

  async #propose(command: Untimed<Command>): Promise<Reply> {
    const reign = this.#reign;
    if (reign === null) throw new NotApplied(ErrNotLeader, 'not-applied');
    const bytes = encodeCommand({ ...command, atMs: this.#nowMs(reign) });
    const future = this.#raft.apply(bytes, ENQUEUE_TIMEOUT_MS);
    const error = await future.error();
    if (error !== null) throw new NotApplied(error, future.outcome());
    // The state machine of this node gave it: see LockTable.apply.
    const { granted, lease } = future.response() as Answer;
    this.#arm();
    return { granted, lease: lease === null ? null : this.#view(lease) };
  }

  /** Sets the alarm for the lease that ends next. */
  #arm(): void {
    this.#sweep?.cancel();
    this.#sweep = null;
    const nextMs = this.#table.nextExpiryMs();
    if (this.#reign === null || nextMs === null) return;
    const delayMs = Math.max(nextMs - this.#nowMs(this.#reign), SWEEP_INTERVAL_MS);
    this.#sweep = this.#clock.setTimer(delayMs, () => {
      // Whoever leads next will write it, if this one could not.
      this.#propose({ op: 'expire' }).catch(() => this.#arm());
    });
  }
}
