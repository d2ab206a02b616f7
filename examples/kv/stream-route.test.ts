import { Readable } from 'node:stream';
import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ErrLeadershipLost } from '../../raft/errors.ts';
import { limits } from './commands.ts';
import type { FakeRaft } from './fake-raft.ts';
import type { KvFsm } from './fsm.ts';
import { HttpFixture } from './http-fixture.ts';

let node: HttpFixture;
let app: FastifyInstance;
let raft: FakeRaft;
let fsm: KvFsm;

beforeEach(() => {
  node = new HttpFixture();
  ({ app, raft, fsm } = node);
});

afterEach(() => app.close());

function set(key: string): string {
  return JSON.stringify({ op: 'set', key, value: 'v' });
}

async function stream(...chunks: (string | Buffer)[]) {
  const payload = Readable.from(chunks.map((chunk) => Buffer.from(chunk)));
  const headers = { 'content-type': 'application/x-ndjson' };
  const response = await app.inject({ method: 'POST', url: '/stream', payload, headers });
  const lines = response.body.split('\n').filter((line) => line !== '');
  return { status: response.statusCode, answers: lines.map((line) => JSON.parse(line)), response };
}

describe('a stream of changes', () => {
  it('makes each line a proposal of its own and answers each, in order', async () => {
    const { status, answers } = await stream(`${set('a')}\n${set('b')}\n`, set('c'));
    expect(status).toBe(200);
    expect(answers).toEqual([{ index: 1 }, { index: 2 }, { index: 3 }]);
    expect(raft.calls).toEqual(['apply', 'apply', 'apply']);
    expect(['a', 'b', 'c'].map((key) => String(fsm.get(key)))).toEqual(['v', 'v', 'v']);
  });

  it('reads the same whatever the pieces are that the bytes come in', async () => {
    const bytes = Buffer.from(`${set('Julià')}\r\n\n${set('ä')}\n`);
    const single = Array.from(bytes, (_, at) => bytes.subarray(at, at + 1));
    const { answers } = await stream(...single);
    expect(answers).toEqual([{ index: 1 }, { index: 2 }]);
    expect(fsm.get('Julià')).toBeDefined();
  });

  it('ends at the first line that is none, which says so; what came before stays', async () => {
    const { status, answers } = await stream(`${set('a')}\nnonsense\n${set('b')}\n`);
    expect(status).toBe(200);
    expect(answers).toHaveLength(2);
    expect(answers[1]).toMatchObject({ status: 400, error: expect.stringMatching(/^line 2: exp/) });
    expect([fsm.get('a') !== undefined, fsm.get('b')]).toEqual([true, undefined]);
  });

  it.each([
    ['a line without end', `{"op":"${'x'.repeat(limits.batchBytes + 65_537)}`, /at most 1048576/],
    ['bytes that are not UTF-8', Buffer.from([0xff, 0x0a]), /not valid/],
  ])('refuses %s', async (_what, bytes, text) => {
    const { answers } = await stream(bytes);
    expect(answers).toEqual([{ status: 400, error: expect.stringMatching(text) }]);
    expect(raft.calls).toEqual([]);
  });

  it('answers nothing to nothing', async () => {
    const { status, answers } = await stream('');
    expect([status, answers]).toEqual([200, []]);
  });

  it('is sent to the leader', async () => {
    await node.follow();
    const { status, response } = await stream(`${set('a')}\n`);
    expect([status, response.headers.location]).toEqual([307, 'http://127.0.0.1:8002/stream']);
  });

  it('says where the leader is when leadership is lost on the way', async () => {
    raft.failure = ErrLeadershipLost;
    raft.appended = true;
    const { answers } = await stream(`${set('a')}\n${set('b')}\n`);
    expect(answers).toEqual([
      { status: 503, error: ErrLeadershipLost.message, outcome: 'unknown' },
    ]);
  });

  it('reads no more lines than may wait, and says when the first has waited too long', async () => {
    raft.silent = true;
    const { answers } = await stream(`${set('a')}\n`.repeat(1000));
    expect(answers).toEqual([
      { status: 503, error: 'not applied within 200 ms', outcome: 'unknown' },
    ]);
    // 256 wait in line, one is waited for, and one waits to be let in.
    expect(raft.calls).toHaveLength(258);
  });
});
