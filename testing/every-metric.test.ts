import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { utf8 } from '../internal/bytes.ts';
import type { BatchingFSM, ConfigurationStore } from '../raft/fsm.ts';
import { type Log, LogType } from '../raft/log.ts';
import {
  AppendEntriesRequest,
  AppendEntriesResponse,
  InstallSnapshotRequest,
  InstallSnapshotResponse,
  RequestPreVoteRequest,
  RequestPreVoteResponse,
  RequestVoteRequest,
  RequestVoteResponse,
  type RPCReply,
  type RPCRequest,
  TimeoutNowRequest,
  TimeoutNowResponse,
} from '../raft/messages.ts';
import { METRICS, type MetricName } from '../raft/metrics.ts';
import { newLMDBStore } from '../store/lmdb-store.ts';
import { newLogCache } from '../store/log-cache.ts';
import { newTCPTransport } from '../transport/tcp-stream-layer.ts';
import { type Measured, MeasuringSdk } from './metrics-fixture.ts';
import { ListFSM, logOf, TestCluster, type TestNode } from './runtime-fixture.ts';

class StoringFSM extends ListFSM implements ConfigurationStore {
  storeConfiguration(): void {}
}

class BatchFSM extends ListFSM implements BatchingFSM {
  applyBatch(logs: readonly Log[]): unknown[] {
    return logs.map((log) => (log.type === LogType.LogCommand ? this.apply(log) : null));
  }
}

async function* chunks(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes;
}

/** Elections, commands, snapshots, restores, transfers, and a leader that loses its quorum. */
async function driveCluster({ meter }: MeasuringSdk): Promise<void> {
  const config = { meter, trailingLogs: 0 };
  const fsms = [() => new ListFSM(), () => new StoringFSM(), () => new BatchFSM()];
  const nodes = new TestCluster();
  await nodes.start(3, (i) => ({ config, fsm: fsms[i]?.() ?? new ListFSM() }));
  const { time } = nodes;
  let leader = await nodes.leader();
  const apply = ({ raft }: TestNode): Promise<unknown> => time.result(raft.apply(utf8('x')));
  for (let i = 0; i < 3; i += 1) await apply(leader);
  await time.result(leader.raft.barrier());
  await time.result(leader.raft.verifyLeader());
  await time.result(leader.raft.snapshot());

  const late = nodes.add({ config });
  await late.start();
  nodes.connect();
  await time.result(leader.raft.addNonvoter(late.id, late.address));
  await nodes.agree(3);

  const restored = utf8(JSON.stringify(['restored']));
  const [meta] = await leader.snaps.list();
  if (meta === undefined) throw new Error('there is no snapshot');
  await time.result(
    leader.raft.restore({ ...meta, size: restored.length }, chunks(restored)),
    60_000,
  );
  await nodes.agree(1);

  const voters = nodes.nodes.filter((node) => node !== late);
  const before = leader;
  await time.result(leader.raft.leadershipTransfer());
  await time.until(() => voters.some((node) => node !== before && node.isLeader));
  leader = await nodes.leader(voters);
  await apply(leader);
  await time.pass(12_000);
  await apply(leader);
  nodes.isolate(leader);
  await time.until(() => !leader.isLeader, 'the leader steps down');
  await nodes.close();
}

const replies: Record<RPCRequest['kind'], () => RPCReply> = {
  AppendEntriesRequest: () => new AppendEntriesResponse({}),
  RequestVoteRequest: () => new RequestVoteResponse({}),
  RequestPreVoteRequest: () => new RequestPreVoteResponse({}),
  InstallSnapshotRequest: () => new InstallSnapshotResponse({}),
  TimeoutNowRequest: () => new TimeoutNowResponse({}),
};

