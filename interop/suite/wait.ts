import { setTimeout as sleep } from 'node:timers/promises';

const INTERVAL_MS = 20;

/** Asks again and again until there is an answer. @throws Error when there is none in time */
export async function waitFor<T>(
  what: string,
  look: () => Promise<T | undefined | false>,
  limitMs = 60_000,
): Promise<T> {
  const endMs = performance.now() + limitMs;
  let problem = '';
  for (;;) {
    try {
      const found = await look();
      if (found !== undefined && found !== false) return found;
      problem = '';
    } catch (error) {
      problem = `: ${error instanceof Error ? error.message : String(error)}`;
    }
    if (performance.now() > endMs) throw new Error(`waited ${limitMs} ms for ${what}${problem}`);
    await sleep(INTERVAL_MS);
  }
}
