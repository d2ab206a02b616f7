import { setTimeout as sleep } from 'node:timers/promises';
import type { KvClient, NodeStatus } from './client.ts';
import type { KvRecord } from './load.ts';
import { hashPair, PairKind } from './state-hash.ts';

const LOOK_INTERVAL_MS = 100;

/** True when nodes have applied the same entries and hold the same state. */
export function agree(statuses: readonly NodeStatus[]): boolean {
  const [first] = statuses;
  return statuses.every(
    ({ appliedIndex, records, hash }) =>
      appliedIndex === first?.appliedIndex && records === first.records && hash === first.hash,
  );
}

async function statusOrNull(client: KvClient, origin: string): Promise<NodeStatus | null> {
  try {
    return await client.status(origin);
  } catch {
    return null;
  }
}

/**
 * Looks at all nodes until `wanted` holds, or until `limitMs` is over.
 *
 * @returns what was seen last; `null` stands for a node that does not answer
 */
export async function lookUntil(
  client: KvClient,
  origins: readonly string[],
  wanted: (statuses: readonly NodeStatus[]) => boolean,
  limitMs: number,
  signal?: AbortSignal,
): Promise<{ readonly statuses: readonly (NodeStatus | null)[]; readonly held: boolean }> {
  const startMs = performance.now();
  for (;;) {
    const statuses = await Promise.all(origins.map((origin) => statusOrNull(client, origin)));
    const up = statuses.filter((status) => status !== null);
    const held = up.length === origins.length && wanted(up);
    if (held || performance.now() - startMs > limitMs) return { statuses, held };
    await sleep(LOOK_INTERVAL_MS, undefined, signal === undefined ? {} : { signal });
  }
}

/**
 * Reads every record a node holds and compares it with what was acknowledged.
 *
 * @returns the keys of acknowledged records that are missing there or have another value
 */
export async function missingFrom(
  client: KvClient,
  origin: string,
  acknowledged: readonly KvRecord[],
): Promise<string[]> {
  const found = new Map<string, string>();
  for await (const { key, hash } of client.dump(origin)) found.set(key, hash);
  return acknowledged
    .filter(({ key, value }) => found.get(key) !== hashPair(PairKind.Record, key, value))
    .map(({ key }) => key);
}
