/**
 * A source of randomness. Every draw of a node comes from one of these, so a seed replays a run.
 */
export interface Random {
  /** A number drawn evenly from [0, 1). */
  next(): number;
}

/** Randomness of the platform: fine for timers, not for secrets. */
export const systemRandom: Random = { next: () => Math.random() };

/**
 * A small seeded generator (mulberry32). The same seed gives the same numbers on every machine.
 *
 * @param seed any integer; only its lowest 32 bits count
 */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0;
  return {
    next(): number {
      state = (state + 0x6d2b79f5) >>> 0;
      let t = state;
      t = Math.imul(t ^ (t >>> 15), t | 1);
      t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
      return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
    },
  };
}

/** A whole number drawn evenly from [low, high], both ends included. */
export function randomInteger(random: Random, low: number, high: number): number {
  return low + Math.floor(random.next() * (high - low + 1));
}
