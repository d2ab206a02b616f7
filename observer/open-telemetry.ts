import { type MeterProvider, metrics } from '@opentelemetry/api';
import { systemClock } from '../internal/clock.ts';
import type { Counter, InstrumentOptions, Meter, MetricLabels, Recorder } from '../raft/metrics.ts';

/** The name under which OpenTelemetry knows who measures. */
const SCOPE = 'quorate';

/**
 * The SDK that is installed at the moment. OpenTelemetry's API hands out meters that stay silent
 * for ever when no SDK is there yet, so it is looked at again, once a turn of the event loop: a
 * look for each value would cost more than the rest of measuring does.
 */
class InstalledSdk {
  #provider = metrics.getMeterProvider();
  #isFresh = false;
  readonly #expire = (): void => {
    this.#isFresh = false;
  };

  get provider(): MeterProvider {
    if (!this.#isFresh) {
      this.#isFresh = true;
      this.#provider = metrics.getMeterProvider();
      systemClock.afterIO(this.#expire);
    }
    return this.#provider;
  }
}

/** An instrument that is made anew for each SDK. */
class Late<Instrument> {
  readonly #sdk: InstalledSdk;
  readonly #make: (meter: Meter) => Instrument;
  #provider: MeterProvider;
  #instrument: Instrument;

  constructor(sdk: InstalledSdk, make: (meter: Meter) => Instrument) {
    this.#sdk = sdk;
    this.#make = make;
    this.#provider = sdk.provider;
    this.#instrument = make(this.#provider.getMeter(SCOPE));
  }

  get current(): Instrument {
    const { provider } = this.#sdk;
    if (provider !== this.#provider) {
      this.#provider = provider;
      this.#instrument = this.#make(provider.getMeter(SCOPE));
    }
    return this.#instrument;
  }
}

class LateCounter implements Counter {
  readonly #late: Late<Counter>;

  constructor(sdk: InstalledSdk, make: (meter: Meter) => Counter) {
    this.#late = new Late(sdk, make);
  }

  add(value: number, labels?: MetricLabels): void {
    this.#late.current.add(value, labels);
  }
}

class LateRecorder implements Recorder {
  readonly #late: Late<Recorder>;

  constructor(sdk: InstalledSdk, make: (meter: Meter) => Recorder) {
    this.#late = new Late(sdk, make);
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
  const sdk = new InstalledSdk();
  return {
    createCounter: (name: string, options?: InstrumentOptions) =>
      new LateCounter(sdk, (meter) => meter.createCounter(name, options)),
    createGauge: (name: string, options?: InstrumentOptions) =>
      new LateRecorder(sdk, (meter) => meter.createGauge(name, options)),
    createHistogram: (name: string, options?: InstrumentOptions) =>
      new LateRecorder(sdk, (meter) => meter.createHistogram(name, options)),
  };
}
