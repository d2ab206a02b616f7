import { metrics } from '@opentelemetry/api';
import { afterEach, expect, it } from 'vitest';
import { METRICS } from '../raft/metrics.ts';
import { MeasuringSdk } from '../testing/metrics-fixture.ts';
import { openTelemetryMeter } from './open-telemetry.ts';

afterEach(() => metrics.disable());

const options = { unit: 'ms', description: 'what it is' };

it('does nothing as long as the application has no SDK', () => {
  const meter = openTelemetryMeter();
  meter.createCounter('c').add(1);
  meter.createGauge('g').record(1);
  meter.createHistogram('h', options).record(1, { peer_id: 'a' });
});

it('measures with an SDK that the application installs later, and with the next one', async () => {
  const meter = openTelemetryMeter();
  const counter = meter.createCounter('c', options);
  const gauge = meter.createGauge('g', options);
  const histogram = meter.createHistogram('h', {
    ...options,
    advice: { explicitBucketBoundaries: [1, 2] },
  });
  const measure = (value: number): void => {
    counter.add(value);
    gauge.record(value, { peer_id: 'a' });
    histogram.record(value);
  };
  const nextTurn = (): Promise<void> => new Promise((resume) => setImmediate(resume));
  measure(100);
  for (const first of [1, 10]) {
    const sdk = new MeasuringSdk();
    metrics.setGlobalMeterProvider(sdk.provider);
    await nextTurn();
    measure(first);
    measure(first + 1);
    const found = await sdk.read();
    expect(found.get('c')).toMatchObject({ kind: 'counter', points: [{ value: 2 * first + 1 }] });
    const point = { value: first + 1, attributes: { peer_id: 'a' } };
    expect(found.get('g')).toMatchObject({ kind: 'gauge', ...options, points: [point] });
    const value = { count: 2, sum: 2 * first + 1, buckets: { boundaries: [1, 2] } };
    expect(found.get('h')).toMatchObject({ kind: 'histogram', ...options, points: [{ value }] });
    metrics.disable();
    await nextTurn();
    measure(1000);
    await sdk.close();
  }
});

it('names every metric as OpenTelemetry wants it', () => {
  for (const name of Object.keys(METRICS)) expect(name).toMatch(/^[a-z][A-Za-z0-9_.\-/]{0,254}$/);
});
