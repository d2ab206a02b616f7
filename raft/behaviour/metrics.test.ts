import { afterEach, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { type Measurement, RecordingMeter } from '../../testing/metrics-fixture.ts';
import { HookedStore, ListFSM, TestCluster, type TestNode } from '../../testing/runtime-fixture.ts';
import type { Config } from '../config.ts';
import type { Meter, WithMeter } from '../metrics.ts';

let nodes: TestCluster;

afterEach(() => nodes.close());

const meters = new Map<TestNode, RecordingMeter>();

/** A running cluster; each node has a meter of its own. */
async function cluster(count: number, config: Partial<Config> = {}) {
  nodes = new TestCluster();
  const made: RecordingMeter[] = [];
  await nodes.start(count, (i) => {
    const meter = new RecordingMeter();
    made[i] = meter;
    return { config: { meter, ...config }, store: new HookedStore(), fsm: new ListFSM() };
  });
  nodes.nodes.forEach((node, i) => {
    meters.set(node, made[i] ?? new RecordingMeter());
  });
  const leader = await nodes.leader();
  const others = nodes.nodes.filter((node) => node !== leader);
  return { nodes, time: nodes.time, leader, others, meter: meterOf(leader) };
}

function meterOf(node: TestNode | undefined): RecordingMeter {
  const meter = node === undefined ? undefined : meters.get(node);
  if (meter === undefined) throw new Error('a node without a meter');
  return meter;
}

function labelOf({ labels = {} }: Measurement): string | undefined {
  const { peer_id: id } = labels;
  return id;
}

function sum(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0);
}

function storeOf({ store }: TestNode): HookedStore {
  if (store instanceof HookedStore) return store;
  throw new Error('a store without hooks');
}

it('counts each call once, whatever comes of it', async () => {
  const { time, leader, others, meter } = await cluster(3);
  for (const { raft } of [leader, ...others]) {
    const futures = [raft.apply(utf8('x')), raft.applyLog({ data: utf8('y') }), raft.barrier()];
    await Promise.all([...futures, raft.verifyLeader()].map((future) => time.error(future)));
  }
  for (const node of nodes.nodes) {
    expect(sum(meterOf(node).values('raft.apply'))).toBe(2);
    expect(sum(meterOf(node).values('raft.barrier'))).toBe(1);
    expect(sum(meterOf(node).values('raft.verify_leader'))).toBe(1);
  }
  expect(meter.values('raft.restore')).toEqual([]);
});

it('counts every role that a node takes, and why it took it', async () => {
  const { time, leader, others, meter } = await cluster(3);
  for (const node of others) {
    expect(meterOf(node).values('raft.state.follower')).toEqual([1]);
    expect(meterOf(node).names).not.toContain('raft.state.leader');
  }
  expect(meter.values('raft.state.candidate')).toEqual([1]);
  expect(meter.values('raft.state.leader')).toEqual([1]);
  expect(meter.values('raft.transition.heartbeat_timeout')).toEqual([1]);
  expect(meter.values('raft.peers')).toEqual([3]);
  nodes.isolate(leader);
  await time.until(() => !leader.isLeader);
  expect(meter.values('raft.transition.leader_lease_timeout')).toEqual([1]);
  expect(meter.values('raft.state.follower')).toEqual([1, 1]);
});

it('counts each round of a campaign, but a lost leader once', async () => {
  const { time, leader, others } = await cluster(3);
  const [lonely] = others;
  if (lonely === undefined) throw new Error('there are three nodes');
  nodes.isolate(lonely);
  const meter = meterOf(lonely);
  await time.until(() => sum(meter.values('raft.state.candidate')) === 4);
  expect(meter.values('raft.transition.heartbeat_timeout')).toEqual([1]);
  expect(leader.isLeader).toBe(true);
});

