import { setTimeout as sleep } from 'node:timers/promises';
import { cappedBackoffMs } from '../../internal/backoff.ts';
import { asError } from '../../raft/errors.ts';
import type { Logger } from '../../raft/logger.ts';

const ANSWER_LIMIT_MS = 15_000;
const PROBE_LIMIT_MS = 2000;
const RETRY_BASE_MS = 100;
const RETRY_CAP_MS = 5000;
const RETRY_DOUBLINGS = 10;

/** A node as it introduces itself. */
export interface Introduction {
  readonly id: string;
  readonly raft: string;
  readonly http: string;
}

/** The network's own words for a failed `fetch`, which hides them behind "fetch failed". */
export function reasonOf(error: unknown): string {
  const { message, cause } = asError(error);
  return cause instanceof Error && cause.message !== '' ? cause.message : message;
}

/** How one attempt ended. */
type Answer =
  | { readonly kind: 'joined' }
  | { readonly kind: 'again' | 'refused'; readonly problem: string };

async function ask(member: URL, self: Introduction, signal: AbortSignal): Promise<Answer> {
  try {
    // fetch follows a 307 to the leader with method and body as they are.
    const response = await fetch(new URL('/members', member), {
      method: 'POST',
      body: JSON.stringify(self),
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_LIMIT_MS)]),
    });
    const problem = (await response.text()).trim();
    if (response.ok) return { kind: 'joined' };
    return { kind: response.status < 500 ? 'refused' : 'again', problem };
  } catch (error) {
    return { kind: 'again', problem: reasonOf(error) };
  }
}

/**
 * Asks the cluster to add this node, by way of any member, until it is done.
 *
 * @throws Error when the cluster refuses, or when `signal` ends the wait
 */
export async function joinCluster(
  member: URL,
  self: Introduction,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  for (let round = 1; ; round += 1) {
    const answer = await ask(member, self, signal);
    if (answer.kind === 'joined') return;
    const { kind, problem } = answer;
    if (kind === 'refused') throw new Error(`${member.origin} refused this node: ${problem}`);
    const waitMs = cappedBackoffMs(RETRY_BASE_MS, round, RETRY_DOUBLINGS, RETRY_CAP_MS);
    logger.warn({ member: member.origin, 'retry-ms': waitMs, problem }, 'not a member yet');
    await sleep(waitMs, undefined, { signal });
  }
}

/** Asks the node at `http` who it is. @throws Error when nobody answers in time */
export async function probe(http: string): Promise<{ id: string; raft: string }> {
  let body: unknown;
  try {
    const signal = AbortSignal.timeout(PROBE_LIMIT_MS);
    const response = await fetch(`http://${http}/status`, { signal });
    body = await response.json();
  } catch (error) {
    throw new Error(reasonOf(error));
  }
  const { id, raft } = fieldsOf(body);
  if (typeof id === 'string' && typeof raft === 'string') return { id, raft };
  throw new Error('its /status is not that of a node');
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}
