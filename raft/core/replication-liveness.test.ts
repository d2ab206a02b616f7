import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  command,
  type EffectOf,
  elect,
  leadershipOf,
  newNode,
  peerOf,
  step,
  stepOfPeer,
} from '../../testing/core-fixture.ts';
import { ConfigurationChangeCommand } from '../configuration.ts';
import { AppendEntriesResponse, InstallSnapshotResponse } from '../messages.ts';
import type { Effects } from './effect.ts';
import type { MainInput, PeerInput } from './input.ts';
import { acceptsConfigurationChange } from './membership.ts';
import { lastIndexOf, type NodeState } from './node.ts';
import type { Progress } from './progress.ts';
import { MAX_IN_FLIGHT } from './replication.ts';
import type { PeerTimerName } from './timeouts.ts';

type Send = EffectOf<'sendAppend'> | EffectOf<'sendSnapshot'> | EffectOf<'sendHeartbeat'>;
/** What a request came to, and how the follower feels about refusing. */
interface Fate {
  readonly lost: boolean;
  readonly inTrouble: boolean;
}

const event = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('propose' as const) }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('ring' as const), which: fc.nat() }) },
  {
    weight: 4,
    arbitrary: fc.record({
      kind: fc.constant('take' as const),
      which: fc.nat(),
      fails: fc.boolean(),
      partly: fc.boolean(),
    }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('answer' as const),
      which: fc.nat(),
      lost: fc.boolean(),
      inTrouble: fc.boolean(),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom('compact' as const, 'move' as const, 'wipe' as const),
    }),
  },
);
type Event = typeof event extends fc.Arbitrary<infer T> ? T : never;

/**
 * A leader a, a follower b, and the transport between them. It keeps what the port promises: what
 * was taken is answered once, in order. A third server, c, answers everything at once, so that the
 * leader commits and forgets whatever b does.
 */
class Replicated {
  readonly node: NodeState;
  readonly peer: Progress;
  /** The terms of all entries the leader ever had: index i stands at place i - 1. */
  readonly history = [1, 1, 2, 3, 3];
  /** The same of the follower. */
  log: number[];
  asked: Send[] = [];
  flying: { readonly send: Send; readonly count: number; readonly index: number }[] = [];
  readonly timers = new Set<PeerTimerName>();
  #moves = 0;

  constructor(log: readonly number[]) {
    this.log = [...log];
    this.node = newNode({ log: this.history });
    const { out } = elect(this.node);
    this.peer = peerOf(this.node, 'b');
    this.#perform(out);
  }

  happen(now: Event): void {
    if (now.kind === 'propose') this.main({ kind: 'propose', proposals: [command] });
    else if (now.kind === 'ring') this.ring([...this.timers][now.which % this.timers.size]);
    else if (now.kind === 'take') this.take(now.which, now.fails, now.partly);
    else if (now.kind === 'answer') this.answer(now.which, now);
    else if (now.kind === 'wipe') this.log = [];
    else if (now.kind === 'compact') this.#compact();
    else this.#move();
  }

  main(input: MainInput): void {
    this.#perform(step(this.node, input));
  }

  step(input: PeerInput): void {
    this.#perform(stepOfPeer(this.node, input));
  }

  ring(timer: PeerTimerName | undefined): void {
    if (timer === undefined) return;
    this.timers.delete(timer);
    const leadership = leadershipOf(this.node);
    this.step({ kind: 'peerTimer', leadership, peer: this.peer, timer });
  }

  /** The transport takes a request, or fails to. */
  take(which: number, fails: boolean, partly: boolean): void {
    const [send] = this.asked.splice(which % Math.max(1, this.asked.length), 1);
    if (send === undefined) return;
    const index = this.node.snapshotIndex;
    if (send.kind !== 'sendAppend') {
      this.flying.push({ send, count: 0, index });
      return;
    }
    const { leadership, peer, epoch, first, last } = send;
    if (peer.epoch !== epoch) return;
    const known = { leadership, peer, epoch };
    if (fails) return this.step({ kind: 'sendFailed', ...known, error: new Error('busy') });
    if (first <= last && this.node.terms.termAt(first) === undefined) {
      return this.step({ kind: 'entriesUnavailable', ...known });
    }
    const wanted = Math.max(0, last - first + 1);
    const count = partly ? Math.min(wanted, 1) : wanted;
    this.step({ kind: 'appendSent', ...known, count });
    this.flying.push({ send, count, index });
    this.step({ kind: 'senderReady', ...known });
  }

  /** The oldest request of some kind is answered, or lost. */
  answer(which: number, fate: Fate): void {
    const kind = this.flying[which % Math.max(1, this.flying.length)]?.send.kind;
    const at = this.flying.findIndex(({ send }) => send.kind === kind);
    const [flown] = this.flying.splice(at, at < 0 ? 0 : 1);
    if (flown === undefined) return;
    const { send, count, index } = flown;
    const error = new Error('lost');
    const { peer, leadership, round } = send;
    const known = { leadership, peer, round, sentAtMs: 0 };
    const { term } = leadership;
    if (send.kind === 'sendHeartbeat') {
      const reply = new AppendEntriesResponse({ term, success: true });
      const outcome = fate.lost ? { error } : { reply };
      this.step({ kind: 'heartbeatReply', ...known, outcome });
    } else if (send.kind === 'sendSnapshot') {
      const fits = this.log[index - 1] === this.history[index - 1];
      if (!fate.lost && !fits) this.log = this.history.slice(0, index);
      const reply = new InstallSnapshotResponse({ term, success: true });
      const outcome = fate.lost ? { error } : { reply };
      this.step({ kind: 'snapshotReply', ...known, epoch: send.epoch, index, outcome });
    } else {
      const reply = this.#receive(send.prevIndex, count, fate.inTrouble);
      const outcome = fate.lost ? { error } : { reply };
      const { epoch, prevIndex, commitIndex } = send;
      this.step({ kind: 'appendReply', ...known, epoch, prevIndex, commitIndex, count, outcome });
    }
  }

