import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { Channel } from '../../internal/channel.ts';
import { asError } from '../../raft/errors.ts';
import type { ApplyFuture } from '../../raft/future.ts';
import { RaftState } from '../../raft/state.ts';
import { Answers } from './answers.ts';
import { parseChange } from './batch.ts';
import { limits } from './commands.ts';
import { badRequest, HttpError } from './http-errors.ts';
import { LineSplitter } from './lines.ts';
import { applied, notLeader, type Service, submit } from './service.ts';

/** Changes of one stream that may wait for their answer before no more are read. */
const WINDOW = 256;

/** What was handed to the node, or why a line could not be. */
type Submitted = ApplyFuture | HttpError;

function asHttpError(error: unknown): HttpError {
  return error instanceof HttpError ? error : badRequest(asError(error).message);
}

/** Hands every line in as it comes; a line that is none is the last. Never rejects. */
async function submitLines(
  service: Service,
  body: Readable,
  submitted: Channel<Submitted>,
): Promise<void> {
  const splitter = new LineSplitter(limits.batchBytes);
  let count = 0;
  const take = async (lines: readonly string[]): Promise<void> => {
    for (const text of lines) {
      count += 1;
      const future = submit(service, parseChange(text, `line ${count}`));
      if (!submitted.trySend(future)) await submitted.send(future);
    }
  };
  try {
    // Left early, the rest is still to be read: a destroyed body takes the answers with it.
    const chunks = body.iterator({ destroyOnReturn: false });
    for await (const chunk of chunks) await take(splitter.push(chunk));
    await take(splitter.end());
  } catch (error) {
    // When the answers have ended the channel is closed, and nobody wants to know.
    await submitted.send(asHttpError(error)).catch(() => {});
  }
  submitted.close();
}

/** Answers in the order of the lines; the first that fails is the last. Never rejects. */
async function answerLines(
  service: Service,
  url: string,
  submitted: Channel<Submitted>,
  answers: Answers,
): Promise<void> {
  try {
    for await (const change of submitted) {
      if (change instanceof HttpError) throw change;
      const { index } = await applied(service, url, change);
      answers.add(`{"index":${index}}\n`);
      await answers.untilRoom();
      if (answers.closed) break;
    }
  } catch (error) {
    const { status, message, outcome, headers } = asHttpError(error);
    const { location } = headers;
    answers.add(`${JSON.stringify({ status, error: message, outcome, location })}\n`);
  }
  submitted.close();
  answers.end();
}

/**
 * `POST /stream`: lines as in a batch, but each is a proposal of its own and gets a line of its own
 * as soon as it is applied. Both directions flow at the same time.
 */
export function addStreamRoute(app: FastifyInstance, service: Service): void {
  app.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
    const unbounded = { bodyLimit: Number.MAX_SAFE_INTEGER };
    scope.post('/stream', unbounded, async (request, reply) => {
      if (service.raft.state() !== RaftState.Leader) throw notLeader(service, request.url);
      const body = request.body instanceof Readable ? request.body : Readable.from([]);
      const submitted = new Channel<Submitted>(WINDOW);
      const answers = new Answers();
      answers.stream.once('close', () => submitted.close());
      void submitLines(service, body, submitted);
      void answerLines(service, request.url, submitted, answers).then(() => body.resume());
      return reply.header('content-type', 'application/x-ndjson').send(answers.stream);
    });
  });
}
