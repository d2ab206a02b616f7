import type { FastifyReply, FastifyRequest } from 'fastify';
import {
  ErrAbortedByRestore,
  ErrEnqueueTimeout,
  ErrLeadershipLost,
  ErrLeadershipTransferInProgress,
  ErrNotLeader,
  ErrRaftShutdown,
  RaftError,
} from '../../raft/errors.ts';
import type { ApplyOutcome } from '../../raft/future.ts';

/** An answer that is not the one that was asked for: thrown anywhere in a handler. */
export class HttpError extends Error {
  override readonly name = 'HttpError';
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly outcome: ApplyOutcome | undefined;

  constructor(
    status: number,
    message: string,
    options: { headers?: Record<string, string>; outcome?: ApplyOutcome } = {},
  ) {
    super(message);
    this.status = status;
    this.headers = options.headers ?? {};
    this.outcome = options.outcome;
  }
}

/** The caller sent something that cannot be done; says what was expected and what came. */
export function badRequest(message: string): HttpError {
  return new HttpError(400, message);
}

/** Nothing is wrong with the request, but nobody can serve it now. */
export function unavailable(message: string, outcome?: ApplyOutcome): HttpError {
  return new HttpError(503, message, {
    headers: { 'retry-after': '1' },
    ...(outcome === undefined ? {} : { outcome }),
  });
}

/** Codes of what may well succeed when it is tried again. */
const retryable: ReadonlySet<string> = new Set([
  ErrNotLeader.code,
  ErrLeadershipLost.code,
  ErrLeadershipTransferInProgress.code,
  ErrEnqueueTimeout.code,
  ErrRaftShutdown.code,
  ErrAbortedByRestore.code,
  'ERR_LEADERSHIP_TRANSFER_TIMEOUT',
  'ERR_TIMEOUT_NOW_FAILED',
]);

/** Codes of what the cluster, as it is at the moment, does not allow. */
const conflicts: ReadonlySet<string> = new Set([
  'ERR_INVALID_CONFIGURATION',
  'ERR_CONFIGURATION_CHANGED',
  'ERR_NO_TRANSFER_TARGET',
  'ERR_UNKNOWN_PEER',
  'ERR_TRANSFER_TO_NONVOTER',
  'ERR_SNAPSHOT_TOO_EARLY',
]);

/** What a failed operation of the node means to an HTTP caller. */
export function fromRaftError(error: Error, outcome?: ApplyOutcome): HttpError {
  const code = error instanceof RaftError ? error.code : '';
  if (retryable.has(code)) return unavailable(error.message, outcome);
  if (conflicts.has(code)) return new HttpError(409, error.message);
  return new HttpError(500, error.message, outcome === undefined ? {} : { outcome });
}

/** True for the errors that fastify makes of a request it cannot take. */
function isFastifyError(error: Error): error is Error & { statusCode: number; code: string } {
  return (
    'statusCode' in error &&
    typeof error.statusCode === 'number' &&
    'code' in error &&
    typeof error.code === 'string'
  );
}

function asHttpError(error: Error, request: FastifyRequest): HttpError {
  if (error instanceof HttpError) return error;
  if (!isFastifyError(error)) return new HttpError(500, error.message);
  switch (error.code) {
    case 'FST_ERR_CTP_BODY_TOO_LARGE':
      return new HttpError(
        413,
        `expected a body of at most ${request.routeOptions.bodyLimit} bytes, got a larger one`,
      );
    case 'FST_ERR_BAD_URL':
      return badRequest(`expected a percent-encoded path, got ${request.url}`);
    default:
      return new HttpError(error.statusCode, error.message);
  }
}

/** Turns whatever a handler threw into a JSON answer. */
export function sendError(error: Error, request: FastifyRequest, reply: FastifyReply): void {
  const { status, message, headers, outcome } = asHttpError(error, request);
  // JSON leaves out a field that is undefined.
  const body = JSON.stringify({ error: message, outcome });
  void reply
    .code(status)
    .headers({ ...headers, 'content-type': 'application/json; charset=utf-8' })
    .send(`${body}\n`);
}
