import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const LIMIT_MS = 60_000;

/**
 * Three nodes over TCP and on disk, every kind of request under way, and then shutdown. It says
 * what is left, and never calls `process.exit`.
 */
const PROGRAM = `
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bootstrapCluster, Channel, Configuration, defaultConfig, newRaft } from 'quorate';
import { newObserver } from 'quorate/observer';
import { newFileSnapshotStore } from 'quorate/snapshot';
import { newLMDBStore } from 'quorate/store/lmdb';
import { MockFSM } from 'quorate/testing';
import { newTCPTransport } from 'quorate/transport';

const idle = process.getActiveResourcesInfo().sort();
const unhandled = [];
process.on('unhandledRejection', (reason) => unhandled.push(String(reason)));
const home = await mkdtemp(join(tmpdir(), 'quorate-end-'));
const quiet = { write() {} };
const parts = [];
for (const id of ['a', 'b', 'c']) {
  const trans = await newTCPTransport('127.0.0.1:0', null, 2, 10_000, quiet);
  const store = await newLMDBStore({ path: join(home, id, 'raft') });
  const snaps = await newFileSnapshotStore(join(home, id), 2, quiet);
  parts.push({ id, trans, store, snaps });
}
const servers = parts.map(({ id, trans }) => ({ suffrage: 0, id, address: trans.localAddr() }));
const nodes = [];
for (const { id, trans, store, snaps } of parts) {
  const config = { ...defaultConfig(), localID: id, logOutput: quiet };
  await bootstrapCluster(config, store, store, snaps, trans, new Configuration(servers));
  const raft = await newRaft(config, new MockFSM(), store, store, snaps, trans);
  raft.registerObserver(newObserver(new Channel(1000), false, null));
  nodes.push(raft);
}
const led = nodes.map((raft) => (async () => {
  for await (const leads of raft.leaderCh()) if (leads) return raft;
})());
const leader = await Promise.race(led);
for (let i = 0; i < 100; i += 1) await leader.apply(new Uint8Array(100), 10_000);
await leader.snapshot();
const busy = process.getActiveResourcesInfo().sort();

const asked = [
  ...Array.from({ length: 50 }, () => leader.apply(new Uint8Array(100), 60_000)),
  leader.barrier(60_000),
  leader.verifyLeader(),
  leader.readIndex(60_000),
  leader.snapshot(),
  leader.addNonvoter('d', '127.0.0.1:1', 0, 60_000),
  leader.leadershipTransfer(),
  ...nodes.map((raft) => raft.barrier(60_000)),
];
const answers = Promise.all(asked.map((future) => future.error()));
await Promise.all(nodes.map((raft) => raft.shutdown()));
const settled = (await answers).length;
const late = [nodes[0].apply(new Uint8Array(1)), nodes[0].barrier(), nodes[0].verifyLeader(),
  nodes[0].snapshot(), nodes[0].removeServer('b')];
for (const future of late) await future.error();
for (const { store } of parts) await store.close();
await rm(home, { recursive: true });
await new Promise((resolve) => setImmediate(resolve));
const left = process.getActiveResourcesInfo().sort();
process.on('exit', () => {
  const { length } = asked;
  process.stdout.write(JSON.stringify({ idle, busy, left, settled, asked: length, unhandled }));
});
`;

it('leaves no handle, timer or promise after shutdown, so its process ends (S161)', async () => {
  expect(existsSync('dist/index.js'), '`npm test` builds first').toBe(true);
  const args = ['--input-type=module', '--eval', PROGRAM];
  const { stdout } = await promisify(execFile)(process.execPath, args, { timeout: LIMIT_MS });
  const { idle, busy, left, settled, asked, unhandled } = JSON.parse(stdout);
  // It shows that the list below is no empty promise: sockets, servers and timers were there.
  expect(busy).toEqual(expect.arrayContaining(['TCPServerWrap', 'TCPSocketWrap', 'Timeout']));
  expect(left.filter((resource: string) => !idle.includes(resource))).toEqual([]);
  expect(settled).toBe(asked);
  expect(unhandled).toEqual([]);
});
