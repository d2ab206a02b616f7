const settled = Promise.resolve();

/**
 * Runs `run` when what runs now is done, before any timer or event: `queueMicrotask` without the
 * bookkeeping that Node adds to it. What `run` throws becomes an unhandled rejection.
 */
export function soon(run: () => void): void {
  void settled.then(run);
}
