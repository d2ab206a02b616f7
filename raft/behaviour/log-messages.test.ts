import { beforeAll, describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { KeptLog } from '../../testing/log-fixture.ts';
import {
  HookedStore,
  ListFSM,
  TestCluster,
  type TestNode,
  type TestNodeOptions,
} from '../../testing/runtime-fixture.ts';
import { ErrLogNotFound } from '../errors.ts';
import { InstallSnapshotResponse } from '../messages.ts';

/** Every line of every cluster below. */
const log = new KeptLog();

async function cluster(count: number, options: TestNodeOptions['config'] = {}) {
  const nodes = new TestCluster(count);
  const config = { logger: log, ...options };
  await nodes.start(count, () => ({ config, store: new HookedStore() }));
  const leader = await nodes.leader();
  const others = nodes.nodes.filter((node) => node !== leader);
  const [follower = leader] = others;
  const apply = (node = leader) => nodes.time.result(node.raft.apply(utf8('x')));
  return { nodes, time: nodes.time, leader, others, follower, apply };
}

function storeOf({ store }: TestNode): HookedStore {
  if (store instanceof HookedStore) return store;
  throw new Error('a store without hooks');
}

function fail(): never {
  throw new Error('broken');
}

async function membership(): Promise<void> {
  const { nodes, time, leader, apply } = await cluster(3, { trailingLogs: 0 });
  const late = nodes.add({ config: { logger: log } });
  await apply();
  await time.error(leader.raft.snapshot());
  await time.error(leader.raft.snapshot());
  await late.start();
  await time.pass(300);
  nodes.connect();
  await time.result(leader.raft.addNonvoter(late.id, late.address));
  await nodes.agree(1);
  await time.result(leader.raft.addNonvoter(late.id, 'elsewhere:1'));
  await time.result(leader.raft.removeServer(late.id));
  await time.pass(500);
  await nodes.close();
}

async function aLeaderThatIsRemoved(shutdownOnRemove: boolean): Promise<void> {
  const { nodes, time, leader } = await cluster(3, { shutdownOnRemove });
  await time.error(leader.raft.removeServer(leader.id));
  await time.pass(1000);
  await nodes.close();
}

async function partition(): Promise<void> {
  const { nodes, time, leader, others, apply } = await cluster(3, { leaderLeaseTimeout: 20 });
  const [lost, ally] = others;
  if (lost === undefined || ally === undefined) throw new Error('there are three nodes');
  await apply();
  nodes.isolate(lost);
  await time.pass(500);
  nodes.isolate(leader);
  await time.pass(500);
  nodes.connect();
  await nodes.leader();
  await nodes.close();
}

async function transfers(): Promise<void> {
  const { nodes, time, leader, follower, apply } = await cluster(3);
  await apply();
  await time.error(leader.raft.leadershipTransferToServer(leader.id, leader.address));
  nodes.isolate(follower);
  await apply();
  const stuck = leader.raft.leadershipTransferToServer(follower.id, follower.address);
  await time.error(leader.raft.leadershipTransfer());
  await time.error(stuck);
  nodes.connect();
  await nodes.leader();
  await nodes.agree(2);
  const next = nodes.nodes.find((node) => node.isLeader) ?? leader;
  await time.error(next.raft.leadershipTransfer());
  await nodes.close();
}

async function restarts(): Promise<void> {
  const { nodes, time, leader, apply } = await cluster(1);
  await apply();
  if (leader.fsm instanceof ListFSM) leader.fsm.onPersist = fail;
  await time.error(leader.raft.snapshot());
  if (leader.fsm instanceof ListFSM) leader.fsm.onPersist = () => {};
  await time.result(leader.raft.snapshot());
  const [meta] = await leader.snaps.list();
  const opened = await leader.snaps.open(meta?.id ?? '');
  await time.result(leader.raft.restore(opened.meta, opened.reader));
  await nodes.close();
  leader.renew();
  await leader.start();
  await nodes.leader();
  await nodes.close();
}

async function brokenDisks(): Promise<void> {
  const follower = await cluster(3);
  storeOf(follower.follower).onWrite = fail;
  await follower.apply();
  await follower.time.pass(100);
  await follower.nodes.close();
  const leader = await cluster(3);
  storeOf(leader.leader).onWrite = fail;
  await leader.time.error(leader.leader.raft.apply(utf8('x')));
  await leader.nodes.close();
}

/** A follower whose disk fails while it cuts what contradicts its leader. */
async function brokenCut(): Promise<void> {
  const { nodes, time, leader, others, apply } = await cluster(3);
  nodes.isolate(leader);
  void leader.raft.apply(utf8('never')).error();
  await time.until(() => !leader.isLeader);
  const next = await nodes.leader(others);
  await apply(next);
  storeOf(leader).onWrite = (what) => (what.startsWith('delete') ? fail() : undefined);
  nodes.connect();
  await time.pass(1000);
  await nodes.close();
}

async function unreadableEntries(): Promise<void> {
  const { nodes, time, follower, leader, others, apply } = await cluster(3);
  nodes.isolate(follower);
  for (let i = 0; i < 3; i += 1) await apply();
  const rest = [leader, ...others].filter((node) => node !== follower);
  for (const node of rest) await time.result(node.stop());
  for (const node of rest) {
    node.renew();
    await node.start();
  }
  nodes.connect(rest);
  const next = await nodes.leader(rest);
  await nodes.agree(3, rest);
  storeOf(next).onRead = fail;
  nodes.connect();
  await time.pass(300);
  storeOf(next).onRead = () => {
    throw ErrLogNotFound;
  };
  await time.pass(300);
  await nodes.close();
}

async function brokenPipelines(): Promise<void> {
  const { nodes, time, leader, apply } = await cluster(3);
  const { transport } = leader;
  const open = transport.appendEntriesPipeline.bind(transport);
  await apply();
  nodes.isolate(leader);
  await time.pass(20);
  transport.appendEntriesPipeline = fail;
  nodes.connect();
  await time.pass(100);
  transport.appendEntriesPipeline = async (id, target) =>
    Object.assign(await open(id, target), { appendEntries: fail });
  await time.pass(100);
  await nodes.close();
}

async function brokenInstalls(): Promise<void> {
  const { nodes, time, leader, apply } = await cluster(1, { trailingLogs: 0 });
  await apply();
  await time.result(leader.raft.snapshot());
  const { transport } = leader;
  transport.installSnapshot = fail;
  const late = nodes.add({ config: { logger: log } });
  await late.start();
  nodes.connect();
  await time.result(leader.raft.addNonvoter(late.id, late.address));
  await time.pass(100);
  transport.installSnapshot = async () => new InstallSnapshotResponse({ success: false });
  await time.pass(1000);
  await nodes.close();
}

beforeAll(async () => {
  await membership();
  await aLeaderThatIsRemoved(true);
  await aLeaderThatIsRemoved(false);
  await partition();
  await transfers();
  await restarts();
  await brokenDisks();
  await brokenCut();
  await unreadableEntries();
  await brokenPipelines();
  await brokenInstalls();
});

const CAMPAIGN = 'term tally refused votesNeeded';

/** Text, then level and keys; two ways where there are two. */
const lines: readonly [string, ...string[]][] = [
  ['initial configuration', 'info index servers'],
  ['entering follower state', 'info follower leader-address leader-id'],
  ['entering candidate state', 'info node term'],
  ['entering leader state', 'info leader'],
  ['no known peers, aborting election', 'warn'],
  ['heartbeat timeout reached, starting election', 'warn last-leader-addr last-leader-id'],
  ['calculated votes needed', 'debug needed term'],
  ['asking for pre-vote', 'debug term from address'],
  ['asking for vote', 'debug term from address'],
  ['pre-voting for self', 'debug term id'],
  ['voting for self', 'debug term id'],
  ['pre-vote received', 'debug from term tally'],
  ['pre-vote granted', 'debug from term tally'],
  ['pre-vote denied', 'debug from term tally'],
  ['pre-vote successful, starting election', `info ${CAMPAIGN}`],
  ['pre-vote campaign failed, waiting for election timeout', `info ${CAMPAIGN}`],
  ['vote granted', 'debug from term tally'],
  ['election won', 'info term tally'],
  ['Election timeout reached, restarting election', 'warn'],
  ['failed to make requestVote RPC', 'error target error term'],
  ['added peer, starting replication', 'info peer'],
  ['updating peer', 'info peer'],
  ['removed peer, stopping replication', 'info peer last-index'],
  ['updating configuration', 'info command server-id server-addr servers'],
  ['failed to contact', 'debug server-id time', 'warn server-id time'],
  ['failed to contact quorum of nodes, stepping down', 'warn'],
  ['removed ourself, shutting down', 'info'],
  ['removed ourself, transitioning to follower', 'info'],
  ['starting leadership transfer', 'debug id address'],
  ['leadership transfer timeout', 'debug'],
  ['lost leadership during transfer (expected)', 'debug'],
  ['leadership transfer in progress', 'debug'],
  ['cannot transfer leadership to itself', 'info'],
  ['failed to commit logs', 'error error'],
  ['failed to get log', 'error index error'],
  ['clearing log suffix', 'warn from to'],
  ['failed to clear log suffix', 'error error'],
  ['failed to append to logs', 'error error'],
  ['failed to appendEntries to', 'error peer error'],
  ['failed to heartbeat to', 'error peer backoff time error'],
  ['pipelining replication', 'info peer'],
  ['aborting pipeline replication', 'info peer'],
  ['failed to start pipeline replication to', 'error peer error'],
  ['failed to pipeline appendEntries', 'error peer error'],
  ['opening snapshot', 'info id'],
  ['installing snapshot on', 'info peer id size'],
  ['failed to install snapshot', 'error peer id error'],
  ['failed to send snapshot to', 'error peer error'],
  ['installSnapshot rejected to', 'warn peer id'],
  ['starting snapshot up to', 'info index'],
  ['snapshot complete up to', 'info index'],
  ['compacting logs', 'info from to'],
  ['no logs to truncate', 'info'],
  ['removing all old logs from log store', 'info'],
  ['failed to take snapshot', 'error error'],
  ['copied to local snapshot', 'info bytes'],
  ['Installed remote snapshot', 'info'],
  ['restored user snapshot', 'info index'],
  ['starting restore from snapshot', 'info id last-index last-term size-in-bytes'],
  ['restored from snapshot', 'info id last-index last-term size-in-bytes'],
];

describe('a cluster logs', () => {
  it.each(lines)('"%s" at its level, with its keys', (message, ...shapes) => {
    expect(log.shapesOf(message)).toEqual(shapes);
  });
});

it('says once that a log is dropped', async () => {
  const log = new KeptLog();
  const nodes = new TestCluster();
  await nodes.start(1, () => ({ config: { logger: log } }));
  const { raft, snaps } = await nodes.leader();
  await nodes.time.result(raft.apply(utf8('x')));
  await nodes.time.result(raft.snapshot());
  const [meta] = await snaps.list();
  const { meta: from, reader } = await snaps.open(meta?.id ?? '');
  await nodes.time.result(raft.restore(from, reader));
  const text = 'removing all old logs from log store';
  expect(log.of(text)).toHaveLength(1);
  await nodes.close();
});
