import type { Clock } from '../../internal/clock.ts';
import { RingBuffer } from '../../internal/ring-buffer.ts';
import { soon } from '../../internal/soon.ts';
import { stepMain } from '../core/core.ts';
import { Effects } from '../core/effect.ts';
import type { MainInput, Now, Proposal, Ticket } from '../core/input.ts';
import { acceptsConfigurationChange } from '../core/membership.ts';
import type { NodeState } from '../core/node.ts';
import { acceptsEntries } from '../core/restore.ts';
import type { TimerName } from '../core/timeouts.ts';
import { asError } from '../errors.ts';
import type { EntryFuture } from '../future.ts';
import type { LogType } from '../log.ts';
import type { Performer } from './effects.ts';
import type { Saturation } from './saturation.ts';
import { type Guest, WaitingRoom } from './waiting-room.ts';

/** A proposal together with whoever made it. */
export class EntryProposal implements Proposal, Guest {
  readonly type: LogType;
  readonly data: Uint8Array | null;
  readonly extensions: Uint8Array | null;
  readonly future: EntryFuture;
  readonly deadlineMs: number;

  constructor(
    type: LogType,
    data: Uint8Array | null,
    extensions: Uint8Array | null,
    future: EntryFuture,
    deadlineMs: number,
  ) {
    this.type = type;
    this.data = data;
    this.extensions = extensions;
    this.future = future;
    this.deadlineMs = deadlineMs;
  }

  get sizeBytes(): number {
    return (this.data?.length ?? 0) + (this.extensions?.length ?? 0);
  }

  get hasLeft(): boolean {
    return this.future.isSettled;
  }

  refuse(error: Error): void {
    this.future.refused(error);
  }
}

/** Tells whoever made these proposals that none of them was appended. */
export function refuse(proposals: readonly Proposal[], error: Error): void {
  for (const proposal of proposals) {
    if (proposal instanceof EntryProposal) proposal.refuse(error);
  }
}

/** A wish to change the configuration that waits for the change before it. */
export interface ChangeRequest extends Guest {
  /** Makes the input, once the change is let in. */
  readonly admit: () => MainInput;
}

/** Entries that one loop turn makes of what was proposed; the rest goes into the next. */
const MAX_BATCH_ENTRIES = 4096;
const MAX_BATCH_BYTES = 4 * 1024 * 1024;
/** Inputs that may wait before the network is made to wait. */
const MAX_INBOX = 1024;
/** AppendEntries requests that one write to the disk may fold (rule 16). */
const MAX_FOLDED_REQUESTS = 64;

/** Now; the time of day is read only by a step that wants it. */
class Moment implements Now {
  readonly ms: number;
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
    this.ms = clock.monotonicMs();
  }

  get wall(): Now['wall'] {
    return this.#clock.wallTime();
  }
}

/** What the main lane needs from its node. */
export interface MainLaneOptions {
  readonly node: NodeState;
  readonly clock: Clock;
  readonly performer: Performer;
  /** False while the leader has as much in flight as it may (rule 14). */
  readonly hasRoom: () => boolean;
  /** True when a timer that rang is still believed; takes the ring. */
  readonly takeRing: (timer: TimerName) => boolean;
  /** False when whoever holds the ticket has given up. */
  readonly isAwaited: (ticket: Ticket) => boolean;
  readonly onFatal: (error: Error) => void;
  /** Is told when the lane is busy; a lane that waits for its disk is. */
  readonly saturation: Saturation;
}

/**
 * The main lane: takes one input after the other, steps, performs. While a durable effect is
 * awaited nothing else is stepped here, so the rules own the state as Go's main goroutine does.
 */
export class MainLane {
  readonly #o: MainLaneOptions;
  readonly #inbox = new RingBuffer<MainInput>(64);
  readonly #proposals: WaitingRoom<EntryProposal>;
  readonly #changes: WaitingRoom<ChangeRequest>;
  #busy = false;
  #scheduled = false;
  #turnScheduled = false;
  #flushing = false;
  #stopped = false;
  #idleWaiters: (() => void)[] = [];
  #roomWaiters: (() => void)[] = [];
  /** Proposals that are between the waiting room and the ledger. */
  #inHand: readonly Proposal[] = [];
  #stepStartedMs = 0;

  constructor(options: MainLaneOptions) {
    this.#o = options;
    this.#proposals = new WaitingRoom(options.clock);
    this.#changes = new WaitingRoom(options.clock);
    options.saturation.sleeping();
  }

  /** When what is performed at the moment was stepped. */
  get stepStartedMs(): number {
    return this.#stepStartedMs;
  }

  /** Queues an input behind all others. */
  post(input: MainInput): void {
    this.#inbox.push(input);
    this.#schedule();
  }

  /** Takes a proposal. Everything that is proposed in one turn of the loop becomes one batch. */
  propose(proposal: EntryProposal): void {
    if (!this.#proposals.enter(proposal)) return;
    if (this.#turnScheduled) return;
    this.#turnScheduled = true;
    this.#o.clock.afterIO(this.#endTurn);
  }

  readonly #endTurn = (): void => {
    this.#turnScheduled = false;
    this.#pump();
  };

  readonly #scheduledPump = (): void => {
    this.#scheduled = false;
    this.#pump();
  };

  /** Whoever made a proposal that waits has given up. */
  withdraw(proposal: EntryProposal): void {
    this.#proposals.leave(proposal);
  }

  /** Whoever wished for a change that waits has given up. */
  withdrawChange(request: ChangeRequest): void {
    this.#changes.leave(request);
  }

