import { expect, it } from 'vitest';
import { Channel } from '../internal/channel.ts';
import type { Observation, ObservationData } from '../raft/observation.ts';
import { Observers } from '../raft/runtime/observers.ts';
import { RaftState } from '../raft/state.ts';
import { newObserver } from './observer.ts';

function stateChange(state: RaftState): Observation {
  return { raft: null, data: { kind: 'RaftState', state } };
}

function registryWith(...observers: ReturnType<typeof newObserver>[]): Observers {
  const registry = new Observers();
  for (const observer of observers) registry.register(observer);
  return registry;
}

it('delivers what the filter lets through and counts only that (S157)', () => {
  const channel = new Channel<Observation>(4);
  const observer = newObserver(channel, false, ({ data }) => data.kind === 'RaftState');
  const registry = registryWith(observer);
  const data: ObservationData = { kind: 'ResumedHeartbeatObservation', peerID: 'b' };
  expect(registry.notify({ raft: null, data })).toBeUndefined();
  expect(registry.notify(stateChange(RaftState.Leader))).toBeUndefined();
  expect(channel.tryReceive()?.value.data).toEqual({ kind: 'RaftState', state: 2 });
  expect(channel.length).toBe(0);
  expect([observer.getNumObserved(), observer.getNumDropped()]).toEqual([1, 0]);
});

it('without a channel only runs the filter and counts nothing (S157)', () => {
  const seen: Observation[] = [];
  const observer = newObserver(null, true, (observation) => seen.push(observation) > 0);
  expect(registryWith(observer).notify(stateChange(RaftState.Follower))).toBeUndefined();
  expect(seen).toHaveLength(1);
  expect([observer.getNumObserved(), observer.getNumDropped()]).toEqual([0, 0]);
});

it('drops and counts what does not fit when it may not block (S157)', () => {
  const channel = new Channel<Observation>(1);
  const observer = newObserver(channel, false, null);
  const registry = registryWith(observer);
  for (let i = 0; i < 3; i += 1) {
    expect(registry.notify(stateChange(RaftState.Candidate))).toBeUndefined();
  }
  expect([observer.getNumObserved(), observer.getNumDropped()]).toEqual([1, 2]);
});

it('holds the node up until every blocking observer took it (S157)', async () => {
  const channels = [new Channel<Observation>(0), new Channel<Observation>(0)] as const;
  const observers = channels.map((channel) => newObserver(channel, true, null));
  const registry = registryWith(...observers);
  let told = false;
  const notified = registry.notify(stateChange(RaftState.Leader))?.then(() => {
    told = true;
  });
  expect(notified).toBeInstanceOf(Promise);
  await channels[0].receive();
  await new Promise((resolve) => setImmediate(resolve));
  expect(told).toBe(false);
  await channels[1].receive();
  await notified;
  expect(told).toBe(true);
  expect(observers.map((observer) => observer.getNumObserved())).toEqual([1, 1]);
});

it('lets go when the channel of a blocking observer is closed', async () => {
  const channel = new Channel<Observation>(0);
  const observer = newObserver(channel, true, null);
  const registry = registryWith(observer);
  const waiting = registry.notify(stateChange(RaftState.Leader));
  channel.close();
  await waiting;
  expect(registry.notify(stateChange(RaftState.Follower))).toBeUndefined();
  expect([observer.getNumObserved(), observer.getNumDropped()]).toEqual([0, 2]);
});

it('registers an observer once and stops telling it when it is taken out (S157)', () => {
  const observer = newObserver(new Channel<Observation>(9), false, null);
  const registry = registryWith(observer, observer);
  registry.notify(stateChange(RaftState.Leader));
  registry.deregister(observer);
  registry.deregister(observer);
  registry.notify(stateChange(RaftState.Follower));
  expect(observer.getNumObserved()).toBe(1);
});

it('takes a filter that throws for one that wants nothing', () => {
  const observer = newObserver(new Channel<Observation>(9), false, () => {
    throw new Error('mistake');
  });
  const other = newObserver(new Channel<Observation>(9), false, null);
  registryWith(observer, other).notify(stateChange(RaftState.Leader));
  expect([observer.getNumObserved(), observer.getNumDropped()]).toEqual([0, 1]);
  expect(other.getNumObserved()).toBe(1);
});

it('lets only so many wait for a blocking observer that nobody reads (S2, S157)', async () => {
  const channel = new Channel<Observation>(1);
  const observer = newObserver(channel, true, null);
  const registry = registryWith(observer);
  const waiting: (Promise<void> | undefined)[] = [];
  for (let i = 0; i < 1 + 1024 + 5; i += 1)
    waiting.push(registry.notify(stateChange(i % 2 ? 0 : 2)));
  expect(waiting.filter((one) => one !== undefined)).toHaveLength(1024);
  expect([observer.getNumObserved(), observer.getNumDropped()]).toEqual([1, 5]);
  for (let i = 0; i < 1 + 1024; i += 1) await channel.receive();
  await Promise.all(waiting);
  expect([observer.getNumObserved(), observer.getNumDropped()]).toEqual([1025, 5]);
});
