import { type MeterProvider, metrics } from '@opentelemetry/api';
import type { Counter, InstrumentOptions, Meter, MetricLabels, Recorder } from '../raft/metrics.ts';

/** The name under which OpenTelemetry knows who measures. */
const SCOPE = 'quorate';

/**
 * An instrument of whatever SDK is installed at the moment. OpenTelemetry's API hands out meters
 * that stay silent for ever when no SDK is there yet, so the provider is looked at each time.
 */
class Late<Instrument> {
  readonly #make: (meter: Meter) => Instrument;
  #provider: MeterProvider;
  #instrument: Instrument;

  constructor(make: (meter: Meter) => Instrument) {
    this.#make = make;
    this.#provider = metrics.getMeterProvider();
    this.#instrument = make(this.#provider.getMeter(SCOPE));
  }

  get current(): Instrument {
    const provider = metrics.getMeterProvider();
    if (provider !== this.#provider) {
      this.#provider = provider;
      this.#instrument = this.#make(provider.getMeter(SCOPE));
    }
    return this.#instrument;
  }
}

class LateCounter implements Counter {
  readonly #late: Late<Counter>;

  constructor(make: (meter: Meter) => Counter) {
    this.#late = new Late(make);
  }

  add(value: number, labels?: MetricLabels): void {
    this.#late.current.add(value, labels);
  }
}

class LateRecorder implements Recorder {
  readonly #late: Late<Recorder>;

  constructor(make: (meter: Meter) => Recorder) {
    this.#late = new Late(make);
  }

  record(value: number, labels?: MetricLabels): void {
    this.#late.current.record(value, labels);
  }
}

/**
 * The meter of the OpenTelemetry SDK that the application has installed, or installs later; without
 * one it does nothing. It is what a node writes to unless its config names another meter. Beyond
 * Go, which writes to the global sink of go-metrics.
 */
export function openTelemetryMeter(): Meter {
  return {
    createCounter: (name: string, options?: InstrumentOptions) =>
      new LateCounter((meter) => meter.createCounter(name, options)),
    createGauge: (name: string, options?: InstrumentOptions) =>
      new LateRecorder((meter) => meter.createGauge(name, options)),
    createHistogram: (name: string, options?: InstrumentOptions) =>
      new LateRecorder((meter) => meter.createHistogram(name, options)),
  };
}
