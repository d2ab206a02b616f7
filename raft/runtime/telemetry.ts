import { RingBuffer } from '../../internal/ring-buffer.ts';
import { clockOf } from '../config.ts';
import type { ServerID } from '../configuration.ts';
import type { Note } from '../core/effect.ts';
import {
  type Counter,
  type Instruments,
  instrumentsOf,
  legacyInstrument,
  METRICS,
  type Meter,
  type MetricLabels,
  type MetricName,
  type MetricSpecs,
  type Recorder,
  silentMeter,
  supportsMeter,
} from '../metrics.ts';
import { harmlessMeter } from './harmless-meter.ts';
import { SATURATION_INTERVAL_MS, Saturation } from './saturation.ts';
import type { Parts } from './self.ts';

/** What a node itself measures; the transport and the stores measure the rest. */
export type NodeMetric = Exclude<MetricName, `raft.net.${string}` | `raft.boltdb.${string}`>;

/** A metric of a node that is measured in milliseconds and has no label. */
export type NodeTimer = {
  [N in NodeMetric]: MetricSpecs[N] extends { unit: 'ms'; kind: 'histogram'; label?: never }
    ? N
    : never;
}[NodeMetric];

function isNodeMetric(name: string): name is NodeMetric {
  return name in METRICS && !name.startsWith('raft.net.') && !name.startsWith('raft.boltdb.');
}

/** What is measured of the traffic with one peer. The label is made once, for all values. */
class PeerTelemetry {
  readonly #labels: MetricLabels;
  readonly #instruments: Instruments<NodeMetric>;
  readonly #legacy: {
    readonly rpc: Recorder;
    readonly logs: Counter;
    readonly heartbeat: Recorder;
    readonly installSnapshot: Recorder;
  } | null;

  constructor(instruments: Instruments<NodeMetric>, legacyMeter: Meter | null, id: ServerID) {
    this.#labels = Object.freeze({ peer_id: id });
    this.#instruments = instruments;
    this.#legacy =
      legacyMeter === null
        ? null
        : {
            rpc: legacyInstrument(legacyMeter, 'raft.replication.appendEntries.rpc', id),
            logs: legacyInstrument(legacyMeter, 'raft.replication.appendEntries.logs', id),
            heartbeat: legacyInstrument(legacyMeter, 'raft.replication.heartbeat', id),
            installSnapshot: legacyInstrument(legacyMeter, 'raft.replication.installSnapshot', id),
          };
  }

  /** The peer answered an AppendEntries. Go: `appendStats`. */
  appended(durationMs: number, entries: number): void {
    this.#instruments['raft.replication.appendEntries.rpc'].record(durationMs, this.#labels);
    this.#instruments['raft.replication.appendEntries.logs'].add(entries, this.#labels);
    this.#legacy?.rpc.record(durationMs);
    this.#legacy?.logs.add(entries);
  }

  heartbeat(durationMs: number): void {
    this.#instruments['raft.replication.heartbeat'].record(durationMs, this.#labels);
    this.#legacy?.heartbeat.record(durationMs);
  }

  snapshotInstalled(durationMs: number): void {
    this.#instruments['raft.replication.installSnapshot'].record(durationMs, this.#labels);
    this.#legacy?.installSnapshot.record(durationMs);
  }
}

/** Entries that a leader dispatched in one go. */
interface Dispatched {
  firstIndex: number;
  lastIndex: number;
  readonly atMs: number;
}

/** How a node measures itself. */
export interface TelemetryOptions {
  readonly meter: Meter;
  /** True to leave out the names with a peer's id in them. */
  readonly noLegacy: boolean;
  readonly nowMs: () => number;
}

/**
 * What a node tells its meter: every instrument is made once, here, and every label once a peer, so
 * that measuring costs a call that does nothing when nobody listens.
 */
export class Telemetry {
  readonly instruments: Instruments<NodeMetric>;
  /** The moment, for the two ends of a duration. */
  readonly nowMs: () => number;
  readonly mainThreadSaturation: Saturation;
  readonly fsmThreadSaturation: Saturation;
  readonly #legacyMeter: Meter | null;
  readonly #peers = new Map<ServerID, PeerTelemetry>();
  readonly #dispatched = new RingBuffer<Dispatched>();

