import { stepMain } from '../core/core.ts';
import {
  type DurableEffect,
  type Effect,
  Effects,
  isDurable,
  type Observed,
  type StartedEffect,
  type TimerRequest,
} from '../core/effect.ts';
import type { MainInput, PeerInput } from '../core/input.ts';
import type { NodeState } from '../core/node.ts';
import { asError, RaftError } from '../errors.ts';
import type { EntryFuture } from '../future.ts';
import type { Log } from '../log.ts';
import type { ObservationData } from '../observation.ts';
import { type Entries, sizeOf } from './entries.ts';
import type { FsmLoop } from './fsm-loop.ts';
import type { InFlightEntries, Ledger } from './ledger.ts';
import { EntryProposal, refuse } from './main-lane.ts';
import type { Outbound } from './outbound.ts';
import type { PeerSenders } from './peer-sender.ts';
import type { SnapshotReceiver } from './snapshot-receiver.ts';
import type { StoreWriter } from './store-writer.ts';
import type { Telemetry } from './telemetry.ts';
import type { UserRestores } from './user-restore.ts';

/** Where effects go. */
export interface PerformerOptions {
  readonly node: NodeState;
  readonly writer: StoreWriter;
  readonly entries: Entries;
  readonly inFlight: InFlightEntries;
  readonly ledger: Ledger;
  readonly fsm: FsmLoop;
  readonly peers: PeerSenders;
  readonly outbound: Outbound;
  readonly receiver: SnapshotReceiver;
  readonly telemetry: Telemetry;
  readonly restores: UserRestores;
  readonly now: () => Moment;
  readonly setTimer: (request: TimerRequest) => void;
  readonly stepPeer: (input: PeerInput) => void;
  readonly post: (input: MainInput) => void;
  /** Lets everybody see the state of the node; before its disk is done, only that it steps down. */
  readonly publish: (isDone: boolean) => void;
  readonly observe: (data: ObservationData) => Promise<void> | undefined;
  readonly leadershipChanged: (isLeader: boolean) => void;
  readonly shutdownSelf: () => void;
  readonly fatal: (error: Error) => void;
  /** True once the node has stopped: nothing is written or answered any more (rule 1). */
  readonly isStopped: () => boolean;
}

/** Now, on both clocks. */
interface Moment {
  readonly ms: number;
  readonly wall: Log['appendedAt'];
}

/** What was observed, with its moment on the clock that people read. */
function dated(data: Observed, now: Moment): ObservationData {
  if (data.kind !== 'FailedHeartbeatObservation') return data;
  const { lastContactMs, ...rest } = data;
  return { ...rest, lastContact: new Date(now.wall.getTime() - (now.ms - lastContactMs)) };
}

/**
 * Performs lists of effects, left to right. A durable effect is awaited before the next one; all
 * others are started. Once the node has stopped the rest of a list is dropped.
 */
export class Performer {
  readonly #o: PerformerOptions;

  constructor(options: PerformerOptions) {
    this.#o = options;
  }

  /** Performs a list of the main lane; a promise when something in it must be awaited. */
  perform(out: Effects): Promise<void> | undefined {
    for (const note of out.notes) this.#o.telemetry.note(note);
    for (const request of out.timers) this.#o.setTimer(request);
    let settled = out.list.length;
    while (settled > 0 && !isDurableAt(out.list, settled - 1)) settled -= 1;
    if (settled > 0) this.#o.publish(false);
    return this.#performFrom(out.list, 0, settled);
  }

  /** Performs a list without durable effects at once. */
  performNow(out: Effects): void {
    for (const note of out.notes) this.#o.telemetry.note(note);
    for (const request of out.timers) this.#o.setTimer(request);
    for (const effect of out.list) {
      if (!isDurable(effect)) void this.#start(effect);
    }
  }

