import { describe, expect, it } from 'vitest';
import { InmemStore } from '../../store/inmem-store.ts';
import { voters } from '../../testing/core-fixture.ts';
import {
  Gate,
  HookedStore,
  ListFSM,
  TestCluster,
  type TestNode,
  turn,
} from '../../testing/runtime-fixture.ts';
import {
  ErrAbortedByRestore,
  ErrEnqueueTimeout,
  ErrLeadershipLost,
  ErrNotLeader,
  ErrRaftShutdown,
} from '../errors.ts';
import type { OpenSnapshot, SnapshotMeta, SnapshotSink, SnapshotStore } from '../snapshot.ts';

/** A store that takes no entry behind a gap unless it is empty. */
class MonotonicStore extends InmemStore {
  isMonotonic(): boolean {
    return true;
  }
}

const command = (text: string) => new TextEncoder().encode(text);
const texts = (count: number, from = 0) => Array.from({ length: count }, (_, i) => `c${from + i}`);

/** Has the leader apply commands, and waits until everybody has. */
async function applyAll(cluster: TestCluster, leader: TestNode, commands: readonly string[]) {
  await cluster.time.result(Promise.all(commands.map((c) => leader.raft.apply(command(c)))));
}

/** A snapshot of the first ten commands, which were applied to a cluster of their own. */
async function tenCommands(cluster: TestCluster, leader: TestNode): Promise<OpenSnapshot> {
  await applyAll(cluster, leader, texts(10));
  const taken = leader.raft.snapshot();
  await cluster.time.result(taken);
  return taken.open();
}

describe('Raft.restore', () => {
  const cases = [0, 1, 2, 100, 1000, 10_000].flatMap((offset) =>
    [false, true].flatMap((elsewhere) =>
      [false, true].map((monotonic) => ({ offset, elsewhere, monotonic })),
    ),
  );

  it.each(cases)(
    'takes over: $offset ahead, elsewhere: $elsewhere, monotonic: $monotonic (test 73)',
    async ({ offset, elsewhere, monotonic }) => {
      const store = () => ({ store: monotonic ? new MonotonicStore() : new InmemStore() });
      const cluster = await new TestCluster().start(3, store);
      const leader = await cluster.leader();
      const snapshot = await tenCommands(cluster, leader);
      await applyAll(cluster, leader, texts(10, 10));

      const target = elsewhere ? await new TestCluster(2).start(3, store) : cluster;
      const restoring = elsewhere ? await target.leader() : leader;
      const before = restoring.raft.lastIndex();
      const meta = { ...snapshot.meta, index: snapshot.meta.index + offset };
      await target.time.result(restoring.raft.restore(meta, snapshot.reader, 5000));

      const expected = Math.max(before, meta.index) + 2;
      await target.agree(10);
      await target.time.until(() => target.nodes.every((n) => n.raft.lastIndex() === expected));
      for (const node of target.nodes) {
        expect(node.applied).toEqual(texts(10));
        expect(await node.store.firstIndex()).toBe(expected);
        expect(await node.store.lastIndex()).toBe(expected);
      }
      await applyAll(target, restoring, texts(10, 20));
      await target.agree(20);
      expect(restoring.applied).toEqual([...texts(10), ...texts(10, 20)]);
      await target.close();
      if (elsewhere) await cluster.close();
    },
  );
});

/** The bytes of a state, as a user has them; each waits at the gate. */
async function* bytesOf(words: readonly string[], gate?: Gate): AsyncIterable<Uint8Array> {
  const bytes = command(JSON.stringify(words));
  const half = bytes.length >> 1;
  for (const part of [bytes.subarray(0, half), bytes.subarray(half)]) {
    await gate?.pass();
    yield part;
  }
}

function metaOf(words: readonly string[], index = 1): SnapshotMeta {
  const size = command(JSON.stringify(words)).length;
  return {
    version: 1,
    id: 'from outside',
    index,
    term: 9,
    peers: null,
    configuration: voters('x'),
    configurationIndex: 1,
    size,
  };
}

const NEW = ['new', 'state'];