it('measures an entry from its dispatch to its commit, and its way to the disk (S63)', async () => {
  const { time, leader, others, meter } = await cluster(3);
  await time.pass(100);
  for (const node of others) storeOf(node).onWrite = () => node.clock.sleep(7);
  storeOf(leader).onWrite = () => leader.clock.sleep(3);
  const before = meter.values('raft.commitTime').length;
  const futures = ['a', 'b', 'c'].map((data) => leader.raft.apply(utf8(data)));
  await time.result(Promise.all(futures));
  const times = meter.values('raft.commitTime').slice(before);
  expect(times).toHaveLength(3);
  for (const ms of times) {
    expect(ms).toBeGreaterThanOrEqual(7);
    expect(ms).toBeLessThan(12);
  }
  expect(meter.values('raft.leader.dispatchNumLogs').at(-1)).toBe(3);
  expect(meter.values('raft.leader.dispatchLog').at(-1)).toBe(3);
  expect(meter.values('raft.commitNumLogs').at(-1)).toBe(3);
  await nodes.agree(3);
  for (const follower of others) {
    expect(meterOf(follower).values('raft.rpc.appendEntries.storeLogs').at(-1)).toBe(7);
    expect(Math.max(...meterOf(follower).values('raft.rpc.appendEntries'))).toBe(7);
    expect(meterOf(follower).names).not.toContain('raft.commitTime');
  }
});

it('measures nothing as committed that a leader has lost', async () => {
  const { time, leader, others, meter } = await cluster(3);
  await time.result(leader.raft.apply(utf8('kept')));
  const before = meter.values('raft.commitTime').length;
  nodes.isolate(leader);
  const lost = leader.raft.apply(utf8('lost'));
  await time.until(() => !leader.isLeader);
  expect(await time.error(lost)).not.toBeNull();
  const next = await nodes.leader(others);
  nodes.connect();
  await time.result(next.raft.apply(utf8('kept too')));
  await nodes.agree(2);
  expect(meter.values('raft.commitTime')).toHaveLength(before);
});

it('measures each command that the FSM applies, and how long a restore takes', async () => {
  const { time, leader, meter } = await cluster(1);
  const { fsm, clock } = leader;
  if (!(fsm instanceof ListFSM)) throw new Error('the test needs its own FSM');
  fsm.onApply = () => clock.sleep(4);
  await time.result(Promise.all(['a', 'b'].map((data) => leader.raft.apply(utf8(data)))));
  expect(meter.values('raft.fsm.apply')).toEqual([4, 4]);
  fsm.onPersist = () => clock.sleep(9);
  await time.result(leader.raft.snapshot());
  expect(meter.values('raft.snapshot.persist')).toEqual([9]);
  expect(meter.values('raft.snapshot.takeSnapshot')).toEqual([9]);
  await leader.stop();
  leader.renew();
  await time.result(leader.start());
  expect(meter.values('raft.fsm.restore')).toHaveLength(1);
  expect(meter.values('raft.fsm.lastRestoreDuration')).toHaveLength(1);
});

it('samples the silence of every voter but itself when it looks at its lease (S51)', async () => {
  const { time, meter } = await cluster(3, { leaderLeaseTimeout: 40 });
  await time.pass(400);
  const samples = meter.values('raft.leader.lastContact');
  expect(samples.length).toBeGreaterThanOrEqual(20);
  expect(samples.length % 2).toBe(0);
  for (const ms of samples) expect(ms).toBeLessThanOrEqual(40);
});

it('tells the age of the log every 10 s as long as it leads (S202)', async () => {
  const { time, leader, meter } = await cluster(3);
  await time.pass(25_000);
  expect(meter.values('raft.leader.oldestLogAge')).toHaveLength(2);
  expect(meter.values('raft.leader.oldestLogAge')).toEqual([0, 0]); // a bootstrap has no time
  nodes.isolate(leader);
  await time.pass(30_000);
  expect(meter.values('raft.leader.oldestLogAge')).toHaveLength(2);
});

it('labels what it measures of a peer, and repeats it under the legacy name', async () => {
  const { time, leader, others, meter } = await cluster(3);
  await time.result(leader.raft.apply(utf8('x')));
  await nodes.agree(1);
  for (const metric of ['appendEntries.rpc', 'appendEntries.logs', 'heartbeat']) {
    const name = `raft.replication.${metric}`;
    const labels = new Set(meter.of(name).map((measured) => measured.labels));
    expect(labels.size).toBe(2); // the same object for every value of a peer
    for (const { id } of others) {
      const own = meter.of(name).filter((measured) => labelOf(measured) === id);
      expect(meter.values(`${name}.${id}`)).toEqual(own.map(({ value }) => value));
      expect(own.length).toBeGreaterThan(0);
    }
  }
  const [follower] = others;
  const logs = meter.values(`raft.replication.appendEntries.logs.${follower?.id}`);
  const bootstrapped = 1;
  expect(sum(logs)).toBe((follower?.raft.lastIndex() ?? 0) - bootstrapped);
});

