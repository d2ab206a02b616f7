import { expect, it } from 'vitest';
import { RecordingMeter } from '../../testing/metrics-fixture.ts';
import { Telemetry } from './telemetry.ts';

it('measures the commit of what a leader has dispatched, and forgets what it lost', () => {
  const meter = new RecordingMeter();
  let nowMs = 0;
  const telemetry = new Telemetry({ meter, noLegacy: false, nowMs: () => nowMs });
  const commit = (upTo: number): number[] => {
    const before = meter.values('raft.commitTime').length;
    telemetry.handedOver(upTo, nowMs);
    return meter.values('raft.commitTime').slice(before);
  };
  telemetry.dispatched(1, 3, 0);
  telemetry.dispatched(4, 6, 10);
  telemetry.dispatched(7, 7, 20);
  telemetry.forgetDispatched(5);
  nowMs = 30;
  expect(commit(4)).toEqual([30, 30, 30, 20]);
  expect(commit(7)).toEqual([20]);
  telemetry.dispatched(8, 9, 30);
  telemetry.forgetDispatched(7);
  expect(commit(9)).toEqual([]);
});