  constructor({ meter, noLegacy, nowMs }: TelemetryOptions) {
    const names = Object.keys(METRICS).filter(isNodeMetric);
    this.instruments = instrumentsOf(meter, names);
    this.nowMs = nowMs;
    this.#legacyMeter = noLegacy ? null : meter;
    this.mainThreadSaturation = this.#newSaturation('raft.thread.main.saturation');
    this.fsmThreadSaturation = this.#newSaturation('raft.thread.fsm.saturation');
  }

  /** What only the rules know. */
  note({ metric, value }: Note): void {
    const instrument: Counter | Recorder = this.instruments[metric];
    if ('add' in instrument && METRICS[metric].kind === 'counter') instrument.add(value);
    else if ('record' in instrument) instrument.record(value);
  }

  /** What is measured of the traffic with this peer. */
  peer(id: ServerID): PeerTelemetry {
    let peer = this.#peers.get(id);
    if (peer === undefined) {
      peer = new PeerTelemetry(this.instruments, this.#legacyMeter, id);
      this.#peers.set(id, peer);
    }
    return peer;
  }

  /** What took from `startMs` until now. */
  took(name: NodeTimer, startMs: number): void {
    this.instruments[name].record(this.nowMs() - startMs);
  }

  /** A leader gave these entries their place in the log. */
  dispatched(firstIndex: number, lastIndex: number, atMs: number): void {
    this.instruments['raft.leader.dispatchNumLogs'].record(lastIndex - firstIndex + 1);
    this.#dispatched.push({ firstIndex, lastIndex, atMs });
  }

  /** Nothing above `after` that was dispatched so far will be committed by this leadership. */
  forgetDispatched(after: number): void {
    for (;;) {
      const batch = this.#dispatched.pop();
      if (batch === undefined) return;
      if (batch.firstIndex > after) continue;
      batch.lastIndex = Math.min(batch.lastIndex, after);
      this.#dispatched.push(batch);
      return;
    }
  }

  /**
   * Everything up to `upTo` goes to the FSM, which took from `startMs` until now. A leader that
   * dispatched some of it measures the commit, anybody else that it followed one.
   */
  handedOver(upTo: number, startMs: number): void {
    const committed = this.#committed(upTo, startMs);
    if (committed === 0) {
      this.took('raft.rpc.appendEntries.processLogs', startMs);
      return;
    }
    this.took('raft.fsm.enqueue', startMs);
    this.instruments['raft.commitNumLogs'].record(committed);
  }

  #newSaturation(name: 'raft.thread.main.saturation' | 'raft.thread.fsm.saturation'): Saturation {
    const { [name]: instrument } = this.instruments;
    const report = (share: number): void => instrument.record(share);
    return new Saturation(SATURATION_INTERVAL_MS, this.nowMs, report);
  }

  #committed(upTo: number, nowMs: number): number {
    const { 'raft.commitTime': commitTime } = this.instruments;
    let count = 0;
    for (let batch = this.#dispatched.at(0); batch !== undefined; batch = this.#dispatched.at(0)) {
      const last = Math.min(batch.lastIndex, upTo);
      for (let index = batch.firstIndex; index <= last; index += 1) {
        commitTime.record(nowMs - batch.atMs);
        count += 1;
      }
      if (last < batch.lastIndex) {
        batch.firstIndex = Math.max(batch.firstIndex, last + 1);
        break;
      }
      this.#dispatched.shift();
    }
    return count;
  }
}

/** The telemetry of a node, whose parts get its meter too when they measure something. */
export function startTelemetry({ config, logs, stable, trans }: Parts): Telemetry {
  const meter = harmlessMeter(config.meter ?? silentMeter);
  const clock = clockOf(config);
  for (const part of new Set<unknown>([logs, stable, trans])) {
    if (supportsMeter(part)) part.useMeter(meter);
  }
  const nowMs = (): number => clock.monotonicMs();
  return new Telemetry({ meter, noLegacy: config.noLegacyTelemetry, nowMs });
}

/** One that measures nothing, for a part that works without its node. */
export function silentTelemetry(): Telemetry {
  return new Telemetry({ meter: silentMeter, noLegacy: true, nowMs: () => 0 });
}