/** One request of each type over a real connection. */
async function driveTransport({ meter }: MeasuringSdk): Promise<void> {
  const server = await newTCPTransport('127.0.0.1:0', null, 1, 10_000, { write() {} });
  const client = await newTCPTransport('127.0.0.1:0', null, 1, 10_000, { write() {} });
  server.useMeter(meter);
  const served = (async () => {
    for await (const rpc of server.consumer()) {
      if (rpc.reader !== null) for await (const _ of rpc.reader);
      rpc.respond(replies[rpc.command.kind](), null);
    }
  })();
  const heartbeat = new AppendEntriesRequest({ term: 1, leader: utf8('a') });
  const entries = new AppendEntriesRequest({ term: 1, leader: utf8('a'), entries: [logOf(1, 1)] });
  const to = ['b', server.localAddr()] as const;
  await client.appendEntries(...to, heartbeat);
  await client.appendEntries(...to, entries);
  await client.requestVote(...to, new RequestVoteRequest({}));
  await client.requestPreVote(...to, new RequestPreVoteRequest({}));
  await client.timeoutNow(...to, new TimeoutNowRequest({}));
  const bytes = utf8('state');
  const snapshot = new InstallSnapshotRequest({ size: bytes.length });
  await client.installSnapshot(...to, snapshot, chunks(bytes));
  await client.close();
  await server.close();
  await served;
}

async function driveStore({ meter }: MeasuringSdk): Promise<void> {
  const path = await mkdtemp(join(tmpdir(), 'quorate-metrics-'));
  const store = await newLMDBStore({ path });
  newLogCache(8, store).useMeter(meter);
  await store.storeLogs([logOf(1, 1), logOf(2, 1)]);
  store.getLog(1);
  await store.close();
  await rm(path, { recursive: true });
}

const LABEL_VALUES = {
  peer_id: ['a', 'b', 'c', 'd'],
  rpcType: [
    'AppendEntries',
    'Heartbeat',
    'InstallSnapshot',
    'RequestPreVote',
    'RequestVote',
    'TimeoutNow',
  ],
};

const sdk = new MeasuringSdk();
let found: Map<string, Measured>;

beforeAll(async () => {
  await driveCluster(sdk);
  await driveTransport(sdk);
  await driveStore(sdk);
  found = await sdk.read();
});

afterAll(() => sdk.close());

function labelsOf(name: string, label: string): string[] {
  return found.get(name)?.points.map(({ attributes }) => String(attributes[label])) ?? [];
}

const names = Object.keys(METRICS) as MetricName[];

describe('the SDK of OpenTelemetry reads', () => {
  it.each(names)('%s, of its kind and unit and with its label alone', (name) => {
    const { label, ...expected } = { label: undefined, ...METRICS[name] };
    const metric = found.get(name);
    const { kind, unit, description } = expected;
    expect(metric).toMatchObject({ kind, unit, description });
    const labels = metric?.points.map(({ attributes }) => attributes) ?? [];
    expect(labels).not.toEqual([]);
    if (label === undefined) expect(labels).toEqual([{}]);
    else {
      for (const one of labels) {
        expect(Object.keys(one)).toEqual([label]);
        expect(LABEL_VALUES[label]).toContain(one[label]);
      }
    }
  });

  it('a request of every type under its own label', () => {
    for (const name of ['raft.net.rpcDecode', 'raft.net.rpcEnqueue', 'raft.net.rpcRespond']) {
      const types = labelsOf(name, 'rpcType');
      expect(types.sort()).toEqual(LABEL_VALUES.rpcType);
    }
  });

  it('the legacy names too, and no other', () => {
    const legacy = names.filter((name) => 'hasLegacyName' in METRICS[name]);
    expect(legacy).toHaveLength(4);
    const others = [...found.keys()].filter((name) => !(name in METRICS));
    for (const name of others) {
      expect(legacy.some((known) => name.startsWith(`${known}.`))).toBe(true);
      const known = METRICS[name.slice(0, name.lastIndexOf('.')) as MetricName];
      expect(found.get(name)).toMatchObject({ kind: known.kind, unit: known.unit });
      expect(found.get(name)?.points.map(({ attributes }) => attributes)).toEqual([{}]);
    }
    for (const name of legacy) {
      const peers = labelsOf(name, 'peer_id');
      const own = others.filter((other) => other.startsWith(`${name}.`));
      expect(own.sort()).toEqual(peers.map((peer) => `${name}.${peer}`).sort());
    }
  });
});
