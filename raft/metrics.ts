/** What a measurement is about, such as the peer it was made with. */
export type MetricLabels = Readonly<Record<string, string>>;

/** Counts up. OpenTelemetry's counter is one. */
export interface Counter {
  /** Adds `value`, 0 or more. */
  add(value: number, labels?: MetricLabels): void;
}

/** Takes single values: a gauge keeps the last one, a histogram how they are spread. */
export interface Recorder {
  /** Takes one measured value. */
  record(value: number, labels?: MetricLabels): void;
}

/** What an instrument advises those who keep its values. */
export interface InstrumentAdvice {
  /** The upper ends of a histogram's buckets, ascending. */
  explicitBucketBoundaries?: number[];
}

/** How an instrument is made. */
export interface InstrumentOptions {
  /** What it measures, for people. */
  readonly description?: string;
  /** "ms", or a word in braces as OpenTelemetry writes what is counted. */
  readonly unit?: string;
  /** How a histogram should sort its values. */
  readonly advice?: InstrumentAdvice;
}

/**
 * Where a node writes its metrics: the shape of OpenTelemetry's meter, so that one can be given as
 * it is. Write-only: no rule may ask it anything.
 */
export interface Meter {
  /** Makes what counts up; asked again for a name it may give the same one. */
  createCounter(name: string, options?: InstrumentOptions): Counter;
  /** Makes what keeps the last value. */
  createGauge(name: string, options?: InstrumentOptions): Recorder;
  /** Makes what keeps how values are spread. */
  createHistogram(name: string, options?: InstrumentOptions): Recorder;
}

/** True for something with the three methods of a meter. */
export function isMeter(value: unknown): value is Meter {
  if (typeof value !== 'object' || value === null) return false;
  const methods = ['createCounter', 'createGauge', 'createHistogram'];
  return methods.every((method) => typeof Reflect.get(value, method) === 'function');
}

/** A part of a node that measures something itself; the node gives it its meter when it starts. */
export interface WithMeter {
  /** Writes to `meter` from now on. */
  useMeter(meter: Meter): void;
}

/** True when a part of a node wants the node's meter. */
export function supportsMeter(part: unknown): part is WithMeter {
  return (
    typeof part === 'object' &&
    part !== null &&
    'useMeter' in part &&
    typeof part.useMeter === 'function'
  );
}

const nowhere = Object.freeze({ add() {}, record() {} });

/** A meter whose measurements go nowhere. */
export const silentMeter: Meter = Object.freeze({
  createCounter: () => nowhere,
  createGauge: () => nowhere,
  createHistogram: () => nowhere,
});

/** What one name of {@link METRICS} means. */
export interface MetricSpec {
  /** Go's timers and samples are histograms. */
  readonly kind: 'counter' | 'gauge' | 'histogram';
  /** Milliseconds, a share of 1, or what is counted. */
  readonly unit: 'ms' | '1' | '{call}' | '{time}' | '{server}' | '{entry}' | '{byte}' | '{page}';
  /** The one label that its values carry. */
  readonly label?: 'peer_id' | 'rpcType';
  /** Also written under this name with ".", the peer's id behind it, unless `noLegacyTelemetry`. */
  readonly hasLegacyName?: true;
  /** What it measures, for people. */
  readonly description: string;
}

function counter(unit: MetricSpec['unit'], description: string) {
  return { kind: 'counter', unit, description } as const;
}

function gauge(unit: MetricSpec['unit'], description: string) {
  return { kind: 'gauge', unit, description } as const;
}

function sample(unit: MetricSpec['unit'], description: string) {
  return { kind: 'histogram', unit, description } as const;
}

function timer(description: string) {
  return { kind: 'histogram', unit: 'ms', description } as const;
}

function toPeer<S extends MetricSpec>(spec: S) {
  return { ...spec, label: 'peer_id', hasLegacyName: true } as const;
}

function byType<S extends MetricSpec>(spec: S) {
  return { ...spec, label: 'rpcType' } as const;
}