  /**
   * `settled` is where nothing durable is left: what the list has changed may be seen from there.
   */
  #performFrom(list: readonly Effect[], start: number, settled: number): Promise<void> | undefined {
    for (let at = start; at < list.length; at += 1) {
      if (this.#o.isStopped()) return undefined;
      if (at === settled) this.#o.publish(true);
      const effect = list[at];
      if (effect === undefined) return undefined;
      const pending = isDurable(effect) ? this.#await(list, at, effect) : this.#start(effect);
      if (pending !== undefined) {
        return pending.then(() => this.#performFrom(list, at + 1, settled));
      }
    }
    if (settled === list.length && !this.#o.isStopped()) this.#o.publish(true);
    return undefined;
  }

  /** Something durable: whatever stands behind it in the list waits. */
  #await(list: readonly Effect[], at: number, effect: DurableEffect): Promise<void> | undefined {
    const { writer, entries, receiver, restores } = this.#o;
    switch (effect.kind) {
      case 'persistHardState':
        return writer.persistHardState(effect.term, effect.vote);
      case 'append': {
        const batch = this.#foldAppends(list, at);
        if (batch.length === 0) return undefined;
        entries.append(batch, writer.durableIndex);
        return this.#stored(writer.appendAndWait(batch), 'failed to append to logs');
      }
      case 'replaceTail':
        entries.append(effect.entries, writer.durableIndex);
        return this.#stored(
          writer.replaceTail(effect.from, effect.upTo, effect.entries),
          'failed to clear log suffix',
        );
      case 'awaitDurable':
        return writer.untilDurable(effect.index);
      case 'dropLog':
        entries.clear();
        this.#keepInMemory(list, at);
        return writer.dropLog();
      case 'receiveSnapshot':
        return receiver
          .receive(effect)
          .then((outcome) => this.#then({ kind: 'snapshotReceived', outcome }));
      case 'storeRestore':
        return restores
          .store(effect.ticket)
          .then((outcome) => this.#then({ kind: 'restoreStored', outcome }));
      case 'restoreSnapshot':
        return receiver.restore(effect).then(() => this.#then({ kind: 'snapshotRestored' }));
    }
  }

  /**
   * What a list appends behind a durable effect is in the log already: peers are served from memory
   * while the disk still works, or they would find it missing.
   */
  #keepInMemory(list: readonly Effect[], at: number): void {
    const { entries, writer } = this.#o;
    for (const effect of list.slice(at + 1)) {
      if (effect.kind === 'startAppend') entries.append(effect.entries, writer.durableIndex);
    }
  }

  /** Steps what follows from a durable effect before anything else can happen on the lane. */
  #then(input: MainInput): Promise<void> | undefined {
    if (this.#o.isStopped()) return undefined;
    const out = new Effects();
    stepMain(this.#o.node, input, this.#o.now(), out);
    return this.perform(out);
  }

  readonly #folded = new WeakSet<Effect>();

  /**
   * The entries of this append and of those behind it, up to the next change of term, vote or tail:
   * they go to the disk in one write. Entries on the disk too early harm nobody; answers wait.
   */
  #foldAppends(list: readonly Effect[], at: number): readonly Log[] {
    const first = list[at];
    if (first === undefined || first.kind !== 'append' || this.#folded.has(first)) return [];
    const batch = [...first.entries];
    for (let next = at + 1; next < list.length; next += 1) {
      const effect = list[next];
      if (effect === undefined) break;
      if (effect.kind === 'append') {
        for (const entry of effect.entries) batch.push(entry);
        this.#folded.add(effect);
      } else if (isDurable(effect) && effect.kind !== 'awaitDurable') break;
    }
    return batch;
  }

  #start(effect: StartedEffect): Promise<void> | undefined {
    const { ledger, peers, outbound } = this.#o;
    switch (effect.kind) {
      case 'startAppend':
        return void this.#startAppend(effect);
      case 'refuse':
        return void refuse(effect.proposals, effect.error);
      case 'reply':
        return void ledger.settle(effect.ticket, effect.reply);
      case 'replyError':
      case 'settleError':
        return void ledger.fail(effect.ticket, effect.error);
      case 'settle':
        return void ledger.settle(effect.ticket, effect.value);
      case 'bindEntry':
        return void this.#bindEntry(effect.ticket, effect.index);
      case 'drainSnapshot':
        return this.#o.receiver.drain(effect.ticket);
      case 'apply':
        return this.#handOver(effect.upTo);
      case 'failInFlight':
        this.#o.telemetry.forgetDispatched(effect.after);
        return void this.#o.inFlight.failAfter(effect.after, effect.error);
      case 'sendVote':
        return void outbound.requestVote(effect);
      case 'sendPreVote':
        return void outbound.requestPreVote(effect);
      case 'sendTimeoutNow':
        return void outbound.timeoutNow(effect);
      case 'sendHeartbeat':
        return void peers.heartbeat(effect);
      case 'sendAppend':
        return void peers.append(effect);
      case 'sendSnapshot':
        return void peers.snapshot(effect);
      case 'closePipeline':
        return void peers.closePipeline(effect.peer);
      case 'stopPeer':
        return void peers.stop(effect.peer);
      default:
        return this.#startRest(effect);
    }
  }

  #startRest(
    effect: Extract<
      StartedEffect,
      {
        kind:
          | 'observe'
          | 'leadership'
          | 'compactLog'
          | 'writeRestore'
          | 'dropRestore'
          | 'post'
          | 'shutdownSelf'
          | 'fatal';
      }
    >,
  ): Promise<void> | undefined {
    switch (effect.kind) {
      case 'observe':
        return this.#o.observe(dated(effect.data, this.#o.now()));
      case 'leadership':
        return void this.#o.leadershipChanged(effect.isLeader);
      case 'compactLog':
        return void this.#o.writer.compact(effect.upTo);
      case 'writeRestore':
        return void this.#o.restores.write(effect);
      case 'dropRestore':
        return void this.#o.restores.drop(effect.ticket);
      case 'post':
        return void this.#o.post(effect.input);
      case 'shutdownSelf':
        return void this.#o.shutdownSelf();
      case 'fatal':
        return void this.#o.fatal(effect.error);
    }
  }

  /** The leader's own write: started beside replication, it counts when the disk has answered. */
  #startAppend(effect: Extract<StartedEffect, { kind: 'startAppend' }>): void {
    const { leadership, entries: batch, proposals } = effect;
    const { writer, entries, inFlight, telemetry } = this.#o;
    const startMs = telemetry.nowMs();
    entries.append(batch, writer.durableIndex);
    for (let at = 0; at < batch.length; at += 1) {
      const entry = batch[at];
      if (entry === undefined) break;
      const proposal = proposals[at];
      const future = proposal instanceof EntryProposal ? proposal.future : null;
      inFlight.push(entry.index, future, sizeOf(entry));
    }
    const last = batch.at(-1)?.index ?? 0;
    telemetry.dispatched(batch[0]?.index ?? 0, last, startMs);
    writer.append(
      batch,
      () => {
        telemetry.took('raft.leader.dispatchLog', startMs);
        if (!this.#o.isStopped()) {
          this.#o.stepPeer({ kind: 'appended', leadership, index: last });
        }
      },
      (error) => this.#reportFailedWrite(error, 'failed to commit logs'),
    );
  }

