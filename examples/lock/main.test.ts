import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, it } from 'vitest';

const PROGRAM = 'dist/examples/lock/main.js';
const LIMIT_MS = 40_000;

let home = '';
const nodes = new Map<string, { readonly child: ChildProcess; readonly url: string }>();

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.flatMap((server) => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? [address.port] : [];
  });
  for (const server of servers) server.close();
  return ports;
}

beforeEach(async () => {
  expect(existsSync(PROGRAM), '`npm test` builds first').toBe(true);
  home = await mkdtemp(join(tmpdir(), 'quorate-lock-'));
  const names = ['a', 'b', 'c'];
  const ports = await freePorts(2 * names.length);
  const http = (i: number) => `127.0.0.1:${ports[2 * i + 1]}`;
  const peers = names.flatMap((name, i) => [
    '--peer',
    `${name}=127.0.0.1:${ports[2 * i]},${http(i)}`,
  ]);
  nodes.clear();
  for (const [i, id] of names.entries()) {
    const args = [PROGRAM, '--id', id, '--data', join(home, id), ...peers];
    const child = spawn(process.execPath, args, { stdio: 'ignore' });
    nodes.set(id, { child, url: `http://${http(i)}` });
  }
});

afterEach(async () => {
  for (const { child } of nodes.values()) await end(child, 'SIGKILL');
  await rm(home, { recursive: true });
});

async function end(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const exited = once(child, 'exit');
  child.kill(signal);
  await exited;
  return child.exitCode;
}

/** Asks any node until one answers what is wanted; the others send us on, or are not ready. */
async function ask(path: string, body: object, wanted: number): Promise<{ token: number }> {
  const limit = Date.now() + LIMIT_MS;
  for (let last = 'nobody'; ; await sleep(50)) {
    for (const { child, url } of nodes.values()) {
      if (child.signalCode !== null) continue;
      const init = { method: 'POST', body: JSON.stringify(body) };
      const answer = await fetch(url + path, init).catch(() => null);
      const text = (await answer?.text()) ?? '';
      if (answer?.status === wanted) return JSON.parse(text);
      last = `${answer?.status} ${text}`;
    }
    if (Date.now() > limit) throw new Error(`expected ${wanted} from ${path}, got ${last}`);
  }
}

/** The one node that does not send its clients elsewhere. */
async function leader(): Promise<string> {
  const limit = Date.now() + LIMIT_MS;
  for (;;) {
    for (const [id, { url }] of nodes) {
      const answer = await fetch(`${url}/locks/none`, { redirect: 'manual' }).catch(() => null);
      await answer?.text();
      if (answer?.status === 404) return id;
    }
    if (Date.now() > limit) throw new Error('expected one node to lead');
    await sleep(50);
  }
}

it('keeps a lock though its leader is killed, and ends by itself when asked to', async () => {
  const lock = '/locks/l/acquire';
  const { token } = await ask(lock, { owner: 'a', ttlMs: 3000 }, 200);
  const killed = nodes.get(await leader())?.child;
  if (killed === undefined) throw new Error('a leader is missing');
  await end(killed, 'SIGKILL');
  await ask('/locks/l/renew', { token, ttlMs: 3000 }, 200);
  await ask(lock, { owner: 'b', ttlMs: 3000 }, 409);
  const next = await ask(lock, { owner: 'b', ttlMs: 3000 }, 200);
  expect(next.token).toBeGreaterThan(token);
  for (const { child } of nodes.values()) {
    if (child !== killed) expect(await end(child, 'SIGTERM')).toBe(0);
  }
});

it('says how it is used', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [PROGRAM, '--help']);
  expect(stdout).toContain('--peer NAME=RAFT,HTTP');
});