const specs = {
  'raft.apply': counter('{call}', 'calls of apply and applyLog'),
  'raft.barrier': counter('{call}', 'calls of barrier'),
  'raft.verify_leader': counter('{call}', 'calls of verifyLeader'),
  'raft.restore': counter('{call}', 'calls of restore'),
  'raft.state.follower': counter('{time}', 'the node became a follower, at its start too'),
  'raft.state.candidate': counter('{time}', 'a campaign began, each round of it counted'),
  'raft.state.leader': counter('{time}', 'the node became the leader'),
  'raft.transition.heartbeat_timeout': counter('{time}', 'a follower lost its leader'),
  'raft.transition.leader_lease_timeout': counter('{time}', 'a leader lost its quorum'),
  'raft.peers': gauge('{server}', 'servers of the configuration, the leader among them'),
  'raft.commitTime': timer('an entry of a leader, from its dispatch to its commit'),
  'raft.commitNumLogs': gauge('{entry}', 'entries that one commit handed to the FSM'),
  'raft.fsm.enqueue': timer('handing committed entries to the FSM, waiting for room included'),
  'raft.fsm.apply': timer('one command applied'),
  'raft.fsm.applyBatch': timer('one batch applied by a batching FSM'),
  'raft.fsm.applyBatchNum': sample('{entry}', 'entries in such a batch'),
  'raft.fsm.store_config': timer('one configuration stored by the FSM'),
  'raft.fsm.snapshot': timer('taking the picture of the FSM, not writing it'),
  'raft.fsm.restore': timer('the FSM restored from a snapshot'),
  'raft.fsm.lastRestoreDuration': gauge('ms', 'how long the last restore took'),
  'raft.leader.dispatchLog': timer('a batch of a leader, from its dispatch to its own disk'),
  'raft.leader.dispatchNumLogs': gauge('{entry}', 'entries in such a batch'),
  'raft.leader.lastContact': sample('ms', 'silence of each voter when the lease is checked'),
  'raft.leader.oldestLogAge': gauge('ms', 'age of the first entry in the log, every 10 s'),
  'raft.candidate.electSelf': timer('one request for a vote, until it was answered or failed'),
  'raft.candidate.preElectSelf': timer('one request for a pre-vote, until answered or failed'),
  'raft.rpc.processHeartbeat': timer('a heartbeat answered'),
  'raft.rpc.appendEntries': timer('an AppendEntries answered, heartbeats included'),
  'raft.rpc.appendEntries.storeLogs': timer('new entries of a follower written to its disk'),
  'raft.rpc.appendEntries.processLogs': timer('a follower handing entries to the FSM'),
  'raft.rpc.requestVote': timer('a request for a vote or pre-vote answered'),
  'raft.rpc.installSnapshot': timer('a snapshot received, restored and answered'),
  'raft.restoreUserSnapshot': timer('a snapshot of the user made the state of a quorum'),
  'raft.compactLogs': timer('the head of the log forgotten'),
  'raft.removeOldLogs': timer('the whole log forgotten, for a snapshot in its place'),
  'raft.snapshot.takeSnapshot': timer('a snapshot taken, all in all'),
  'raft.snapshot.create': timer('its place in the snapshot store made'),
  'raft.snapshot.persist': timer('its bytes written by the FSM'),
  'raft.replication.appendEntries.rpc': toPeer(timer('an AppendEntries sent and answered')),
  'raft.replication.appendEntries.logs': toPeer(counter('{entry}', 'entries in those')),
  'raft.replication.heartbeat': toPeer(timer('a heartbeat sent and answered')),
  'raft.replication.installSnapshot': toPeer(timer('a snapshot sent and answered')),
  'raft.net.getRPCType': timer('waiting for the next request of a connection, idle or not'),
  'raft.net.rpcDecode': byType(timer('a request decoded')),
  'raft.net.rpcEnqueue': byType(timer('a request on its way to the node')),
  'raft.net.rpcRespond': byType(timer('waiting for the answer of the node')),
  'raft.thread.main.saturation': sample('1', 'share of its time the main lane was busy'),
  'raft.thread.fsm.saturation': sample('1', 'share of its time the FSM was busy'),
  'raft.boltdb.getLog': timer('one entry read from the disk'),
  'raft.boltdb.storeLogs': timer('a batch of entries written to the disk'),
  'raft.boltdb.logSize': sample('{byte}', 'one entry, as it is stored'),
  'raft.boltdb.logsPerBatch': sample('{entry}', 'entries in a batch'),
  'raft.boltdb.logBatchSize': sample('{byte}', 'a batch, as it is stored'),
  'raft.boltdb.writeCapacity': sample('{entry}', 'entries a second that the disk could take'),
} as const satisfies Readonly<Record<string, MetricSpec>>;

/** What is known of each metric when the program is compiled. */
export type MetricSpecs = typeof specs;

/** A name of {@link METRICS}. */
export type MetricName = keyof MetricSpecs;

/** Every metric there is, under hashicorp's names. The table in docs/metrics.md is made of it. */
export const METRICS: Readonly<Record<MetricName, MetricSpec>> = specs;

type InstrumentFor<S extends MetricSpec> = S['kind'] extends 'counter' ? Counter : Recorder;

/** The instruments of some names. */
export type Instruments<Name extends MetricName = MetricName> = {
  readonly [N in Name]: InstrumentFor<MetricSpecs[N]>;
};

const MS_BOUNDARIES = [
  0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000,
];
const SHARE_BOUNDARIES = [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95];
const COUNT_BOUNDARIES = [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 4096, 65_536, 1_048_576];

/** Buckets that tell a fast disk from a slow one; the usual ones begin at 5 ms. */
function boundariesOf({ unit }: MetricSpec): number[] {
  if (unit === 'ms') return MS_BOUNDARIES;
  return unit === '1' ? SHARE_BOUNDARIES : COUNT_BOUNDARIES;
}

/** A name that OpenTelemetry takes: a peer's id may hold anything. */
function safeName(name: string): string {
  return name.replace(/[^A-Za-z0-9_.\-/]/g, '_').slice(0, 255);
}

function make(meter: Meter, name: string, spec: MetricSpec): Counter | Recorder {
  const { kind, unit, description } = spec;
  if (kind === 'counter') return meter.createCounter(name, { unit, description });
  if (kind === 'gauge') return meter.createGauge(name, { unit, description });
  const advice = { explicitBucketBoundaries: boundariesOf(spec) };
  return meter.createHistogram(name, { unit, description, advice });
}

/** Makes the instruments of `names`, each once. */
export function instrumentsOf<Name extends MetricName>(
  meter: Meter,
  names: readonly Name[],
): Instruments<Name> {
  const made = names.map((name) => [name, make(meter, name, METRICS[name])]);
  return Object.fromEntries(made) as Instruments<Name>;
}

/** Makes the instrument of a legacy name, which has a peer's id in it: `raft.x.y.PEER`. */
export function legacyInstrument<Name extends MetricName>(
  meter: Meter,
  name: Name,
  peer: string,
): Instruments<Name>[Name] {
  const { [name]: spec } = METRICS;
  return make(meter, safeName(`${name}.${peer}`), spec) as Instruments<Name>[Name];
}
