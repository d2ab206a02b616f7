import { createServer, type IncomingMessage, type Server } from 'node:http';
import { type RaftNode, RaftState, type ServerID } from '../../index.ts';
import { type LockService, NotApplied, type Reply } from './lock-service.ts';

const MAX_BODY_BYTES = 4096;
const MAX_NAME_LENGTH = 200;
const MAX_TTL_MS = 3_600_000;

/** What the HTTP side of a node works on. */
export interface HttpParts {
  readonly raft: RaftNode;
  readonly service: LockService;
  /** Where each server of the cluster serves HTTP, as `host:port`. */
  readonly addresses: ReadonlyMap<ServerID, string>;
}

interface HttpAnswer {
  readonly status: number;
  readonly body: object;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A request that cannot be served as it is; says what was expected. */
class BadRequest extends Error {
  override readonly name = 'BadRequest';
}

/** What a client may send; nothing of it is checked yet. */
interface Body {
  readonly owner?: unknown;
  readonly token?: unknown;
  readonly ttlMs?: unknown;
}

async function bodyOf(request: IncomingMessage): Promise<Body> {
  const chunks: Uint8Array[] = [];
  let sizeBytes = 0;
  for await (const chunk of request) {
    sizeBytes += chunk.length;
    if (sizeBytes > MAX_BODY_BYTES)
      throw new BadRequest(`expected at most ${MAX_BODY_BYTES} bytes`);
    chunks.push(chunk);
  }
  try {
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString());
    if (typeof body === 'object' && body !== null) return { ...body };
  } catch {
    // Falls through to the one answer for whatever is no object.
  }
  throw new BadRequest('expected a JSON object');
}

function integer(value: unknown, name: string, limit: number): number {
  if (Number.isSafeInteger(value) && Number(value) >= 1 && Number(value) <= limit) {
    return Number(value);
  }
  throw new BadRequest(`expected ${name} to be a whole number from 1 to ${limit}, got ${value}`);
}

function text(value: unknown, name: string): string {
  if (typeof value === 'string' && value !== '' && value.length <= MAX_NAME_LENGTH) return value;
  throw new BadRequest(`expected ${name} to be a text of 1 to ${MAX_NAME_LENGTH} characters`);
}

/** `/locks/<name>` or `/locks/<name>/<action>`. */
function parsePath(url: string): { lock: string; action: string } | null {
  const match = /^\/locks\/([^/?]+)(?:\/(acquire|renew|release))?$/.exec(url);
  if (match === null) return null;
  const [, name = '', action = ''] = match;
  try {
    return { lock: text(decodeURIComponent(name), 'the name of the lock'), action };
  } catch {
    throw new BadRequest('expected a percent-encoded name of 1 to 200 characters');
  }
}

function answerOf({ granted, lease }: Reply): HttpAnswer {
  return { status: granted ? 200 : 409, body: lease ?? {} };
}

async function handle(request: IncomingMessage, { service }: HttpParts): Promise<HttpAnswer> {
  const path = parsePath(request.url ?? '');
  if (path === null) return { status: 404, body: { error: 'expected /locks/NAME' } };
  const { lock, action } = path;
  if (request.method === 'GET' && action === '') {
    const lease = await service.get(lock);
    return { status: lease === null ? 404 : 200, body: lease ?? { error: 'nobody holds it' } };
  }
  if (request.method !== 'POST' || action === '') {
    const error = 'expected GET /locks/NAME or POST /locks/NAME/acquire, renew or release';
    return { status: 405, body: { error } };
  }
  const body = await bodyOf(request);
  if (action === 'acquire') {
    const ttlMs = integer(body.ttlMs, 'ttlMs', MAX_TTL_MS);
    return answerOf(await service.acquire(lock, text(body.owner, 'owner'), ttlMs));
  }
  const token = integer(body.token, 'token', Number.MAX_SAFE_INTEGER);
  if (action === 'release') return answerOf(await service.release(lock, token));
  return answerOf(await service.renew(lock, token, integer(body.ttlMs, 'ttlMs', MAX_TTL_MS)));
}

/** The answer to what was thrown: to the leader, try again, or what was wrong with it. */
function failure(thrown: unknown, url: string, { raft, addresses }: HttpParts): HttpAnswer {
  if (thrown instanceof BadRequest) return { status: 400, body: { error: thrown.message } };
  if (!(thrown instanceof NotApplied)) return { status: 500, body: { error: String(thrown) } };
  const { message: error, outcome } = thrown;
  const { id, address } = raft.leaderWithID();
  const http = addresses.get(id);
  const isElsewhere = http !== undefined && address !== '' && raft.state() !== RaftState.Leader;
  if (outcome === 'not-applied' && isElsewhere) {
    return { status: 307, body: { error }, headers: { location: `http://${http}${url}` } };
  }
  return { status: 503, body: { error, outcome }, headers: { 'retry-after': '1' } };
}

/** An HTTP server for one node; the caller lets it listen. */
export function newHttpServer(parts: HttpParts): Server {
  return createServer((request, response) => {
    void handle(request, parts)
      .catch((thrown: unknown) => failure(thrown, request.url ?? '', parts))
      .then(({ status, body, headers }) => {
        response.writeHead(status, { 'content-type': 'application/json', ...headers });
        response.end(`${JSON.stringify(body)}\n`);
      });
  });
}
