import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ErrEnqueueTimeout, ErrLeadershipLost } from '../../raft/errors.ts';
import { limits } from './commands.ts';
import type { FakeRaft } from './fake-raft.ts';
import type { KvFsm } from './fsm.ts';
import { errorOf, HttpFixture } from './http-fixture.ts';

let node: HttpFixture;
let app: FastifyInstance;
let raft: FakeRaft;
let fsm: KvFsm;

beforeEach(() => {
  node = new HttpFixture();
  ({ app, raft, fsm } = node);
});

afterEach(() => app.close());

describe('records', () => {
  it('keeps any bytes, whatever they are called', async () => {
    const bytes = Buffer.from([0, 255, 10, 13, 0x80]);
    for (const type of ['application/json', 'text/plain', 'nonsense/x', undefined]) {
      const headers = type === undefined ? {} : { 'content-type': type };
      const put = await app.inject({ method: 'PUT', url: '/kv/k', payload: bytes, headers });
      expect(put.statusCode).toBe(200);
      const got = await app.inject('/kv/k');
      expect(got.rawPayload).toEqual(bytes);
    }
  });

  it('keeps an empty value', async () => {
    await app.inject({ method: 'PUT', url: '/kv/k' });
    const got = await app.inject('/kv/k');
    expect([got.statusCode, got.rawPayload.length]).toEqual([200, 0]);
  });

  it('decodes keys of any characters', async () => {
    const key = 'AD:Sant Julià/ä?#%';
    const put = await app.inject({
      method: 'PUT',
      url: `/kv/${encodeURIComponent(key)}`,
      payload: 'x',
    });
    expect(put.statusCode).toBe(200);
    expect(fsm.get(key)).toEqual(Buffer.from('x'));
  });

  it('answers a write with its index and a deletion with whether there was something', async () => {
    const put = await app.inject({ method: 'PUT', url: '/kv/k', payload: 'x' });
    expect(put.json()).toEqual({ index: 1 });
    const first = await app.inject({ method: 'DELETE', url: '/kv/k' });
    const second = await app.inject({ method: 'DELETE', url: '/kv/k' });
    expect([first.json(), second.json()]).toEqual([
      { index: 2, deleted: true },
      { index: 3, deleted: false },
    ]);
    const got = await app.inject('/kv/k');
    expect([got.statusCode, errorOf(got)]).toEqual([404, 'no such key: k']);
  });

  it('asks the node as the consistency says', async () => {
    await app.inject({ method: 'PUT', url: '/kv/k', payload: 'x' });
    raft.calls.length = 0;
    for (const consistency of ['stale', 'leader', 'linear']) {
      const got = await app.inject(`/kv/k?consistency=${consistency}`);
      expect(got.statusCode).toBe(200);
    }
    await app.inject('/kv/k');
    expect(raft.calls).toEqual(['verifyLeader', 'readIndex', 'readIndex']);
  });

  it('serves no stale linear read when the majority does not confirm the leader', async () => {
    await app.inject({ method: 'PUT', url: '/kv/k', payload: 'old' });
    raft.failure = ErrLeadershipLost;
    const got = await app.inject('/kv/k?consistency=linear');
    expect([got.statusCode, got.headers['retry-after']]).toEqual([503, '1']);
  });

  it('lists every record with its hash', async () => {
    const url = (key: string) => `/kv/${key}`;
    await app.inject({ method: 'PUT', url: url('k1'), payload: 'x' });
    await app.inject({ method: 'PUT', url: url('k2'), payload: 'yy' });
    const dump = await app.inject('/kv?consistency=stale');
    const lines = dump.body.trimEnd().split('\n');
    const keys = lines.map((line): unknown => JSON.parse(line));
    expect(keys).toEqual([
      { key: 'k1', bytes: 1, hash: expect.stringMatching(/^[0-9a-f]{32}$/) },
      { key: 'k2', bytes: 2, hash: expect.stringMatching(/^[0-9a-f]{32}$/) },
    ]);
    expect(dump.headers).toMatchObject({ 'x-records': '2', 'x-hash': fsm.hash });
  });
});

