import type { Observation, ObservationSink } from '../observation.ts';

function tell(sink: ObservationSink, observation: Observation): Promise<void> | undefined {
  try {
    return sink.observe(observation)?.catch(() => {});
  } catch {
    return undefined;
  }
}

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

  /**
   * Tells every observer; a promise, which never rejects, when blocking ones have to be waited for.
   * An observer that throws is the user's mistake and must not reach the node.
   */
  notify(observation: Observation): Promise<void> | undefined {
    const waiting: Promise<void>[] = [];
    for (const sink of this.#sinks) {
      const delivery = tell(sink, observation);
      if (delivery !== undefined) waiting.push(delivery);
    }
    return waiting.length === 0 ? undefined : Promise.all(waiting).then(() => undefined);
  }
}
