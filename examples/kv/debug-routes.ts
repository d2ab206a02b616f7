import { setTimeout as sleep } from 'node:timers/promises';
import type { FastifyInstance } from 'fastify';
import { HttpError } from './http-errors.ts';

/** What a leak would make grow. Sizes are bytes. */
export interface Memory {
  readonly heapUsed: number;
  readonly external: number;
  readonly arrayBuffers: number;
  /** Open handles by kind, such as sockets and timers. */
  readonly resources: Readonly<Record<string, number>>;
}

function openResources(): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

/** Collects garbage and measures. @throws HttpError 501 without `node --expose-gc` */
async function measure(): Promise<Memory> {
  const { gc } = globalThis;
  if (gc === undefined) throw new HttpError(501, 'expected node --expose-gc, got a plain node');
  // Some memory is only given back a turn after its owner was collected.
  for (let round = 0; round < 4; round += 1) {
    gc();
    await sleep(10);
  }
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  return { heapUsed, external, arrayBuffers, resources: openResources() };
}

/** For tests that look for leaks; off unless asked for. */
export function addDebugRoutes(app: FastifyInstance): void {
  app.get('/debug/memory', () => measure());
}