  /** Takes a wish to change the configuration; it waits until the change before it is committed. */
  proposeChange(request: ChangeRequest): void {
    this.flush();
    if (!this.#changes.enter(request)) return;
    if (this.#busy) this.#changes.watchDeadlines();
    this.#schedule();
  }

  /**
   * Steps what was proposed so far, as far as there is room, without waiting for the end of the
   * turn: a caller's own requests keep their order, as in Go, where `Apply` returns once it is
   * taken. While the lane is busy they wait in their rooms instead, where they have deadlines and
   * bounds.
   */
  flush(): void {
    if (this.#proposals.length === 0) return;
    this.#flushing = true;
    this.#pump();
    this.#flushing = false;
  }

  /**
   * A promise while more inputs wait than the lane should be sent; back-pressure for the network.
   */
  untilRoom(): Promise<void> | undefined {
    if (this.#inbox.length <= MAX_INBOX || this.#stopped) return undefined;
    return new Promise((resolve) => this.#roomWaiters.push(resolve));
  }

  /** There may be room for waiting proposals again. */
  wake(): void {
    if (this.#proposals.length > 0) this.#schedule();
  }

  /**
   * Steps nothing more; whoever waits is refused. Resolves when the step under way is performed.
   */
  stop(reason: Error): Promise<void> {
    this.#stopped = true;
    this.#proposals.refuseAll(reason);
    this.#changes.refuseAll(reason);
    this.#inbox.clear();
    for (const wake of this.#roomWaiters.splice(0)) wake();
    if (!this.#busy) return Promise.resolve();
    return new Promise((resolve) => this.#idleWaiters.push(resolve));
  }

  #schedule(): void {
    if (this.#scheduled || this.#busy || this.#stopped) return;
    this.#scheduled = true;
    soon(this.#scheduledPump);
  }

  #pump(): void {
    if (this.#stopped) return;
    if (this.#busy) {
      this.#proposals.watchDeadlines();
      return;
    }
    this.#busy = true;
    this.#o.saturation.working();
    try {
      while (!this.#stopped) {
        const out = this.#stepNext();
        if (out === undefined) break;
        const pending = this.#o.performer.perform(out);
        this.#inHand = [];
        if (pending !== undefined) {
          this.#proposals.watchDeadlines();
          this.#changes.watchDeadlines();
          pending.then(
            () => this.#resume(),
            (error: unknown) => this.#fail(error),
          );
          return;
        }
      }
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#proposals.watchDeadlines();
    this.#changes.watchDeadlines();
    this.#becomeIdle();
  }

  #resume(): void {
    this.#becomeIdle();
    this.#pump();
  }

  #fail(thrown: unknown): void {
    const error = asError(thrown);
    this.#becomeIdle();
    this.#o.onFatal(error);
    // Some of them may be on their way to the disk.
    for (const proposal of this.#inHand) {
      if (proposal instanceof EntryProposal) proposal.future.lost(error);
    }
    this.#inHand = [];
  }

  #becomeIdle(): void {
    this.#busy = false;
    this.#o.saturation.sleeping();
    for (const wake of this.#idleWaiters.splice(0)) wake();
  }

  /** One step, or several neighbouring AppendEntries folded into one list; undefined when idle. */
  #stepNext(): Effects | undefined {
    const input = this.#nextInput();
    if (input === undefined) return undefined;
    const out = new Effects();
    if (input.kind === 'propose') this.#inHand = input.proposals;
    this.#step(input, out);
    if (input.kind !== 'appendEntries') return out;
    for (let folded = 1; folded < MAX_FOLDED_REQUESTS; folded += 1) {
      const next = this.#inbox.at(0);
      if (next?.kind !== 'appendEntries') break;
      this.#inbox.shift();
      this.#step(next, out);
    }
    return out;
  }

  #nextInput(): MainInput | undefined {
    // Whoever does not lead refuses its callers at once, however much the network brings.
    const refused = this.#o.node.leadership === null ? this.#admitted() : undefined;
    if (refused !== undefined) return refused;
    for (let input = this.#inbox.shift(); input !== undefined; input = this.#inbox.shift()) {
      if (this.#roomWaiters.length > 0 && this.#inbox.length <= MAX_INBOX) {
        for (const wake of this.#roomWaiters.splice(0)) wake();
      }
      if (this.#isWanted(input)) return input;
    }
    return this.#admitted();
  }

  #admitted(): MainInput | undefined {
    return this.#admitChange() ?? this.#admitProposals();
  }

  /** A timer that was set anew after it rang, or a caller who left, has nothing to say any more. */
  #isWanted(input: MainInput): boolean {
    if (input.kind === 'timer') return this.#o.takeRing(input.timer);
    return input.kind !== 'restore' || this.#o.isAwaited(input.ticket);
  }

  #step(input: MainInput, out: Effects): void {
    const { node, clock } = this.#o;
    const now = new Moment(clock);
    this.#stepStartedMs = now.ms;
    stepMain(node, input, now, out);
  }

  #admitChange(): MainInput | undefined {
    if (this.#changes.length === 0 || !acceptsConfigurationChange(this.#o.node)) return undefined;
    return this.#changes.next()?.admit();
  }

  #admitProposals(): MainInput | undefined {
    if (this.#proposals.length === 0 || !this.#o.hasRoom()) return undefined;
    if (!acceptsEntries(this.#o.node)) return undefined;
    if (this.#turnScheduled && !this.#flushing) return undefined;
    const batch: EntryProposal[] = [];
    let bytes = 0;
    while (batch.length < MAX_BATCH_ENTRIES && bytes < MAX_BATCH_BYTES) {
      const proposal = this.#proposals.next();
      if (proposal === undefined) break;
      proposal.future.taken();
      batch.push(proposal);
      bytes += proposal.sizeBytes;
    }
    return batch.length === 0 ? undefined : { kind: 'propose', proposals: batch };
  }
}