  /** Measures a follower's write, or says that it failed. */
  #stored(written: Promise<void>, failure: string): Promise<void> {
    const { telemetry } = this.#o;
    const startMs = telemetry.nowMs();
    return written.then(
      () => telemetry.took('raft.rpc.appendEntries.storeLogs', startMs),
      (error: unknown) => {
        this.#reportFailedWrite(asError(error), failure);
        throw error;
      },
    );
  }

  /** A write that the end of the node keeps from being made has not failed. */
  #reportFailedWrite(error: Error, failure: string): void {
    if (error instanceof RaftError && error.code.startsWith('ERR_STORE')) {
      this.#o.node.log.error({ error }, failure);
    }
  }

  #handOver(upTo: number): Promise<void> | undefined {
    const { fsm, telemetry } = this.#o;
    const startMs = telemetry.nowMs();
    const pending = fsm.handOver(upTo);
    if (pending !== undefined) return pending.then(() => telemetry.handedOver(upTo, startMs));
    telemetry.handedOver(upTo, startMs);
    return undefined;
  }

  #bindEntry(ticket: number, index: number): void {
    const waiter = this.#o.ledger.take(ticket);
    if (waiter instanceof EntryWaiter) this.#o.inFlight.bind(index, waiter.future);
    else
      waiter?.fail(new RaftError('ERR_INTERNAL', `ticket ${ticket} cannot be bound to an entry`));
  }
}

function isDurableAt(list: readonly Effect[], at: number): boolean {
  const effect = list[at];
  return effect !== undefined && isDurable(effect);
}

/** A waiter whose future becomes the future of an entry. */
export class EntryWaiter {
  readonly future: EntryFuture;

  constructor(future: EntryFuture) {
    this.future = future;
  }

  settle(value: unknown): void {
    this.future.applied(value);
  }

  fail(error: Error): void {
    this.future.refused(asError(error));
  }
}