async function started(count = 3) {
  const cluster = await new TestCluster().start(count, () => ({ store: new HookedStore() }));
  const leader = await cluster.leader();
  await applyAll(cluster, leader, texts(3));
  await cluster.agree(3);
  const others = cluster.nodes.filter((node) => node !== leader);
  return { cluster, time: cluster.time, leader, raft: leader.raft, others };
}

function storeOf({ store }: TestNode): HookedStore {
  if (store instanceof HookedStore) return store;
  throw new Error('expected a hooked store');
}

describe('a restore that goes well', () => {
  it('keeps the membership, and lets a restarted node begin from it (S153)', async () => {
    const { cluster, time, leader, raft } = await started();
    await time.result(raft.restore(metaOf(NEW), bytesOf(NEW)));
    await cluster.agree(2);
    for (const { snaps } of cluster.nodes) {
      const [meta] = await snaps.list();
      expect(meta).toMatchObject({ version: 1, index: 6, term: 1 + 1, configurationIndex: 1 });
      expect(meta?.configuration).toEqual(voters('a', 'b', 'c'));
    }
    await cluster.close();
    for (const node of cluster.nodes) node.renew();
    cluster.connect();
    for (const node of cluster.nodes) await node.start();
    await cluster.leader();
    expect(leader.applied).toEqual(NEW);
    await cluster.close();
  });

  it('aborts what is in flight when it takes place (S153)', async () => {
    const { cluster, time, raft, others } = await started();
    const disk = new Gate();
    for (const node of others) storeOf(node).onWrite = disk.pass;
    const inFlight = raft.apply(command('lost'));
    await time.pass(10);
    const restore = raft.restore(metaOf(NEW), bytesOf(NEW));
    expect(await time.error(inFlight)).toBe(ErrAbortedByRestore);
    expect(inFlight.outcome()).toBe('unknown');
    disk.open();
    await time.result(restore);
    await cluster.agree(2);
    expect(cluster.nodes[0]?.applied).toEqual(NEW);
    await cluster.close();
  });

  it('lets what comes meanwhile wait, and applies it to the new state', async () => {
    const { cluster, time, leader, raft } = await started();
    const gate = new Gate();
    const restore = raft.restore(metaOf(NEW), bytesOf(NEW, gate));
    const apply = raft.apply(command('later'));
    const change = raft.addNonvoter('d', 'd:1');
    const hasty = raft.apply(command('hasty'), 20);
    expect(await time.error(hasty)).toBe(ErrEnqueueTimeout);
    await time.pass(1000);
    expect(leader.applied).toEqual(texts(3));
    gate.open();
    await time.result(restore);
    await time.result(apply);
    await time.result(change);
    await cluster.agree(3);
    expect(leader.applied).toEqual([...NEW, 'later']);
    await cluster.close();
  });

  it('goes behind what the same caller proposed before it', async () => {
    const { cluster, time, leader, raft } = await started(1);
    const before = raft.apply(command('before'));
    const restore = raft.restore(metaOf(NEW), bytesOf(NEW));
    const after = raft.apply(command('after'));
    expect(await time.error(before)).toBeNull();
    await time.result(restore);
    await time.result(after);
    expect(leader.applied).toEqual([...NEW, 'after']);
    await cluster.close();
  });
});

describe('a restore by a deposed leader', () => {
  it('changes nothing: it fails, keeps no snapshot, and all nodes agree (rule 10)', async () => {
    const { cluster, time, leader, raft, others } = await started();
    const gate = new Gate();
    const restore = raft.restore(metaOf(NEW), bytesOf(NEW, gate));
    await time.until(() => gate.waiting === 1, 'the bytes are asked for');
    cluster.isolate(leader);
    const next = await cluster.leader(others);
    await applyAll(cluster, next, ['by the next leader']);
    gate.open();
    expect(await time.error(restore)).toBe(ErrLeadershipLost);
    cluster.connect();
    await cluster.agree(4);
    expect(leader.applied).toEqual([...texts(3), 'by the next leader']);
    expect(await leader.snaps.list()).toEqual([]);
    await cluster.close();
  });

  it('is caught though it has not noticed yet: a quorum is asked after the copy', async () => {
    const { cluster, time, leader, raft, others } = await started();
    const copied = new Gate();
    const restore = raft.restore(metaOf(NEW), bytesOf(NEW, copied));
    await time.until(() => copied.waiting === 1, 'the bytes are asked for');
    cluster.isolate(leader);
    copied.open();
    await turn();
    expect(leader.isLeader).toBe(true);
    expect(await time.error(restore)).toBe(ErrLeadershipLost);
    expect([leader.applied, await leader.snaps.list()]).toEqual([texts(3), []]);
    const next = await cluster.leader(others);
    cluster.connect();
    await applyAll(cluster, next, ['x']);
    await cluster.agree(4);
    await cluster.close();
  });
});

