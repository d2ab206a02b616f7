interface Listening {
  readonly runs: Set<() => void>;
  readonly tell: () => void;
}

const listening = new WeakMap<AbortSignal, Listening>();

/**
 * Runs `run` once when `signal` is aborted, which it must not be yet. However many wait, a signal
 * gets one listener of ours: Node takes more than ten for a leak, and says so.
 *
 * @returns call it to stop waiting
 */
export function onAbort(signal: AbortSignal, run: () => void): () => void {
  const { runs, tell } = listening.get(signal) ?? listenTo(signal);
  runs.add(run);
  return () => {
    if (!runs.delete(run) || runs.size > 0) return;
    signal.removeEventListener('abort', tell);
    listening.delete(signal);
  };
}

function listenTo(signal: AbortSignal): Listening {
  const runs = new Set<() => void>();
  const tell = (): void => {
    listening.delete(signal);
    for (const run of runs) run();
  };
  const fresh = { runs, tell };
  listening.set(signal, fresh);
  signal.addEventListener('abort', tell, { once: true });
  return fresh;
}
