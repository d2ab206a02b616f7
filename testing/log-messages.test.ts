import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { systemClock } from '../internal/clock.ts';
import { AppendEntriesRequest, AppendEntriesResponse } from '../raft/messages.ts';
import { newFileSnapshotStoreWithLogger } from '../snapshot/new-file-snapshot-store.ts';
import { newInmemTransport } from '../transport/inmem-transport.ts';
import { newNetworkTransportWithConfig } from '../transport/network-transport.ts';
import { newTCPTransportWithConfig } from '../transport/tcp-stream-layer.ts';
import { voters } from './core-fixture.ts';
import { KeptLog } from './log-fixture.ts';

let directory: string;
let log: KeptLog;

beforeEach(async () => {
  log = new KeptLog();
  directory = await mkdtemp(join(tmpdir(), 'quorate-log-'));
});

afterEach(() => rm(directory, { recursive: true }));

/** Waits until a text was written. */
async function until(message: string): Promise<string[]> {
  const limitMs = performance.now() + 20_000;
  while (log.of(message).length === 0 && performance.now() < limitMs) {
    await new Promise((resume) => setTimeout(resume, 5));
  }
  return log.shapesOf(message);
}

it('the snapshot store logs what it makes, reaps and cannot read', async () => {
  const store = await newFileSnapshotStoreWithLogger(directory, 1, log);
  const [, trans] = newInmemTransport('a');
  const snapshot = async (index: number): Promise<string> => {
    const sink = await store.create(1, index, 1, voters('a'), 1, trans);
    await sink.write(new TextEncoder().encode('state'));
    await sink.close();
    return sink.id();
  };
  await snapshot(1);
  const id = await snapshot(2);
  const snapshots = join(directory, 'snapshots');
  const add = async (name: string, meta: string): Promise<void> => {
    await mkdir(join(snapshots, name));
    await writeFile(join(snapshots, name, 'meta.json'), meta);
  };
  await add('1-9-9.tmp', '');
  await add('1-8-8', '{');
  await add('1-7-7', JSON.stringify({ Version: 9, ID: '1-7-7', Index: 7, Term: 1 }));
  await newFileSnapshotStoreWithLogger(directory, 1, log);
  await store.list();
  await writeFile(join(snapshots, id, 'state.bin'), 'stale');
  await expect(store.open(id)).rejects.toThrow();
  expect(log.shapesOf('creating new snapshot')).toEqual(['info path']);
  expect(log.shapesOf('reaping snapshot')).toEqual(['info path']);
  expect(log.shapesOf('found temporary snapshot')).toEqual(['warn name']);
  expect(log.shapesOf('failed to read metadata')).toEqual(['warn name error']);
  expect(log.shapesOf('snapshot version not supported')).toEqual(['warn name version']);
  expect(log.shapesOf('CRC checksum failed')).toEqual(['error stored computed']);
});

it('the transport logs who connects, what it cannot read or answer, and its end', async () => {
  const config = { maxPool: 1, timeout: 10_000, logger: log };
  const server = await newTCPTransportWithConfig('127.0.0.1:0', null, config);
  const serverAddr = (): never => {
    throw new Error('unknown');
  };
  const client = await newTCPTransportWithConfig('127.0.0.1:0', null, {
    ...config,
    serverAddressProvider: { serverAddr },
  });
  const call = (): Promise<unknown> =>
    client.appendEntries('b', server.localAddr(), new AppendEntriesRequest({ term: 1 }));
  const answer = async (reply: AppendEntriesResponse): Promise<void> => {
    const { value } = await server.consumer().receive();
    value?.respond(reply, null);
  };
  const answered = call();
  await answer(new AppendEntriesResponse({ success: true }));
  await answered;
  expect(await until('accepted connection')).toEqual(['debug local-address remote-address']);
  const fallback = 'unable to get address for server, using fallback address';
  expect(log.shapesOf(fallback)).toEqual(['warn id fallback error']);

  const refused = call();
  refused.catch(() => {});
  await answer(new AppendEntriesResponse({ term: -1 }));
  expect(await until('failed to flush response')).toEqual(['error error']);
  await expect(refused).rejects.toThrow();

  const [, port] = server.localAddr().split(':');
  const socket = connect(Number(port), '127.0.0.1');
  socket.on('error', () => {});
  socket.end(new Uint8Array([99]));
  expect(await until('failed to decode incoming command')).toEqual(['error error']);
  socket.destroy();

  const last = call();
  await answer(new AppendEntriesResponse({ success: true }));
  await last;
  server.closeStreams();
  expect(await until('stream layer is closed')).toEqual(['debug']);
  await client.close();
  await server.close();
});

it('the transport logs that it cannot accept', async () => {
  let attempts = 0;
  const stream = {
    accept: async () => {
      attempts += 1;
      if (attempts === 1) throw new Error('too many open files');
      return new Promise<never>(() => {});
    },
    addr: () => 'a:1',
    close: async () => {},
    dial: async () => Promise.reject(new Error('not here')),
  };
  const transport = newNetworkTransportWithConfig({
    stream,
    maxPool: 0,
    timeout: 1000,
    logger: log,
    clock: systemClock,
  });
  expect(await until('failed to accept connection')).toEqual(['error error']);
  await transport.close();
});