describe('a restore that fails', () => {
  it.each<[string, Partial<SnapshotMeta>, AsyncIterable<Uint8Array>]>([
    ["failed to write snapshot, size didn't match (15 != 16)", { size: 16 }, bytesOf(NEW)],
    ["failed to write snapshot, size didn't match (7 != 3)", { size: 3 }, bytesOf(NEW)],
    [
      'failed to write snapshot: bad tape',
      {},
      (async function* () {
        yield command('["new"');
        throw new Error('bad tape');
      })(),
    ],
    ['unsupported snapshot version 2', { version: 2 }, bytesOf(NEW)],
  ])('leaves everything as it was: %s (S153)', async (text, fields, reader) => {
    const { cluster, time, leader, raft } = await started();
    const error = await time.error(raft.restore({ ...metaOf(NEW), ...fields }, reader));
    expect(error?.message).toBe(text);
    await applyAll(cluster, leader, ['next']);
    await cluster.agree(4);
    expect([leader.applied.at(-1), await leader.snaps.list()]).toEqual(['next', []]);
    await cluster.close();
  });

  it.each<[string, (node: TestNode) => void]>([
    [
      'failed to create snapshot: bad disk',
      ({ snaps }) => {
        snaps.create = () => Promise.reject(new Error('bad disk'));
      },
    ],
    [
      'failed to write snapshot: bad disk',
      ({ snaps }) => hookSink(snaps, { write: () => Promise.reject(new Error('bad disk')) }),
    ],
    [
      'failed to close snapshot: bad disk',
      ({ snaps }) => hookSink(snaps, { close: () => Promise.reject(new Error('bad disk')) }),
    ],
    [
      'failed to create snapshot: the snapshot store was silent for 10000 ms',
      ({ snaps }) => {
        snaps.create = () => new Promise(() => {});
      },
    ],
    [
      'failed to write snapshot: the snapshot store was silent for 10000 ms',
      ({ snaps }) => hookSink(snaps, { write: () => new Promise(() => {}) }),
    ],
  ])('says what the store did: %s (S153)', async (text, damage) => {
    const { cluster, time, leader, raft } = await started();
    damage(leader);
    const error = await time.error(raft.restore(metaOf(NEW), bytesOf(NEW)));
    expect(error?.message).toBe(text);
    await applyAll(cluster, leader, ['next']);
    expect(leader.applied.at(-1)).toBe('next');
    await cluster.close();
  });

  it('does not wait for ever for bytes that do not come', async () => {
    const { cluster, time, leader, raft } = await started(1);
    const restore = raft.restore(metaOf(NEW), bytesOf(NEW, new Gate()));
    expect(await time.error(restore)).toMatchObject({
      message: 'failed to write snapshot: the sender of a snapshot was silent for 10000 ms',
    });
    await applyAll(cluster, leader, ['next']);
    await cluster.close();
  });

  it('lets its caller give up, and the next one have its turn', async () => {
    const { cluster, time, leader, raft } = await started();
    const stop = new AbortController();
    const gate = new Gate();
    const first = raft.restore(metaOf(NEW), bytesOf(NEW, gate), { signal: stop.signal });
    await time.until(() => gate.waiting === 1, 'the bytes are asked for');
    const second = raft.restore(metaOf(NEW), bytesOf(NEW));
    expect(await time.error(second)).toMatchObject({ code: 'ERR_RESTORE_IN_PROGRESS' });
    stop.abort();
    expect(await time.error(first)).toMatchObject({ code: 'ERR_ABORTED' });
    await time.result(raft.restore(metaOf(NEW), bytesOf(NEW)));
    expect(leader.applied).toEqual(NEW);
    await cluster.close();
  });

  it('ends the node when the FSM cannot take it: its state is half-restored (S153)', async () => {
    const { cluster, time, leader, raft } = await started(1);
    if (leader.fsm instanceof ListFSM) leader.fsm.restore = () => Promise.reject(new Error('no'));
    const error = await time.error(raft.restore(metaOf(NEW), bytesOf(NEW)));
    expect(error?.message).toContain('failed to restore snapshot');
    expect(raft.fatal?.message).toContain('failed to restore snapshot');
    await cluster.close();
  });
});

