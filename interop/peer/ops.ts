import path from 'node:path';
import { Configuration, serverSuffrageToString } from '../../raft/configuration.ts';
import { asError } from '../../raft/errors.ts';
import type { ApplyFuture, IndexFuture } from '../../raft/future.ts';
import { raftStateToString } from '../../raft/state.ts';
import { bench } from './bench.ts';
import { openSnapshots, type PeerNode } from './node.ts';
import { configOf } from './options.ts';
import type { Request } from './request.ts';

type Op = (node: PeerNode, request: Request) => Promise<object> | object;

/** Adds to a result whether there is one. */
export async function outcomeOf(act: () => PromiseLike<object> | object): Promise<object> {
  try {
    return { ok: true, ...(await act()) };
  } catch (error) {
    return { ok: false, error: asError(error).message };
  }
}

async function indexOf(future: IndexFuture): Promise<object> {
  await future;
  return { index: future.index() };
}

async function resultOf(future: ApplyFuture): Promise<object> {
  const response = (await future) ?? null;
  return { index: future.index(), response };
}

async function applyMany({ raft }: PeerNode, request: Request): Promise<object> {
  const { timeout } = request;
  const futures = request.commands().map((command) => raft.apply(command, timeout));
  const results = await Promise.all(futures.map((future) => outcomeOf(() => resultOf(future))));
  return { results };
}

async function get({ raft, state }: PeerNode, request: Request): Promise<object> {
  const mode = request.text('mode');
  if (mode === 'linear') await raft.barrier(request.timeout);
  if (mode === 'index') await raft.readIndex();
  return { value: state.get(request.text('key')), appliedIndex: raft.appliedIndex() };
}

async function transfer({ raft }: PeerNode, request: Request): Promise<object> {
  const server = request.text('server');
  await (server === ''
    ? raft.leadershipTransfer()
    : raft.leadershipTransferToServer(server, request.text('address')));
  return {};
}

async function snapshot({ raft, options }: PeerNode): Promise<object> {
  const future = raft.snapshot();
  await future;
  if (options.snapshots === 'discard') return { meta: null };
  const { meta, reader } = await future.open();
  // A reader is closed by leaving its loop.
  for await (const _ of reader) break;
  const { id, index, term, size } = meta;
  return { meta: { id, index, term, size } };
}

async function restore({ raft }: PeerNode, request: Request): Promise<object> {
  const directory = request.text('path');
  if (directory === '') throw new Error('path is required');
  const snapshots = await openSnapshots('file', path.resolve(directory, '../..'), null);
  const { meta, reader } = await snapshots.open(path.basename(directory));
  await raft.restore(meta, reader, request.timeout);
  return {};
}

function reload({ raft, options }: PeerNode, request: Request): object {
  const { trailingLogs, snapshotInterval, snapshotThreshold, heartbeatTimeout, electionTimeout } =
    configOf({ ...raft.reloadableConfig(), ...request.object('config') }, options.id);
  raft.reloadConfig({
    trailingLogs,
    snapshotInterval,
    snapshotThreshold,
    heartbeatTimeout,
    electionTimeout,
  });
  return {};
}

function setDisk({ disk, options }: PeerNode, request: Request): object {
  if (!options.faultyDisk) throw new Error('the peer was started without --faulty-disk');
  disk.set(request.text('mode'), request.number('delayMs'));
  return {};
}

function configuration({ raft }: PeerNode): object {
  const future = raft.getConfiguration();
  const servers = future.configuration().servers.map(({ id, address, suffrage }) => ({
    id,
    address,
    suffrage: serverSuffrageToString(suffrage),
  }));
  return { servers, index: future.index() };
}

function describe({ raft }: PeerNode): object {
  const { id: leaderId, address: leaderAddress } = raft.leaderWithID();
  const stats = raft.stats();
  const { last_snapshot_index: lastSnapshotIndex } = stats;
  return {
    state: raftStateToString(raft.state()),
    term: raft.currentTerm(),
    leaderId,
    leaderAddress,
    lastIndex: raft.lastIndex(),
    commitIndex: raft.commitIndex(),
    appliedIndex: raft.appliedIndex(),
    lastSnapshotIndex: Number(lastSnapshotIndex),
    stats,
  };
}

/** What a peer can be asked, but for `shutdown`, which ends it. */
export const ops: ReadonlyMap<string, Op> = new Map<string, Op>([
  [
    'bootstrap',
    async ({ raft }, request) => {
      await raft.bootstrapCluster(new Configuration(request.servers()));
      return {};
    },
  ],
  ['apply', ({ raft }, request) => resultOf(raft.apply(request.command(), request.timeout))],
  ['applyMany', applyMany],
  [
    'barrier',
    async ({ raft }, request) => {
      await raft.barrier(request.timeout);
      return {};
    },
  ],
  [
    'verifyLeader',
    async ({ raft }) => {
      await raft.verifyLeader();
      return {};
    },
  ],
  ['get', get],
  ['addVoter', ({ raft }, request) => indexOf(raft.addVoter(...memberOf(request)))],
  ['addNonvoter', ({ raft }, request) => indexOf(raft.addNonvoter(...memberOf(request)))],
  ['demoteVoter', ({ raft }, request) => indexOf(raft.demoteVoter(...nameOf(request)))],
  ['removeServer', ({ raft }, request) => indexOf(raft.removeServer(...nameOf(request)))],
  ['transfer', transfer],
  ['snapshot', snapshot],
  ['restore', restore],
  ['reload', reload],
  ['configuration', configuration],
  ['state', describe],
  ['fsm', ({ state }) => state.describe()],
  ['dump', ({ state }) => ({ data: state.dump() })],
  ['bench', bench],
  ['disk', setDisk],
]);

function memberOf(request: Request): [string, string, number, number] {
  const [id, prevIndex, timeout] = nameOf(request);
  return [id, request.text('address'), prevIndex, timeout];
}

function nameOf(request: Request): [string, number, number] {
  return [request.text('server'), request.number('prevIndex'), request.timeout];
}
