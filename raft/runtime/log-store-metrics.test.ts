import { expect, it } from 'vitest';
import { ZERO_TIME } from '../../internal/timestamp.ts';
import { InmemStore } from '../../store/inmem-store.ts';
import { RecordingMeter } from '../../testing/metrics-fixture.ts';
import { HookedStore, logOf, VirtualTime } from '../../testing/runtime-fixture.ts';
import { ErrLogNotFound } from '../errors.ts';
import type { LogStore } from '../log.ts';
import { emitLogStoreMetrics, oldestLog } from './log-store-metrics.ts';

it('finds the first entry of a log, and none in an empty one (test 97)', async () => {
  const store = new InmemStore();
  await expect(oldestLog(store)).rejects.toBe(ErrLogNotFound);
  store.storeLogs([logOf(1234, 1), logOf(1235, 1), logOf(1236, 2)]);
  expect((await oldestLog(store)).index).toBe(1234);
});

it('asks again as long as the first entry is forgotten meanwhile (S202)', async () => {
  const store = new HookedStore();
  store.inner.storeLogs([logOf(1, 1), logOf(2, 1), logOf(3, 1)]);
  store.onRead = (index) => {
    if (index < 3) store.inner.deleteRange(index, index);
  };
  expect((await oldestLog(store)).index).toBe(3);
});

it('gives up on a first entry that cannot be read twice (S202)', async () => {
  const store = new HookedStore();
  store.inner.storeLogs([logOf(7, 1)]);
  let reads = 0;
  store.onRead = () => {
    reads += 1;
    throw new Error('disk');
  };
  await expect(oldestLog(store)).rejects.toThrow('disk');
  expect(reads).toBe(2);
});

/** The ages that are told of a store within `ms`. */
async function agesOf(store: LogStore, time: VirtualTime, ms: number): Promise<readonly number[]> {
  const meter = new RecordingMeter();
  const metrics = emitLogStoreMetrics(store, meter.createGauge('foo'), time.clock, 1000);
  await time.pass(ms);
  metrics.cancel();
  const told = meter.values('foo');
  await time.pass(10_000);
  expect(meter.values('foo')).toEqual(told);
  return told;
}

it('tells how old the first entry is, as often as it should, until it ends (test 98)', async () => {
  const time = new VirtualTime();
  const store = new InmemStore();
  store.storeLogs([{ ...logOf(1, 1), appendedAt: time.clock.wallTime() }, logOf(2, 1)]);
  expect(await agesOf(store, time, 3500)).toEqual([1000, 2000, 3000]);
});

it('tells 0 of an age that it does not know: no entry, no time, no answer (S202)', async () => {
  const time = new VirtualTime();
  const store = new HookedStore();
  expect(await agesOf(store, time, 1500)).toEqual([0]);
  store.inner.storeLogs([{ ...logOf(1, 1), appendedAt: ZERO_TIME }]);
  expect(await agesOf(store, time, 1500)).toEqual([0]);
  store.inner.storeLogs([{ ...logOf(1, 1), appendedAt: time.clock.wallTime() }]);
  store.onRead = () => {
    throw new Error('disk');
  };
  expect(await agesOf(store, time, 1500)).toEqual([0]);
});
