import { type Clock, clampDelayMs, type TimerHandle } from '../../internal/clock.ts';
import { Timestamp } from '../../internal/timestamp.ts';
import { EventQueue, type QueuedEvent } from './event-queue.ts';

/** The wall clock shows this at virtual time 0. */
const WALL_START_SECONDS = 1_700_000_000;

/** Something that happens to one process at one moment of virtual time. */
export interface SimEvent extends QueuedEvent {
  /** Whose process runs it; `null` for the world around the nodes. */
  readonly process: SimProcess | null;
  /** A timer rings late in a process that was stopped, before what arrived meanwhile is seen. */
  readonly isTimer: boolean;
  /** What happens; `null` once it was cancelled or has happened. */
  run: (() => void) | null;
}

/**
 * Calls `next` in a macrotask of its own, so that every microtask of what ran before is done. This
 * is the one place where the simulation touches the real event loop.
 */
const nextTurn: (next: () => void) => void = (() => {
  if (typeof globalThis.setImmediate === 'function') {
    return (next: () => void) => void globalThis.setImmediate(next);
  }
  const { port1, port2 } = new MessageChannel();
  let waiting: (() => void) | null = null;
  port1.addEventListener('message', () => {
    const next = waiting;
    waiting = null;
    next?.();
  });
  port1.start();
  return (next: () => void) => {
    waiting = next;
    port2.postMessage(null);
  };
})();

/**
 * Virtual time: one queue of events for all nodes. Events run one at a time; before the next one,
 * all promises that became ready have been followed to their end. Time passes only between events.
 */
export class Scheduler {
  #nowMs = 0;
  #order = 0;
  #eventsRun = 0;
  readonly #queue = new EventQueue<SimEvent>();

  /** Milliseconds since the simulation began. */
  get nowMs(): number {
    return this.#nowMs;
  }

  /** How many events have run. */
  get eventsRun(): number {
    return this.#eventsRun;
  }

  /**
   * Runs `run` after `delayMs` (0 or more) of virtual time, in `process` if one is given: not at
   * all when it is dead by then, later when it is stopped.
   */
  schedule(delayMs: number, run: () => void, process: SimProcess | null = null): TimerHandle {
    return this.#enqueue(delayMs, run, process, false, 0);
  }

  /** The timer of a process. */
  scheduleTimer(delayMs: number, run: () => void, process: SimProcess): TimerHandle {
    return this.#enqueue(delayMs, run, process, true, 0);
  }

  /** Runs `run` now, after everything else that is due now. */
  scheduleLast(run: () => void, process: SimProcess): TimerHandle {
    return this.#enqueue(0, run, process, false, 1);
  }

  /** Puts held events back: they are due now, in the given order. */
  reschedule(held: readonly SimEvent[]): void {
    for (const event of held) {
      this.#order += 1;
      this.#queue.push(Object.assign(event, { atMs: this.#nowMs, order: this.#order }));
    }
  }

  /**
   * Runs events until `isDone` says so (true) or until virtual time `untilMs` is reached (false).
   *
   * @param stepped is told after every event of a process
   */
  run(
    isDone: () => boolean,
    untilMs: number,
    stepped: (process: SimProcess) => void,
  ): Promise<boolean> {
    return new Promise((resolve, reject) => {
      let ran: SimEvent | null = null;
      const turn = (): void => {
        try {
          if (ran?.process) stepped(ran.process);
          ran = this.#runNext(isDone, untilMs);
        } catch (error) {
          reject(error);
          return;
        }
        if (ran === null) resolve(isDone());
        else nextTurn(turn);
      };
      nextTurn(turn);
    });
  }

