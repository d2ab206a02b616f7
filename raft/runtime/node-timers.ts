import type { Clock } from '../../internal/clock.ts';
import type { TimerRequest } from '../core/effect.ts';
import type { MainInput, PeerInput } from '../core/input.ts';
import type { Progress } from '../core/progress.ts';
import type { PeerTimerName, TimerName } from '../core/timeouts.ts';
import { TimerBoard } from './timer-board.ts';

/** Identifies a timer of a peer: an object of its own, so that setting it makes no string. */
interface PeerTimerKey {
  readonly timer: PeerTimerName;
}

/** The timers that the rules ask for, each ringing on its own lane. */
export class NodeTimers {
  readonly #board: TimerBoard<TimerName | PeerTimerKey>;
  readonly #post: (input: MainInput) => void;
  readonly #stepPeer: (input: PeerInput) => void;
  /** Rang, and lie in the main lane's inbox. */
  readonly #rung = new Set<TimerName>();
  readonly #keys = new WeakMap<Progress, Map<PeerTimerName, PeerTimerKey>>();

  constructor(
    clock: Clock,
    post: (input: MainInput) => void,
    stepPeer: (input: PeerInput) => void,
  ) {
    this.#board = new TimerBoard(clock);
    this.#post = post;
    this.#stepPeer = stepPeer;
  }

  /** Sets or cancels what a rule asked for. */
  request(request: TimerRequest): void {
    const { delayMs } = request;
    if ('peer' in request) {
      const { timer, leadership, peer } = request;
      const key = this.#keyOf(peer, timer);
      if (delayMs === null) this.#board.cancel(key);
      else {
        this.#board.set(key, delayMs, () =>
          this.#stepPeer({ kind: 'peerTimer', leadership, peer, timer }),
        );
      }
      return;
    }
    const { timer } = request;
    this.#rung.delete(timer);
    if (delayMs === null) this.#board.cancel(timer);
    else {
      this.#board.set(timer, delayMs, (lateMs) => {
        this.#rung.add(timer);
        this.#post({ kind: 'timer', timer, lateMs });
      });
    }
  }

  /** True when `timer` rang and was neither set nor cancelled since; it is then taken as heard. */
  takeRing(timer: TimerName): boolean {
    return this.#rung.delete(timer);
  }

  /** Cancels all of them for good. */
  close(): void {
    this.#board.close();
  }

  #keyOf(peer: Progress, timer: PeerTimerName): PeerTimerKey {
    const keys = this.#keys.get(peer) ?? new Map<PeerTimerName, PeerTimerKey>();
    this.#keys.set(peer, keys);
    const key = keys.get(timer) ?? { timer };
    keys.set(timer, key);
    return key;
  }
}
