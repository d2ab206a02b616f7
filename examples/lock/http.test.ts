import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { Raft } from '../../index.ts';
import { type Cluster, inmemConfig, makeClusterCustom } from '../../testing/index.ts';
import { newHttpServer } from './http.ts';
import { LockService } from './lock-service.ts';
import { LockTable } from './lock-table.ts';

/** HTTP takes real time, on a machine that may be busy: nobody shall lose office over that. */
const patient = { heartbeatTimeout: 1000, electionTimeout: 1000, leaderLeaseTimeout: 1000 };

let cluster: Cluster;
let leader: Raft;
const closers: (() => void)[] = [];
const urls = new Map<Raft, string>();

beforeAll(async () => {
  cluster = await makeClusterCustom({
    peers: 3,
    bootstrap: true,
    conf: { ...inmemConfig(), ...patient },
    longstopTimeout: 30_000,
    makeFSMFunc: () => new LockTable(),
  });
  const addresses = new Map<string, string>();
  for (const [i, raft] of cluster.rafts.entries()) {
    const table = cluster.fsms[i];
    if (!(table instanceof LockTable)) throw new Error('expected a LockTable');
    const service = new LockService(raft, table);
    void service.run();
    const server = newHttpServer({ raft, service, addresses });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    addresses.set(`server-${cluster.trans[i]?.localAddr()}`, `127.0.0.1:${port}`);
    urls.set(raft, `http://127.0.0.1:${port}`);
    closers.push(
      () => service.stop(),
      () => server.closeAllConnections(),
      () => server.close(),
    );
  }
  leader = await cluster.leader();
});

afterAll(async () => {
  for (const close of closers) close();
  await cluster.close();
});

function urlOf(raft: Raft | undefined): string {
  const url = raft === undefined ? undefined : urls.get(raft);
  if (url === undefined) throw new Error('expected a node that serves');
  return url;
}

async function ask(path: string, body?: unknown, url = urlOf(leader)) {
  const post = { method: 'POST', body: JSON.stringify(body) };
  const response = await fetch(url + path, body === undefined ? {} : post);
  return { status: response.status, body: JSON.parse(await response.text()) };
}

it('grants, shows, renews and releases a lock', async () => {
  const granted = await ask('/locks/deploy%2Fprod/acquire', { owner: 'a', ttlMs: 60_000 });
  expect(granted).toMatchObject({ status: 200, body: { owner: 'a' } });
  expect(granted.body.expiresInMs).toBeGreaterThan(30_000);
  const { token } = granted.body;
  const shown = await ask('/locks/deploy%2Fprod');
  expect(shown).toMatchObject({ status: 200, body: { owner: 'a', token } });
  const refused = await ask('/locks/deploy%2Fprod/acquire', { owner: 'b', ttlMs: 60_000 });
  expect(refused).toMatchObject({ status: 409, body: { owner: 'a', token } });
  const renewed = await ask('/locks/deploy%2Fprod/renew', { token, ttlMs: 90_000 });
  expect(renewed).toMatchObject({ status: 200, body: { owner: 'a', token } });
  expect(renewed.body.expiresInMs).toBeGreaterThan(60_000);
  expect((await ask('/locks/deploy%2Fprod/release', { token: token + 1 })).status).toBe(409);
  expect((await ask('/locks/deploy%2Fprod/release', { token })).status).toBe(200);
  expect((await ask('/locks/deploy%2Fprod')).status).toBe(404);
});

it('sends the clients of a follower to the leader, whom they then find', async () => {
  const [follower] = await cluster.followers();
  const path = '/locks/elsewhere/acquire';
  const body = JSON.stringify({ owner: 'a', ttlMs: 1000 });
  const init: RequestInit = { method: 'POST', body, redirect: 'manual' };
  const response = await fetch(urlOf(follower) + path, init);
  await response.text();
  expect([response.status, response.headers.get('location')]).toEqual([307, urlOf(leader) + path]);
  const followed = await ask(path, { owner: 'a', ttlMs: 1000 }, urlOf(follower));
  expect(followed.status).toBe(200);
});

it.each([
  ['/locks/x/acquire', { owner: 'a' }, 'ttlMs to be a whole number from 1 to 3600000'],
  ['/locks/x/acquire', { owner: 'a', ttlMs: 3_600_001 }, 'ttlMs'],
  ['/locks/x/acquire', { owner: '', ttlMs: 1 }, 'owner to be a text'],
  ['/locks/x/acquire', [], 'ttlMs'],
  ['/locks/x/acquire', 5, 'a JSON object'],
  ['/locks/x/acquire', { owner: 'x'.repeat(5000), ttlMs: 1 }, 'at most 4096 bytes'],
  ['/locks/x/renew', { token: '5', ttlMs: 1 }, 'token to be a whole number'],
  ['/locks/%ff/renew', { token: 5, ttlMs: 1 }, 'a percent-encoded name'],
])('refuses what it cannot understand: %s %o', async (path, body, text) => {
  expect(await ask(path, body)).toMatchObject({
    status: 400,
    body: { error: expect.stringContaining(text) },
  });
});

it('knows its paths and their methods', async () => {
  expect((await ask('/nowhere')).status).toBe(404);
  expect((await ask('/locks/x/acquire')).status).toBe(405);
  expect((await ask('/locks/x', {})).status).toBe(405);
});