describe('batches', () => {
  const post = (payload: string | Buffer) => app.inject({ method: 'POST', url: '/kv', payload });

  it('applies all lines as one entry', async () => {
    const lines = [
      '{"op":"set","key":"x","value":"ä"}',
      '{"op":"set","key":"y","base64":"AP8="}',
      '',
      '{"op":"delete","key":"x"}',
    ];
    const done = await post(`${lines.join('\n')}\n`);
    expect([done.statusCode, done.json()]).toEqual([200, { index: 1, changes: 3 }]);
    expect([fsm.get('x'), fsm.get('y')]).toEqual([undefined, Buffer.from([0, 255])]);
  });

  const good = '{"op":"set","key":"x","value":"1"}';
  const tooMany = Array(limits.batchLines + 1).fill(good);
  it.each([
    ['', /at least one line/],
    [`${good}\n{oops`, /^line 2: expected .*, got text that is not JSON: \{oops/],
    [`${good}\n[]`, /^line 2: expected .*, got \[\]/],
    [`${good}\n{"op":"put","key":"x"}`, /^line 2: expected .*"op":"put"/],
    [`${good}\n{"op":"set","key":"x"}`, /^line 2: expected/],
    [`${good}\n{"op":"set","key":"x","value":"1","base64":"AA=="}`, /^line 2: expected/],
    [`${good}\n{"op":"set","key":"x","base64":"?"}`, /^line 2: expected/],
    [`${good}\n{"op":"set","key":"","value":"1"}`, /^line 2: expected a key of 1 to 512 bytes/],
    [`${good}\n{"op":"set","key":"\\ud800","value":""}`, /^line 2: .*well-formed/],
    [`${good}\n{"op":"set","key":"x","value":"\\ud800"}`, /^line 2: expected/],
    [`${good}\n{"op":"delete"}`, /^line 2: expected/],
    [
      `${good}\n{"op":"set","key":"x","value":"${'v'.repeat(limits.valueBytes + 1)}"}`,
      /^line 2: expected a value of at most/,
    ],
    [tooMany.join('\n'), /at most 1000 lines/],
  ])('refuses %# as a whole', async (payload, message) => {
    const refused = await post(payload);
    expect([refused.statusCode, errorOf(refused)]).toEqual([400, expect.stringMatching(message)]);
    expect([raft.calls, fsm.size]).toEqual([[], 0]);
  });

  it('refuses what is not UTF-8', async () => {
    const refused = await post(Buffer.from([0x22, 0xff, 0x22]));
    expect([refused.statusCode, errorOf(refused)]).toEqual([400, expect.stringMatching(/UTF-8/)]);
  });

  it('refuses a batch that is too large', async () => {
    const refused = await post(Buffer.alloc(limits.batchBytes + 1, 0x20));
    expect(refused.statusCode).toBe(413);
  });
});

describe('requests that cannot be served', () => {
  it.each([
    ['GET', '/kv/k?consistency=sloppy', 400, /expected consistency stale, leader or linear/],
    ['GET', '/kv/k?consistency=stale&consistency=linear', 400, /expected consistency/],
    ['GET', '/kv/%ff', 400, /expected a percent-encoded path, got \/kv\/%ff/],
    ['GET', '/kv/%zz', 400, /expected a percent-encoded path, got \/kv\/%zz/],
    ['PUT', '/kv/', 400, /expected a key of 1 to 512 bytes, got 0/],
    ['PUT', `/kv/${'k'.repeat(513)}`, 400, /expected a key of 1 to 512 bytes, got 513/],
    ['PUT', `/kv/${'%C3%A4'.repeat(257)}`, 400, /expected a key of 1 to 512 bytes, got 514/],
    ['POST', '/members', 400, /expected \{"id":name/],
    ['GET', '/', 404, /expected \/kv.*, got \//],
    ['GET', '/nowhere', 404, /got \/nowhere/],
    ['DELETE', '/members/zoe', 404, /no member is called "zoe"; expected one of: a/],
  ] as const)('%s %.40s gives %i', async (method, url, status, message) => {
    const refused = await app.inject({ method, url });
    expect([refused.statusCode, errorOf(refused)]).toEqual([
      status,
      expect.stringMatching(message),
    ]);
  });

  it.each([
    ['POST', '/kv/k', 'GET, HEAD, PUT, DELETE'],
    ['PATCH', '/kv/k', 'GET, HEAD, PUT, DELETE'],
    ['OPTIONS', '/kv', 'GET, HEAD, POST'],
    ['DELETE', '/status', 'GET, HEAD'],
    ['GET', '/members', 'POST'],
    ['PUT', '/members/a', 'DELETE'],
    ['GET', '/snapshot', 'POST'],
    ['GET', '/leadership-transfer', 'POST'],
  ] as const)('%s %s is not allowed', async (method, url, allow) => {
    const refused = await app.inject({ method, url });
    expect([refused.statusCode, refused.headers.allow]).toEqual([405, allow]);
    expect(errorOf(refused)).toContain(`got ${method}`);
  });

  it('refuses a value that is too large and takes the largest', async () => {
    const put = (bytes: number) =>
      app.inject({ method: 'PUT', url: '/kv/k', payload: Buffer.alloc(bytes) });
    const refused = await put(limits.valueBytes + 1);
    expect([refused.statusCode, errorOf(refused)]).toEqual([
      413,
      `expected a body of at most ${limits.valueBytes} bytes, got a larger one`,
    ]);
    expect((await put(limits.valueBytes)).statusCode).toBe(200);
  });
});

describe('a follower', () => {
  it.each([
    ['PUT', '/kv/k%2F1?x=1'],
    ['DELETE', '/kv/k'],
    ['GET', '/kv/k'],
    ['GET', '/kv/k?consistency=leader'],
    ['GET', '/kv'],
    ['POST', '/leadership-transfer'],
  ] as const)('redirects %s %s', async (method, url) => {
    await node.follow();
    const answer = await app.inject({ method, url });
    expect([answer.statusCode, answer.headers.location]).toEqual([
      307,
      `http://127.0.0.1:8002${url}`,
    ]);
  });

  it('serves stale reads itself', async () => {
    await app.inject({ method: 'PUT', url: '/kv/k', payload: 'x' });
    await node.follow();
    expect((await app.inject('/kv/k?consistency=stale')).body).toBe('x');
  });

  it('asks to come back when no leader is known', async () => {
    await node.follow();
    for (const id of ['', 'a', 'stranger']) {
      raft.leaderInfo = { id, address: '' };
      const answer = await app.inject({ method: 'PUT', url: '/kv/k', payload: 'x' });
      expect([answer.statusCode, answer.headers['retry-after'], answer.json()]).toEqual([
        503,
        '1',
        { error: 'no leader is known at the moment', outcome: 'not-applied' },
      ]);
    }
  });
});

describe('a leader in trouble', () => {
  const put = () => app.inject({ method: 'PUT', url: '/kv/k', payload: 'x' });

  it('says when nobody knows what became of a write', async () => {
    raft.failure = ErrLeadershipLost;
    raft.appended = true;
    const answer = await put();
    expect([answer.statusCode, answer.json()]).toEqual([
      503,
      { error: ErrLeadershipLost.message, outcome: 'unknown' },
    ]);
  });

  it('says when a write was surely not made', async () => {
    raft.failure = ErrEnqueueTimeout;
    const answer = await put();
    expect([answer.statusCode, answer.json()]).toEqual([
      503,
      { error: ErrEnqueueTimeout.message, outcome: 'not-applied' },
    ]);
  });

  it('answers in time when the node does not', async () => {
    raft.silent = true;
    const answer = await put();
    expect([answer.statusCode, answer.json()]).toEqual([
      503,
      { error: 'not applied within 200 ms', outcome: 'unknown' },
    ]);
    const read = await app.inject('/kv/k');
    expect(read.statusCode).toBe(503);
  });

  it('calls other failures faults', async () => {
    raft.failure = new Error('the disk is on fire');
    const answer = await put();
    expect([answer.statusCode, errorOf(answer)]).toEqual([500, 'the disk is on fire']);
  });
});
