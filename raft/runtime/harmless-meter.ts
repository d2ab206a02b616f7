import {
  type Counter,
  type Meter,
  type MetricLabels,
  type Recorder,
  silentMeter,
} from '../metrics.ts';

class HarmlessCounter implements Counter {
  readonly #counter: Counter;

  constructor(counter: Counter) {
    this.#counter = counter;
  }

  add(value: number, labels?: MetricLabels): void {
    try {
      this.#counter.add(value, labels);
    } catch {
      // One value less.
    }
  }
}

class HarmlessRecorder implements Recorder {
  readonly #recorder: Recorder;

  constructor(recorder: Recorder) {
    this.#recorder = recorder;
  }

  record(value: number, labels?: MetricLabels): void {
    try {
      this.#recorder.record(value, labels);
    } catch {
      // One value less.
    }
  }
}

function orElse<T>(make: () => T, otherwise: T): T {
  try {
    return make();
  } catch {
    return otherwise;
  }
}

/**
 * The same meter, without what it throws. Values are taken in the middle of writes and answers: an
 * error there would stop the node, or end the process as a rejection that nobody handles.
 */
export function harmlessMeter(meter: Meter): Meter {
  if (meter === silentMeter) return meter;
  const { createCounter, createGauge, createHistogram } = silentMeter;
  return {
    createCounter: (name, options) =>
      new HarmlessCounter(orElse(() => meter.createCounter(name, options), createCounter(name))),
    createGauge: (name, options) =>
      new HarmlessRecorder(orElse(() => meter.createGauge(name, options), createGauge(name))),
    createHistogram: (name, options) =>
      new HarmlessRecorder(
        orElse(() => meter.createHistogram(name, options), createHistogram(name)),
      ),
  };
}