it('leaves the legacy names out when it is told to', async () => {
  const { time, leader, meter } = await cluster(2, { noLegacyTelemetry: true });
  await time.result(leader.raft.apply(utf8('x')));
  expect(meter.names).toContain('raft.replication.appendEntries.rpc');
  expect(meter.made.map(({ name }) => name).filter((name) => /\.[ab]$/.test(name))).toEqual([]);
});

it('writes a peer into a legacy name as OpenTelemetry allows it', async () => {
  const { time, leader, meter } = await cluster(1);
  const unreachable = leader.raft.addNonvoter('10.0.0.1:7001 ü', 'nowhere:1');
  await time.result(unreachable);
  const late = nodes.add({ config: { localID: '10.0.0.2:7001' } });
  await late.start();
  nodes.connect();
  await time.result(leader.raft.addNonvoter('10.0.0.2:7001', late.address));
  await time.until(() => meter.names.includes('raft.replication.heartbeat.10.0.0.2_7001'));
  const labels = meter.of('raft.replication.heartbeat').map((measured) => measured.labels);
  expect(labels).toContainEqual({ peer_id: '10.0.0.2:7001' });
});

it('makes each instrument once', async () => {
  const { time, leader, meter } = await cluster(3);
  await time.result(leader.raft.leadershipTransfer());
  await nodes.leader();
  await time.result(
    (await nodes.leader()).raft.leadershipTransferToServer(leader.id, leader.address),
  );
  await nodes.leader();
  const names = meter.made.map(({ name }) => name);
  expect(names).toEqual([...new Set(names)]);
});

it('says how busy its lanes are, a hung disk included (S197)', async () => {
  const { time, leader, others } = await cluster(3);
  const [follower] = others;
  if (follower === undefined) throw new Error('there are three nodes');
  storeOf(follower).onWrite = () => follower.clock.sleep(20);
  for (let i = 0; i < 80; i += 1) {
    leader.raft.apply(utf8('x'));
    await time.pass(40);
  }
  const shares = meterOf(follower).values('raft.thread.main.saturation');
  expect(shares.length).toBeGreaterThanOrEqual(2);
  for (const share of shares.slice(1)) {
    expect(share).toBeGreaterThan(0.3);
    expect(share).toBeLessThan(0.7);
  }
  const idle = meterOf(leader).values('raft.thread.main.saturation');
  for (const share of idle) expect(share).toBe(0);
});

it('has its stores measure too, though it looks at what they answer', async () => {
  class MeasuringStore extends HookedStore implements WithMeter {
    readonly meters: Meter[] = [];
    useMeter(meter: Meter): void {
      this.meters.push(meter);
    }
  }
  const store = new MeasuringStore();
  const meter = new RecordingMeter();
  nodes = new TestCluster();
  await nodes.start(1, () => ({ config: { meter }, store }));
  expect(store.meters).toHaveLength(1);
  store.meters[0]?.createCounter('of the store').add(3);
  expect(meter.values('of the store')).toEqual([3]);
});

it.each(['a value', 'an instrument'])('goes on when its meter throws for %s', async (what) => {
  const fault = (): never => {
    throw new Error('the meter is broken');
  };
  const create = what === 'a value' ? () => ({ add: fault, record: fault }) : fault;
  const meter = { createCounter: create, createGauge: create, createHistogram: create };
  nodes = new TestCluster();
  await nodes.start(3, () => ({ config: { meter }, store: new HookedStore() }));
  const { raft } = await nodes.leader();
  await nodes.time.result(raft.apply(utf8('x')));
  await nodes.time.pass(11_000);
  expect(await nodes.time.error(raft.apply(utf8('y')))).toBeNull();
  await nodes.agree(2);
});
