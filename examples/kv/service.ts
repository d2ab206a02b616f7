import {
  ErrEnqueueTimeout,
  ErrLeadershipTransferInProgress,
  ErrNotLeader,
} from '../../raft/errors.ts';
import type { ApplyFuture, ApplyOutcome, Future } from '../../raft/future.ts';
import type { RaftNode } from '../../raft/node.ts';
import { type Command, encodeCommand } from './commands.ts';
import { type Applied, isApplied, type KvFsm } from './fsm.ts';
import { fromRaftError, HttpError, unavailable } from './http-errors.ts';

/** What the HTTP layer works on. */
export interface Service {
  readonly id: string;
  /** Where this node serves HTTP, as `host:port`. */
  readonly http: string;
  /** Where other nodes reach this one. */
  readonly raftAddress: string;
  readonly raft: RaftNode;
  readonly fsm: KvFsm;
  /** How often the FSM had been restored when the node was up: later ones came from a leader. */
  readonly restoresAtStart: number;
  /** Time a command may wait to be accepted, in milliseconds. */
  readonly enqueueTimeoutMs: number;
  /** Time after which a request is answered even when its fate is not known, in milliseconds. */
  readonly requestTimeoutMs: number;
  /** Asks a node that wants to join who it is; rejects when nobody answers. */
  readonly probe: (http: string) => Promise<{ readonly id: string; readonly raft: string }>;
}

/** A command that took effect. */
export interface Proposed extends Applied {
  readonly index: number;
}

const late = Symbol('late');

/** What becomes of a future, or `late` after `limitMs`. */
function errorWithin(
  future: Future<unknown>,
  limitMs: number,
): Promise<Error | null | typeof late> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, limitMs, late);
    // It never rejects, as Go's Error() never panics.
    void future.error().then((error) => {
      clearTimeout(timer);
      resolve(error);
    });
  });
}

/**
 * The answer that sends a caller to the leader: 307 with its address, or 503 when none is known.
 *
 * @param url path and query of the request
 */
export function notLeader(service: Service, url: string): HttpError {
  const { id } = service.raft.leaderWithID();
  const http = id === service.id ? undefined : service.fsm.members.get(id);
  if (http !== undefined) {
    const location = `http://${http}${url}`;
    return new HttpError(307, `node "${service.id}" is not the leader; ask ${location}`, {
      headers: { location },
    });
  }
  return unavailable('no leader is known at the moment', 'not-applied');
}

/** Errors after which it is sure that nothing was appended. */
const notAppended: ReadonlySet<Error> = new Set([
  ErrNotLeader,
  ErrEnqueueTimeout,
  ErrLeadershipTransferInProgress,
]);

function refusal(service: Service, url: string, error: Error, outcome?: ApplyOutcome): HttpError {
  return error === ErrNotLeader ? notLeader(service, url) : fromRaftError(error, outcome);
}

/**
 * Waits for something that only a leader does; redirects when this node is none.
 *
 * @param kind whether a failure leaves open if something was changed
 */
export async function asLeader<T>(
  service: Service,
  url: string,
  kind: 'read' | 'change',
  future: Future<T>,
): Promise<T> {
  const error = await errorWithin(future, service.requestTimeoutMs);
  if (error === late) {
    const outcome = kind === 'change' ? 'unknown' : undefined;
    throw unavailable(`no answer within ${service.requestTimeoutMs} ms`, outcome);
  }
  if (error === null) return await future;
  if (kind === 'read') throw refusal(service, url, error);
  throw refusal(service, url, error, notAppended.has(error) ? 'not-applied' : 'unknown');
}

/** Hands a command to the node; {@link applied} waits for it. */
export function submit(service: Service, command: Command): ApplyFuture {
  return service.raft.apply(encodeCommand(command), service.enqueueTimeoutMs);
}

/** Waits until a command that was handed in is applied here. */
export async function applied(
  service: Service,
  url: string,
  future: ApplyFuture,
): Promise<Proposed> {
  const error = await errorWithin(future, service.requestTimeoutMs);
  if (error === late) {
    throw unavailable(`not applied within ${service.requestTimeoutMs} ms`, 'unknown');
  }
  if (error !== null) {
    throw refusal(service, url, error, future.outcome());
  }
  const response = future.response();
  if (!isApplied(response)) throw new HttpError(500, `the store refused: ${String(response)}`);
  return { index: future.index(), existed: response.existed };
}

/** Proposes a command and waits until it is applied here. */
export function propose(service: Service, url: string, command: Command): Promise<Proposed> {
  return applied(service, url, submit(service, command));
}
