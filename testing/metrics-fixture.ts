import {
  type DataPoint,
  DataPointType,
  MeterProvider,
  MetricReader,
} from '@opentelemetry/sdk-metrics';
import type { InstrumentOptions, Meter, MetricLabels } from '../raft/metrics.ts';

/** A reader that reads when it is asked to. */
class AskedReader extends MetricReader {
  protected override async onForceFlush(): Promise<void> {}
  protected override async onShutdown(): Promise<void> {}
}

/** What one metric is and has measured. */
export interface Measured {
  readonly kind: 'counter' | 'gauge' | 'histogram';
  readonly unit: string;
  readonly description: string;
  readonly points: readonly DataPoint<unknown>[];
}

/** A real SDK of OpenTelemetry, and what its meters have measured so far. */
export class MeasuringSdk {
  readonly #reader = new AskedReader();
  readonly provider = new MeterProvider({ readers: [this.#reader] });

  get meter(): Meter {
    return this.provider.getMeter('quorate');
  }

  /** Everything that was measured, by name. */
  async read(): Promise<Map<string, Measured>> {
    const { resourceMetrics, errors } = await this.#reader.collect();
    if (errors.length > 0) throw errors[0];
    const found = new Map<string, Measured>();
    for (const { metrics } of resourceMetrics.scopeMetrics) {
      for (const metric of metrics) {
        const { name, unit, description } = metric.descriptor;
        const points = metric.dataPoints as readonly DataPoint<unknown>[];
        if (found.has(name)) throw new Error(`${name} is there twice`);
        found.set(name, { kind: kindOf(metric.dataPointType), unit, description, points });
      }
    }
    return found;
  }

  async close(): Promise<void> {
    await this.provider.shutdown();
  }
}

function kindOf(type: DataPointType): Measured['kind'] {
  if (type === DataPointType.SUM) return 'counter';
  return type === DataPointType.GAUGE ? 'gauge' : 'histogram';
}

/** One value that was measured. */
export interface Measurement {
  readonly value: number;
  readonly labels: MetricLabels | undefined;
}

/** A meter that remembers every single value, in order. */
export class RecordingMeter implements Meter {
  readonly #values = new Map<string, Measurement[]>();
  /** How each instrument was made. */
  readonly made: (InstrumentOptions & { readonly name: string })[] = [];

  /** What was measured under a name. */
  of(name: string): readonly Measurement[] {
    return this.#values.get(name) ?? [];
  }

  /** The same without labels. */
  values(name: string): readonly number[] {
    return this.of(name).map(({ value }) => value);
  }

  /** All names that anything was measured under. */
  get names(): string[] {
    return [...this.#values.keys()].sort();
  }

  createCounter(name: string, options?: InstrumentOptions) {
    return { add: this.#note(name, options) };
  }

  createGauge(name: string, options?: InstrumentOptions) {
    return { record: this.#note(name, options) };
  }

  createHistogram(name: string, options?: InstrumentOptions) {
    return { record: this.#note(name, options) };
  }

  #note(name: string, options?: InstrumentOptions) {
    this.made.push({ name, ...options });
    return (value: number, labels?: MetricLabels): void => {
      const before = this.#values.get(name);
      if (before === undefined) this.#values.set(name, [{ value, labels }]);
      else before.push({ value, labels });
    };
  }
}
