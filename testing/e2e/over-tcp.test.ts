import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, it } from 'vitest';
import {
  bootstrapCluster,
  Configuration,
  defaultConfig,
  ErrNothingNewToSnapshot,
  newRaft,
  type Raft,
  RaftState,
  ServerSuffrage,
} from '../../index.ts';
import { bytesEqual } from '../../internal/bytes.ts';
import { silentLogger } from '../../raft/logger.ts';
import { newInmemSnapshotStore } from '../../snapshot/index.ts';
import { newInmemStore } from '../../store/index.ts';
import { newTCPTransport } from '../../transport/index.ts';
import { MockFSM } from '../kit/mock-fsm.ts';

const PATIENCE_MS = 60_000;

/** A server whose stores outlive its process; its address stays too. */
class Node {
  readonly store = newInmemStore();
  readonly snaps = newInmemSnapshotStore();
  readonly id: string;
  fsm = new MockFSM();
  address = '127.0.0.1:0';
  #raft: Raft | null = null;

  constructor(id: string) {
    this.id = id;
    nodes.push(this);
  }

  get raft(): Raft {
    if (this.#raft === null) throw new Error(`${this.id} is down`);
    return this.#raft;
  }

  get isUp(): boolean {
    return this.#raft !== null;
  }

  async start(mode: 'first' | 'later'): Promise<void> {
    const conf = {
      ...defaultConfig(),
      localID: this.id,
      logger: silentLogger,
      snapshotThreshold: 100,
      trailingLogs: 10,
    };
    const trans = await newTCPTransport(this.address, null, 2, 1000, silentLogger);
    this.address = trans.localAddr();
    this.fsm = new MockFSM();
    const { store, snaps, id, address } = this;
    if (mode === 'first') {
      const alone = new Configuration([{ suffrage: ServerSuffrage.Voter, id, address }]);
      await bootstrapCluster(conf, store, store, snaps, trans, alone);
    }
    this.#raft = await newRaft(conf, this.fsm, store, store, snaps, trans);
  }

  async stop(): Promise<void> {
    const raft = this.#raft;
    this.#raft = null;
    await raft?.shutdown();
  }
}

const nodes: Node[] = [];
afterEach(() => Promise.all(nodes.splice(0).map((node) => node.stop())));

async function until(what: string, isTrue: () => boolean): Promise<void> {
  const deadline = Date.now() + PATIENCE_MS;
  while (!isTrue()) {
    if (Date.now() > deadline) throw new Error(`not within a minute: ${what}`);
    await sleep(10);
  }
}

async function leaderOf(): Promise<Node> {
  const leaders = () => nodes.filter((node) => node.isUp && node.raft.state() === RaftState.Leader);
  await until('one leader', () => leaders().length === 1);
  const [leader] = leaders();
  return leader ?? expect.fail();
}

/** Commands that were acknowledged, in all. */
let acknowledged = 0;

async function apply100(leader: Node, sizeBytes: number): Promise<void> {
  const futures = Array.from({ length: 100 }, (_, i) => {
    const command = new Uint8Array(sizeBytes).fill(i);
    return leader.raft.apply(command, PATIENCE_MS);
  });
  for (const future of futures) await future;
  acknowledged += futures.length;
}

async function snapshot(node: Node): Promise<void> {
  const error = await node.raft.snapshot().error();
  expect([null, ErrNothingNewToSnapshot]).toContain(error);
}

async function consistent(): Promise<void> {
  const logs = () => nodes.filter((node) => node.isUp).map((node) => node.fsm.logs());
  await until('all have all', () => logs().every((log) => log.length === acknowledged));
  const [first = [], ...others] = logs();
  for (const log of others) {
    expect(log.every((command, i) => bytesEqual(command, first[i] ?? expect.fail()))).toBe(true);
  }
}

it('a cluster over TCP grows, loses servers and loses no command (test 77)', async () => {
  acknowledged = 0;
  const first = new Node('n0');
  await first.start('first');
  await leaderOf();
  await apply100(first, 10);
  await snapshot(first);

  for (const id of ['n1', 'n2', 'n3', 'n4']) {
    const node = new Node(id);
    await node.start('later');
    await first.raft.addVoter(id, node.address, 0, PATIENCE_MS);
  }
  await apply100(first, 10);
  await consistent();
  await snapshot(first);

  const follower = nodes[1] ?? expect.fail();
  await follower.stop();
  await apply100(first, 10_000);
  await snapshot(first);
  await follower.start('later');
  await consistent();

  const dead = nodes.slice(3, 5);
  for (const node of dead) await node.stop();
  const leader = await leaderOf();
  await apply100(leader, 10);
  for (const id of ['n5', 'n6']) {
    const node = new Node(id);
    await node.start('later');
    await leader.raft.addVoter(id, node.address, 0, PATIENCE_MS);
  }
  for (const { id } of dead) await leader.raft.removeServer(id, 0, PATIENCE_MS);
  await consistent();

  await leader.stop();
  const next = await leaderOf();
  expect(next).not.toBe(leader);
  await apply100(next, 10);
  await consistent();
  expect(next.raft.getConfiguration().configuration().servers).toHaveLength(5);
});
