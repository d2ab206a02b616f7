import { afterEach, expect, it } from 'vitest';
import {
  bootstrapCluster,
  Configuration,
  defaultConfig,
  newRaft,
  type Raft,
  RaftState,
  RequestVoteRequest,
  ServerSuffrage,
  silentLogger,
  TimeoutNowRequest,
} from '../index.ts';
import { utf8 } from '../internal/bytes.ts';
import type { LogFields } from '../raft/logger.ts';
import { InmemSnapshotStore } from '../snapshot/inmem-snapshot-store.ts';
import { newInmemStore } from '../store/inmem-store.ts';
import type { NetworkTransport } from '../transport/network-transport.ts';
import { newTLSTransport, type TLSCredentials } from '../transport/tls-stream-layer.ts';
import { TestAuthority } from './certificates.ts';

const SERVER_NAME = 'server.raft.internal';

/**
 * Three members share this process and this machine with other tests, and every connection of
 * theirs begins with a handshake: half a second, the default, is no time for a lease. Nobody waits
 * for so long here, because the leader is told to stand.
 */
const PATIENCE_MS = 60_000;

/** Resolves when `isTrue` does; the test's own limit ends it otherwise. */
async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 5));
}

interface Node {
  readonly id: string;
  readonly transport: NetworkTransport;
  readonly applied: string[];
  /** The reasons for which peers were refused. */
  readonly refused: string[];
  raft: Raft | null;
}

const nodes: Node[] = [];
afterEach(async () => {
  for (const { raft, transport } of nodes.splice(0)) {
    await raft?.shutdown().error();
    await transport.close();
  }
});

async function newNode(id: string, credentials: TLSCredentials): Promise<Node> {
  const refused: string[] = [];
  const warn = ({ error }: LogFields, text: string): void => {
    if (text === 'refused connection') refused.push(String(error));
  };
  const transport = await newTLSTransport(
    '127.0.0.1:0',
    null,
    { ...credentials, serverName: SERVER_NAME },
    { maxPool: 3, timeout: PATIENCE_MS, logger: { ...silentLogger, warn } },
  );
  const node = { id, transport, applied: [], refused, raft: null };
  nodes.push(node);
  return node;
}

async function start(node: Node, members: Configuration): Promise<Raft> {
  const { id, transport, applied } = node;
  const store = newInmemStore();
  const snapshots = new InmemSnapshotStore();
  const config = {
    ...defaultConfig(),
    localID: id,
    logger: silentLogger,
    heartbeatTimeout: PATIENCE_MS,
    electionTimeout: PATIENCE_MS,
    leaderLeaseTimeout: PATIENCE_MS,
  };
  await bootstrapCluster(config, store, store, snapshots, transport, members);
  const fsm = {
    apply: ({ data }: { data: Uint8Array | null }) =>
      applied.push(new TextDecoder().decode(data ?? new Uint8Array())),
    snapshot: () => ({ persist() {}, release() {} }),
    restore() {},
  };
  const raft = await newRaft(config, fsm, store, store, snapshots, transport);
  node.raft = raft;
  return raft;
}

const words = ['one', 'two', 'three'];

it('three members elect a leader and apply over TLS; a stranger gets nowhere', async () => {
  const ours = await TestAuthority.create('ours');
  const theirs = await TestAuthority.create('theirs');
  const member = await ours.member({ names: [SERVER_NAME] });
  for (const id of ['a', 'b', 'c']) await newNode(id, member);
  const members = new Configuration(
    nodes.map(({ id, transport }) => ({
      suffrage: ServerSuffrage.Voter,
      id,
      address: transport.localAddr(),
    })),
  );
  const rafts = await Promise.all(nodes.map((node) => start(node, members)));

  const [first, second] = nodes;
  const [leader] = rafts;
  if (first === undefined || second === undefined || leader === undefined) expect.fail();
  const address = first.transport.localAddr();
  const rpcHeader = { protocolVersion: 3, id: utf8('b'), addr: null };
  await second.transport.timeoutNow('a', address, new TimeoutNowRequest({ rpcHeader }));
  await until(() => leader.state() === RaftState.Leader);

  // It believes us; nobody of us believes it.
  const credentials = { ...(await theirs.member({ names: [SERVER_NAME] })), ca: ours.pem };
  const stranger = await newNode('d', credentials);
  const vote = new RequestVoteRequest({ rpcHeader, term: 1_000_000, leadershipTransfer: true });
  await expect(stranger.transport.requestVote('a', address, vote)).rejects.toThrow();

  for (const word of words) expect(await leader.apply(utf8(word)).error()).toBeNull();
  const applied = () => nodes.slice(0, 3).map((node) => node.applied);
  await until(() => applied().every(({ length }) => length === words.length));
  expect(applied()).toEqual([words, words, words]);
  for (const raft of rafts) expect(raft.currentTerm()).toBe(2);
  expect(first.refused).toEqual([expect.stringContaining('UNABLE_TO_VERIFY_LEAF_SIGNATURE')]);
});
