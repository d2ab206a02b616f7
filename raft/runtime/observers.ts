import type { Observation, ObservationSink } from '../observation.ts';

/** The observers of one node. */
export class Observers {
  readonly #sinks = new Set<ObservationSink>();

  /** Adds an observer; adding it again changes nothing. */
  register(observer: ObservationSink): void {
    this.#sinks.add(observer);
  }

  /** Takes an observer out; one that is not there is no error. */
  deregister(observer: ObservationSink): void {
    this.#sinks.delete(observer);
  }

  /** Tells every observer; a promise when blocking ones have to be waited for. */
  notify(observation: Observation): Promise<void> | undefined {
    const waiting: Promise<void>[] = [];
    for (const sink of this.#sinks) {
      const delivery = sink.observe(observation);
      if (delivery !== undefined) waiting.push(delivery);
    }
    return waiting.length === 0 ? undefined : Promise.all(waiting).then(() => undefined);
  }
}