  #receive(prev: number, count: number, inTrouble: boolean): AppendEntriesResponse {
    const { term } = leadershipOf(this.node);
    const lastLog = this.log.length;
    if (prev > 0 && this.log[prev - 1] !== this.history[prev - 1]) {
      return new AppendEntriesResponse({ term, lastLog, noRetryBackoff: !inTrouble });
    }
    const same = this.history.slice(0, prev + count);
    if (!same.every((t, i) => this.log[i] === t)) this.log = same;
    return new AppendEntriesResponse({ term, lastLog, success: true });
  }

  #compact(): void {
    const { commitIndex: index } = this.node;
    const term = this.history[index - 1] ?? 0;
    this.main({ kind: 'snapshotTaken', index, term, durableIndex: this.history.length });
  }

  #move(): void {
    if (!acceptsConfigurationChange(this.node)) return;
    this.#moves += 1;
    const to = { serverID: 'b', serverAddress: `b:${this.#moves + 1}`, prevIndex: 0 };
    const change = { command: ConfigurationChangeCommand.AddVoter, ...to };
    this.main({ kind: 'changeConfiguration', change, ticket: 1 });
  }

  #perform(out: Effects): void {
    for (const timer of out.timers) {
      if (!('peer' in timer) || timer.peer !== this.peer) continue;
      if (timer.delayMs === null) this.timers.delete(timer.timer);
      else this.timers.add(timer.timer);
    }
    for (const effect of out.list) {
      if (effect.kind === 'post') this.main(effect.input);
      else if (effect.kind === 'startAppend') {
        for (const { term } of effect.entries) this.history.push(term);
        const index = this.history.length;
        this.step({ kind: 'appended', leadership: effect.leadership, index });
      } else if (effect.kind === 'sendAppend' || effect.kind === 'sendSnapshot') {
        if (effect.peer === this.peer) this.asked.push(effect);
        else if (effect.kind === 'sendAppend') this.#obey(effect);
      } else if (effect.kind === 'sendHeartbeat' && effect.peer === this.peer) {
        this.asked.push(effect);
      }
    }
    const { inFlight, nextIndex, sendIndex } = this.peer;
    expect(inFlight).toBeGreaterThanOrEqual(0);
    expect(inFlight).toBeLessThanOrEqual(MAX_IN_FLIGHT);
    expect(nextIndex).toBeGreaterThanOrEqual(1);
    expect(sendIndex).toBeGreaterThanOrEqual(nextIndex);
    expect(sendIndex).toBeLessThanOrEqual(lastIndexOf(this.node) + 1);
  }

  /** What c does with every request: it has everything already. */
  #obey(effect: EffectOf<'sendAppend'>): void {
    const { leadership, peer, epoch, round, prevIndex, commitIndex, first, last } = effect;
    const count = Math.max(0, last - first + 1);
    const known = { leadership, peer, epoch };
    const reply = new AppendEntriesResponse({ term: leadership.term, success: true });
    this.step({ kind: 'appendSent', ...known, count });
    this.step({ kind: 'senderReady', ...known });
    const sent = { ...known, round, prevIndex, commitIndex, count, sentAtMs: 0 };
    this.step({ kind: 'appendReply', ...sent, outcome: { reply } });
  }
}

/** From here on nothing is lost. Says after how many rounds the follower had everything. */
function heal(world: Replicated): number {
  const fine = { lost: false, inTrouble: false };
  for (let round = 0; round < 100; round += 1) {
    const same = world.log.length === world.history.length;
    if (same && world.log.every((term, i) => term === world.history[i])) return round;
    while (world.asked.length > 0) world.take(0, false, false);
    while (world.flying.length > 0) world.answer(0, fine);
    for (const timer of ['retry', 'commit'] as const) {
      if (world.timers.has(timer)) world.ring(timer);
    }
  }
  return Number.POSITIVE_INFINITY;
}

describe('a peer that answers', () => {
  it('gets every entry and every heartbeat, whatever went wrong before', () => {
    const live = (log: readonly number[], events: readonly Event[]) => {
      const world = new Replicated(log);
      for (const now of events) world.happen(now);
      expect(heal(world)).toBeLessThan(100);
      expect(world.timers.has('beat') || world.peer.beating).toBe(true);
      world.main({ kind: 'propose', proposals: [command] });
      expect(heal(world)).toBeLessThan(100);
      expect(world.peer.matchIndex).toBe(world.history.length);
    };
    const logs = fc.constantFrom([], [1], [1, 1, 2, 3, 3], [1, 1, 1, 1, 1, 1, 1], [1, 2, 2]);
    const property = fc.property(logs, fc.array(event, { maxLength: 60 }), live);
    fc.assert(property, { numRuns: 150 });
  });
});