describe('a restore is refused', () => {
  it('by whoever does not lead, and its bytes are not touched (S152)', async () => {
    const { cluster, time, others } = await started();
    const bytes = bytesOf(NEW);
    const [follower] = others;
    const refused = follower?.raft.restore(metaOf(NEW), bytes);
    if (refused === undefined) throw new Error('no follower');
    expect(await time.error(refused)).toBe(ErrNotLeader);
    await time.result((await cluster.leader()).raft.restore(metaOf(NEW), bytes));
    await cluster.agree(2);
    await cluster.close();
  });

  it('when it is not taken within its time; it is not done later (S152)', async () => {
    const { cluster, time, leader, raft } = await started();
    const fsm = new Gate();
    if (leader.fsm instanceof ListFSM) {
      const { fsm: list } = leader;
      const restore = list.restore.bind(list);
      list.restore = async (reader) => {
        await fsm.pass();
        await restore(reader);
      };
    }
    const first = raft.restore(metaOf(NEW), bytesOf(NEW));
    await time.until(() => fsm.waiting === 1, 'the main lane is held');
    const late = raft.restore(metaOf(['x']), bytesOf(['x']), 50);
    expect(await time.error(late)).toBe(ErrEnqueueTimeout);
    fsm.open();
    await time.result(first);
    await applyAll(cluster, leader, ['next']);
    expect(leader.applied).toEqual([...NEW, 'next']);
    await cluster.close();
  });

  it('after the shutdown, and ends with it (S163)', async () => {
    const { cluster, time, raft } = await started(1);
    const gate = new Gate();
    const under = raft.restore(metaOf(NEW), bytesOf(NEW, gate));
    await time.until(() => gate.waiting === 1, 'the bytes are asked for');
    const closing = cluster.close();
    expect(await time.error(under)).toBe(ErrRaftShutdown);
    await closing;
    expect(await time.error(raft.restore(metaOf(NEW), bytesOf(NEW)))).toBe(ErrRaftShutdown);
  });

  it.each<[string, object, unknown]>([
    ['meta.size must be a whole number', { size: -1 }, bytesOf(NEW)],
    ['meta.index must be a whole number', { index: Number.MAX_SAFE_INTEGER }, bytesOf(NEW)],
    ['meta.version must be a whole number', { version: Number.NaN }, bytesOf(NEW)],
    ['reader must be an AsyncIterable', {}, 'bytes'],
  ])('at once for what makes no sense: %s', async (text, fields, reader) => {
    const { cluster, raft } = await started(1);
    const meta = { ...metaOf(NEW), ...fields };
    expect(() => Reflect.apply(raft.restore, raft, [meta, reader])).toThrow(text);
    await cluster.close();
  });
});

/** Lets the sinks of a store do something else. */
function hookSink(snaps: SnapshotStore, hooks: Partial<SnapshotSink>): void {
  const create = snaps.create.bind(snaps);
  snaps.create = async (...args) => {
    const sink = await create(...args);
    return {
      id: () => sink.id(),
      write: (chunk) => sink.write(chunk),
      close: () => sink.close(),
      cancel: () => sink.cancel(),
      ...hooks,
    };
  };
}
