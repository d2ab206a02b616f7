import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type NodeAddress, pickAddresses, readAddresses } from '../../examples/kv/cluster.ts';
import { buildFirst, killPrograms, runProgram, startProgram } from './program.ts';

const main = 'dist/examples/kv/main.js';
const demo = 'dist/examples/kv/demo.js';

let dir: string;
let nodes: NodeAddress[];

beforeAll(buildFirst);

beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'quorate-kv-'));
  nodes = await pickAddresses(['a', 'b'], 4001 + 20 * Math.floor(Math.random() * 200));
});

afterEach(async () => {
  await killPrograms();
  await rm(dir, { recursive: true, force: true });
});

/** Arguments of a node, on the addresses that were picked. */
function argsOf(id: 'a' | 'b', extra: readonly string[] = []): string[] {
  const node = nodes.find((known) => known.id === id);
  const raft = `127.0.0.1:${node?.raftPort}`;
  const http = `127.0.0.1:${node?.httpPort}`;
  const fast = ['--heartbeat-timeout', '500', '--election-timeout', '500'];
  const data = path.join(dir, id);
  return ['--id', id, '--raft', raft, '--http', http, '--data', data, ...fast, ...extra];
}

function urlOf(id: 'a' | 'b'): string {
  return `http://127.0.0.1:${nodes.find((known) => known.id === id)?.httpPort}`;
}

describe('a node', () => {
  it('serves, stops in order, and continues on its data', async () => {
    const first = startProgram(main, argsOf('a', ['--bootstrap']));
    await first.printed('entering leader state');
    const put = await fetch(`${urlOf('a')}/kv/k`, { method: 'PUT', body: 'value' });
    expect(put.status).toBe(200);
    first.signal('SIGTERM');
    expect((await first.ended).code).toBe(0);
    const second = startProgram(main, argsOf('a', ['--bootstrap']));
    await second.printed('there are data already: --bootstrap is ignored');
    await second.printed('entering leader state');
    const got = await fetch(`${urlOf('a')}/kv/k`);
    expect([got.status, await got.text()]).toEqual([200, 'value']);
    second.signal('SIGINT');
    expect((await second.ended).code).toBe(0);
  });

  it('joins by way of any member, even one that is not up yet', async () => {
    const joiner = startProgram(main, argsOf('b', ['--join', urlOf('a')]));
    await joiner.printed('not a member yet');
    const founder = startProgram(main, argsOf('a', ['--bootstrap']));
    await founder.printed('added peer, starting replication');
    const put = () => fetch(`${urlOf('b')}/kv/k`, { method: 'PUT', body: 'by way of b' });
    // Node b redirects once it has heard from a where a serves.
    await expect.poll(async () => (await put()).status, { timeout: 30_000 }).toBe(200);
    const removed = await fetch(`${urlOf('a')}/members/b`, { method: 'DELETE' });
    expect(removed.status).toBe(200);
    for (const node of [founder, joiner]) node.signal('SIGTERM');
    const codes = await Promise.all([founder.ended, joiner.ended]);
    expect(codes.map(({ code }) => code)).toEqual([0, 0]);
  });

  it('is told by one line what is wrong with its arguments', async () => {
    const { code, err } = await runProgram(main, argsOf('a', ['--trailing-logs=-1']));
    expect(code).toBe(2);
    expect(err.trimEnd()).toBe(
      'kv: --trailing-logs: expected a whole number of 0 to 9007199254740991, got "-1"',
    );
  });

  it('says which port is taken, and does not touch the data', async () => {
    const first = startProgram(main, argsOf('a', ['--bootstrap']));
    await first.printed('entering leader state');
    const { code, err } = await runProgram(main, argsOf('a'));
    expect(code).toBe(1);
    expect(err.trimEnd().split('\n')).toHaveLength(1);
    expect(err).toContain('EADDRINUSE');
    expect((await fetch(`${urlOf('a')}/kv/k`, { method: 'PUT', body: 'x' })).status).toBe(200);
    first.signal('SIGTERM');
    await first.ended;
  });

  it('stops with the process that started it', async () => {
    const node = startProgram(main, argsOf('a', ['--bootstrap', '--stop-with-stdin']));
    await node.printed('serving');
    node.closeInput();
    expect((await node.ended).code).toBe(0);
  });
});

describe('the demo', () => {
  it('gives a good verdict, on new data, on the same, and afresh', async () => {
    const data = path.join(dir, 'demo');
    const first = await runProgram(demo, ['--exit', '--limit', '1500', '--data', data]);
    expect(first.out + first.err).toContain('Verdict: good.');
    expect(first.code).toBe(0);
    const addresses = await readAddresses(data);
    await writeFile(path.join(data, 'mine.txt'), 'not of the demo');
    const second = await runProgram(demo, ['--exit', '--limit', '100', '--data', data]);
    expect(second.out).toContain('the data of an earlier run are there: 1,500 records');
    expect(second.out).toContain('Verdict: good.');
    expect(second.code).toBe(0);
    expect(await readAddresses(data)).toEqual(addresses);
    const third = await runProgram(demo, ['--fresh', '--exit', '--limit', '50', '--data', data]);
    expect(third.out).toContain('Verdict: good.');
    expect(third.out).not.toContain('earlier run');
    expect(await readFile(path.join(data, 'mine.txt'), 'utf8')).toBe('not of the demo');
  });

  it('stays up until it is told to end', async () => {
    const data = path.join(dir, 'demo');
    const running = startProgram(demo, ['--limit', '100', '--data', data]);
    await running.printed('Try:');
    const [node] = (await readAddresses(data)) ?? [];
    const status = await fetch(`http://127.0.0.1:${node?.httpPort}/status`);
    expect(status.status).toBe(200);
    const again = await runProgram(demo, ['--fresh', '--exit', '--data', data]);
    expect(again.code).toBe(1);
    expect(again.err).toMatch(/^demo: port .* is in use: end the other demo first/);
    running.signal('SIGINT');
    expect((await running.ended).code).toBe(0);
    await expect(fetch(`http://127.0.0.1:${node?.httpPort}/status`)).rejects.toThrow();
  });

  it('says in one line what it cannot do', async () => {
    const bad = await runProgram(demo, ['--limit', '0']);
    expect([bad.code, bad.err]).toEqual([
      2,
      `demo: --limit: expected a whole number of 1 to ${Number.MAX_SAFE_INTEGER}, got "0"\n`,
    ]);
    await writeFile(path.join(dir, 'cluster.json'), '[]');
    const damaged = await runProgram(demo, ['--exit', '--data', dir]);
    expect(damaged.code).toBe(1);
    expect(damaged.err).toBe(
      `demo: ${dir}/cluster.json: expected a list of {"id","raftPort","httpPort"}\n`,
    );
  });

  it('picks other ports for new data when its own are taken', async () => {
    const server = createServer()
      .listen(7001, '127.0.0.1')
      .on('error', () => {});
    const data = path.join(dir, 'demo');
    const { code } = await runProgram(demo, ['--exit', '--limit', '50', '--data', data]);
    server.close();
    expect(code).toBe(0);
    expect((await readAddresses(data))?.map(({ raftPort }) => raftPort)).not.toContain(7001);
  });
});