  #enqueue(
    delayMs: number,
    run: () => void,
    process: SimProcess | null,
    isTimer: boolean,
    phase: 0 | 1,
  ): TimerHandle {
    this.#order += 1;
    const atMs = this.#nowMs + delayMs;
    const event: SimEvent = { atMs, phase, order: this.#order, process, isTimer, run };
    this.#queue.push(event);
    return {
      cancel: () => {
        event.run = null;
      },
    };
  }

  /**
   * Runs events up to and including the next one of a process; `null` when there is none to run.
   * What happens outside all processes resolves no promise, so it needs no turn of its own.
   */
  #runNext(isDone: () => boolean, untilMs: number): SimEvent | null {
    for (;;) {
      if (isDone()) return null;
      const event = this.#next(untilMs);
      if (event === null) return null;
      this.#eventsRun += 1;
      const { run } = event;
      event.run = null;
      run?.();
      if (event.process !== null) return event;
    }
  }

  /** The next event that has somebody to run it; moves the time to it. */
  #next(untilMs: number): SimEvent | null {
    for (;;) {
      const event = this.#queue.peek();
      if (event === undefined || event.atMs > untilMs) {
        this.#nowMs = untilMs;
        return null;
      }
      this.#queue.pop();
      this.#nowMs = event.atMs;
      if (event.run === null || event.process?.isAlive === false) continue;
      if (event.process?.isPaused === true) event.process.hold(event);
      else return event;
    }
  }
}

/**
 * One life of a node's process, and its clock. It can be stopped (SIGSTOP: timers ring late, data
 * waits) and killed (nothing of it ever runs again).
 */
export class SimProcess implements Clock {
  /** What traces call it. */
  readonly name: string;
  readonly #scheduler: Scheduler;
  readonly #clockOffsetMs: number;
  #alive = true;
  #paused = false;
  #held: SimEvent[] = [];
  /** How far somebody has set the time of day, in milliseconds. */
  #wallJumpMs = 0;

  /** @param clockOffsetMs what the monotonic clock shows at virtual time 0 */
  constructor(scheduler: Scheduler, name: string, clockOffsetMs = 0) {
    this.#scheduler = scheduler;
    this.name = name;
    this.#clockOffsetMs = clockOffsetMs;
  }

  /** False once it was killed. */
  get isAlive(): boolean {
    return this.#alive;
  }

  /** True while none of its timers ring. */
  get isPaused(): boolean {
    return this.#paused;
  }

  /** True while code of this process can run. */
  get isRunning(): boolean {
    return this.#alive && !this.#paused;
  }

  monotonicMs(): number {
    return this.#scheduler.nowMs + this.#clockOffsetMs;
  }

  wallTime(): Timestamp {
    const ms = this.#scheduler.nowMs + this.#wallJumpMs;
    const seconds = Math.floor(ms / 1000);
    return new Timestamp(WALL_START_SECONDS + seconds, Math.floor((ms - seconds * 1000) * 1e6));
  }

  setTimer(delayMs: number, ring: () => void): TimerHandle {
    return this.#scheduler.scheduleTimer(clampDelayMs(delayMs), ring, this);
  }

  afterIO(resume: () => void): void {
    this.#scheduler.scheduleLast(resume, this);
  }

  /** Something outside answers this process after `delayMs`. */
  deliver(delayMs: number, run: () => void): TimerHandle {
    return this.#scheduler.schedule(delayMs, run, this);
  }

  /** Resolves after `delayMs`, never when the process dies before. */
  sleep(delayMs: number): Promise<void> {
    return new Promise((resolve) => this.deliver(delayMs, resolve));
  }

  /** Keeps an event for when the process runs again. */
  hold(event: SimEvent): void {
    this.#held.push(event);
  }

  /** Somebody sets the time of day; the monotonic clock knows nothing of it. */
  jump(ms: number): void {
    this.#wallJumpMs += ms;
  }

  /** Stops it in its tracks, as SIGSTOP does. */
  pause(): void {
    this.#paused = true;
  }

  /**
   * Goes on: late timers ring first, as Node's event loop does it, then what has arrived is seen.
   */
  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    const held = this.#held;
    this.#held = [];
    this.#scheduler.reschedule(held.filter((event) => event.isTimer));
    this.#scheduler.reschedule(held.filter((event) => !event.isTimer));
  }

  /** Ends it; none of its timers rings again. */
  kill(): void {
    this.#alive = false;
    this.#held = [];
  }
}
