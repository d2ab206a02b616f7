import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it } from 'vitest';
import { codeBlocks } from './readme/code-blocks.ts';
import { portsIn, requestOf, withPorts } from './readme/commands.ts';
import { ROOT, readText } from './tidy/source-tree.ts';

const PATIENCE_MS = 40_000;
const PAUSE_MS = 100;

const lines = codeBlocks('README.md', readText('README.md'))
  .filter(({ language }) => language === 'sh')
  .flatMap(({ text }) => text.trimEnd().split('\n'));
const starts = lines.filter((line) => line.startsWith('node dist/examples/kv/main.js '));
const curls = lines.filter((line) => line.startsWith('curl '));

const undo: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** Ports that nobody listens on, all different: held together, then let go. */
async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const ports = servers.map((server) => {
    const address = server.address();
    return typeof address === 'object' && address !== null ? address.port : 0;
  });
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return ports;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

/** Asks until the answer is good; the cluster may still be electing. */
async function ask(line: string): Promise<string> {
  const { method, url, body } = requestOf(line);
  const deadline = Date.now() + PATIENCE_MS;
  let last = '';
  while (Date.now() < deadline) {
    try {
      const init = body === undefined ? { method } : { method, body };
      const answer = await fetch(url, { ...init, signal: AbortSignal.timeout(PATIENCE_MS) });
      last = await answer.text();
      if (answer.ok) return last;
    } catch (error) {
      last = String(error);
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  throw new Error(`${line}: ${last}`);
}

it('the store can be used by hand as the README says', async () => {
  expect(starts).toHaveLength(3);
  const folder = await mkdtemp(join(tmpdir(), 'quorate-readme-'));
  undo.push(() => rm(folder, { recursive: true, force: true }));
  const named = portsIn([...starts, ...curls]);
  const free = await freePorts(named.length);
  const ports = new Map(named.map((port, i) => [port, free[i] ?? 0]));

  for (const start of starts) {
    const line = withPorts(start, ports).replace('./data', folder);
    const [, ...args] = line.split(' ');
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: 'ignore' });
    undo.push(() => stop(child));
    const http = args[args.indexOf('--http') + 1];
    await ask(`curl http://${http}/status`);
  }

  const answers = new Map<string, string>();
  for (const curl of curls) answers.set(curl, await ask(withPorts(curl, ports)));
  expect(answers.get('curl -L http://127.0.0.1:8003/kv/greeting')).toBe('hello');
}, 120_000);
