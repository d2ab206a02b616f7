import process from 'node:process';
import type { PeerNode } from './node.ts';
import type { Request } from './request.ts';

const MICROSECONDS = 1e6;

/** Lets each of many clients begin an act when its last one is done; the times in milliseconds. */
async function closedLoop(
  clients: number,
  limitMs: number,
  act: () => PromiseLike<unknown>,
): Promise<number[]> {
  const timesMs: number[] = [];
  const endMs = performance.now() + limitMs;
  const client = async () => {
    for (let startMs = performance.now(); startMs < endMs; ) {
      await act();
      const nowMs = performance.now();
      timesMs.push(nowMs - startMs);
      startMs = nowMs;
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  return timesMs;
}

function percentile(sorted: Float64Array, share: number): number {
  return sorted[Math.max(Math.ceil(share * sorted.length) - 1, 0)] ?? 0;
}

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / MICROSECONDS;
}

/** Measures writes or linear reads by clients inside this process. */
export async function bench({ raft }: PeerNode, request: Request): Promise<object> {
  const mode = request.text('mode');
  const clients = request.number('concurrency');
  if (clients < 1 || request.number('seconds') <= 0 || (mode !== 'write' && mode !== 'read')) {
    throw new Error('bench wants seconds, concurrency and mode write or read');
  }
  const data = new Uint8Array(Math.max(request.number('size'), 1));
  const act = mode === 'write' ? () => raft.apply(data) : () => raft.readIndex();
  await closedLoop(clients, request.number('warmup') * 1000, act);
  const startMs = performance.now();
  const cpuBefore = cpuSeconds();
  const times = await closedLoop(clients, request.number('seconds') * 1000, act);
  const seconds = (performance.now() - startMs) / 1000;
  const sorted = Float64Array.from(times).sort();
  return {
    ops: times.length,
    seconds,
    p50: percentile(sorted, 0.5),
    p90: percentile(sorted, 0.9),
    p99: percentile(sorted, 0.99),
    max: percentile(sorted, 1),
    cpuSeconds: cpuSeconds() - cpuBefore,
    rss: process.memoryUsage.rss(),
  };
}
