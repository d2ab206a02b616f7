/**
 * How fast the checksum of a snapshot is computed, on this thread: `npm run bench:crc64`. What it
 * says is no promise but a measure of this machine.
 */
import { Crc64 } from '../internal/crc64.ts';

const ROUNDS = 9;
const CHUNKS = 256;
const chunk = Uint8Array.from({ length: 1024 * 1024 }, (_, i) => i * 7 + (i >> 8));

/** Megabytes a second, once. */
function round(): number {
  const checksum = new Crc64();
  const startMs = performance.now();
  for (let i = 0; i < CHUNKS; i += 1) checksum.update(chunk);
  checksum.digest();
  return (CHUNKS * chunk.length) / 1e3 / (performance.now() - startMs);
}

round();
const speeds = Array.from({ length: ROUNDS }, round).sort((a, b) => a - b);
const [slowest = 0] = speeds;
const median = speeds[Math.floor(ROUNDS / 2)] ?? 0;
const all = `slowest ${slowest.toFixed(0)}, fastest ${(speeds.at(-1) ?? 0).toFixed(0)}`;
console.log(`CRC-64: ${median.toFixed(0)} MB/s (median of ${ROUNDS} rounds; ${all})`);
