import type { FastifyInstance } from 'fastify';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ServerSuffrage } from '../../raft/configuration.ts';
import { ErrNothingNewToSnapshot, RaftError } from '../../raft/errors.ts';
import { encodeCommand } from './commands.ts';
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

describe('members', () => {
  const b = { id: 'b', raft: '127.0.0.1:7002', http: '127.0.0.1:8002' };
  const post = (payload: object | string) =>
    app.inject({ method: 'POST', url: '/members', payload });

  it('adds a node that is up, and remembers where it serves', async () => {
    node.newcomer = b;
    expect((await post(b)).statusCode).toBe(200);
    expect(raft.servers[1]).toEqual({
      id: 'b',
      address: b.raft,
      suffrage: ServerSuffrage.Voter,
    });
    expect(fsm.members.get('b')).toBe(b.http);
  });

  it('adds a nonvoter', async () => {
    node.newcomer = b;
    await post({ ...b, voter: false });
    expect(raft.servers[1]?.suffrage).toBe(ServerSuffrage.Nonvoter);
  });

  it('adds nobody who does not answer or is somebody else', async () => {
    const silent = await post(b);
    expect([silent.statusCode, errorOf(silent)]).toEqual([
      400,
      expect.stringMatching(/expected node "b" .*, got no answer: connect ECONNREFUSED/),
    ]);
    node.newcomer = { id: 'c', raft: b.raft };
    const other = await post(b);
    expect(errorOf(other)).toMatch(/expected node "b".*, got node "c"/);
    expect(raft.servers).toHaveLength(1);
  });

  it.each([
    '{"id":',
    '[]',
    { ...b, id: 'b/c' },
    { ...b, id: 7 },
    { ...b, raft: 'nowhere' },
    { ...b, http: 'http://127.0.0.1:8002' },
    { ...b, voter: 'yes' },
  ])('refuses %j', async (payload) => {
    node.newcomer = b;
    const refused = await post(payload);
    expect([refused.statusCode, errorOf(refused)]).toEqual([
      400,
      expect.stringMatching(/expected \{"id":name/),
    ]);
    expect(raft.calls).toEqual([]);
  });

  it('removes a node and forgets its address', async () => {
    node.newcomer = b;
    await post(b);
    const removed = await app.inject({ method: 'DELETE', url: '/members/b' });
    expect([removed.statusCode, removed.json()]).toEqual([200, { removed: 'b' }]);
    expect([raft.servers.length, fsm.members.has('b')]).toEqual([1, false]);
  });

  it('keeps the last voter', async () => {
    const refused = await app.inject({ method: 'DELETE', url: '/members/a' });
    expect([refused.statusCode, errorOf(refused)]).toEqual([
      409,
      expect.stringMatching(/need at least one voter/),
    ]);
  });

  it('hands over leadership, to a member only', async () => {
    const post = (payload?: object) =>
      app.inject({
        method: 'POST',
        url: '/leadership-transfer',
        ...(payload === undefined ? {} : { payload }),
      });
    expect((await post()).json()).toEqual({ transferred: true });
    expect((await post({ id: 'a' })).statusCode).toBe(200);
    expect((await post({ id: 'zoe' })).statusCode).toBe(404);
    expect((await post({ id: 7 })).statusCode).toBe(400);
    expect(raft.calls.filter((call) => call.startsWith('leadership'))).toEqual([
      'leadershipTransfer',
      'leadershipTransferToServer a',
    ]);
  });
});

describe('what the cluster does not allow', () => {
  it.each([
    ['ERR_NO_TRANSFER_TARGET', 409],
    ['ERR_TRANSFER_TO_NONVOTER', 409],
    ['ERR_LEADERSHIP_TRANSFER_TIMEOUT', 503],
    ['ERR_SOMETHING_ELSE', 500],
  ])('%s is answered by %i', async (code, status) => {
    raft.failure = new RaftError(code, 'because');
    const answer = await app.inject({ method: 'POST', url: '/leadership-transfer' });
    expect([answer.statusCode, errorOf(answer)]).toEqual([status, 'because']);
  });
});

describe('the node itself', () => {
  it('takes a snapshot, or says why not', async () => {
    const post = () => app.inject({ method: 'POST', url: '/snapshot' });
    expect((await post()).json()).toEqual({ taken: true, index: 0 });
    raft.failure = ErrNothingNewToSnapshot;
    expect((await post()).json()).toEqual({ taken: false, reason: 'nothing new to snapshot' });
  });

  it('tells its state', async () => {
    await app.inject({ method: 'PUT', url: '/kv/k', payload: 'x' });
    await raft.apply(encodeCommand({ op: 'member', id: 'a', http: node.http }));
    const status = await app.inject('/status');
    expect(status.json()).toMatchObject({
      id: 'a',
      state: 'Leader',
      term: 1,
      leader: { id: 'a', raft: node.raftAddress, http: node.http },
      appliedIndex: 2,
      lastCommandIndex: 2,
      records: 1,
      hash: fsm.hash,
      snapshotsInstalled: 0,
      configuration: [{ id: 'a', raft: node.raftAddress, http: node.http, suffrage: 'Voter' }],
      fatal: null,
    });
  });
});
