import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { parseBatch } from './batch.ts';
import { keyProblem, limits } from './commands.ts';
import { badRequest, HttpError } from './http-errors.ts';
import { asLeader, propose, type Service } from './service.ts';
import type { StatePicture } from './state.ts';
import { hashPair, PairKind } from './state-hash.ts';

/** How fresh a read must be. */
type Consistency = 'stale' | 'leader' | 'linear';

const DUMP_SLICE_BYTES = 64 * 1024;

interface KeyRoute {
  readonly Params: { readonly key: string };
}

function keyOf(request: FastifyRequest<KeyRoute>): string {
  const { key } = request.params;
  const problem = keyProblem(key);
  if (problem !== undefined) throw badRequest(problem);
  return key;
}

function consistencyOf(query: unknown): Consistency {
  const asked =
    typeof query === 'object' && query !== null && 'consistency' in query
      ? query.consistency
      : 'linear';
  if (asked === 'stale' || asked === 'leader' || asked === 'linear') return asked;
  throw badRequest(`expected consistency stale, leader or linear, got ${String(asked)}`);
}

/** Resolves when a local read is as fresh as the request asks; redirects when it cannot be. */
async function awaitFreshness(service: Service, request: FastifyRequest): Promise<void> {
  const consistency = consistencyOf(request.query);
  if (consistency === 'stale') return;
  const { raft, enqueueTimeoutMs } = service;
  const fresh = consistency === 'leader' ? raft.verifyLeader() : raft.readIndex(enqueueTimeoutMs);
  await asLeader<unknown>(service, request.url, 'read', fresh);
}

function bodyOf(request: FastifyRequest): Uint8Array {
  return request.body instanceof Uint8Array ? request.body : new Uint8Array();
}

/** One line a record: its key, the size of its value, and the hash of both. */
function* dumpLines(picture: StatePicture): Generator<string, void> {
  let slice = '';
  for (const [key, value] of picture.records()) {
    const hash = hashPair(PairKind.Record, key, value);
    slice += `${JSON.stringify({ key, bytes: value.length, hash })}\n`;
    if (slice.length < DUMP_SLICE_BYTES) continue;
    yield slice;
    slice = '';
  }
  if (slice !== '') yield slice;
}

function dump(service: Service, reply: FastifyReply): FastifyReply {
  const picture = service.fsm.picture();
  const stream = Readable.from(dumpLines(picture), { objectMode: false });
  // "close" comes once, also when the caller hangs up halfway.
  stream.once('close', () => picture.release());
  return reply
    .header('content-type', 'application/x-ndjson')
    .header('x-records', picture.size)
    .header('x-hash', picture.hash)
    .send(stream);
}

/** Reading and changing records. */
export function addKvRoutes(app: FastifyInstance, service: Service): void {
  app.get<KeyRoute>('/kv/:key', async (request, reply) => {
    const key = keyOf(request);
    await awaitFreshness(service, request);
    const value = service.fsm.get(key);
    if (value === undefined) throw new HttpError(404, `no such key: ${key}`);
    return reply.header('content-type', 'application/octet-stream').send(value);
  });

  app.put<KeyRoute>('/kv/:key', { bodyLimit: limits.valueBytes }, async (request, reply) => {
    const command = { op: 'set', key: keyOf(request), value: bodyOf(request) } as const;
    const { index } = await propose(service, request.url, command);
    return reply.header('content-type', 'application/json').send(`{"index":${index}}\n`);
  });

  app.delete<KeyRoute>('/kv/:key', async (request) => {
    const command = { op: 'delete', key: keyOf(request) } as const;
    const { index, existed } = await propose(service, request.url, command);
    return { index, deleted: existed > 0 };
  });

  app.post('/kv', { bodyLimit: limits.batchBytes }, async (request) => {
    const commands = parseBatch(bodyOf(request));
    const { index } = await propose(service, request.url, { op: 'batch', commands });
    return { index, changes: commands.length };
  });

  app.get('/kv', async (request, reply) => {
    await awaitFreshness(service, request);
    return dump(service, reply);
  });
}
