import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { InmemSnapshotStore } from '../../snapshot/inmem-snapshot-store.ts';
import { InmemStore } from '../../store/inmem-store.ts';
import {
  type Fault,
  failures,
  garbage,
  RejectionWatch,
  silence,
} from '../../testing/fault-fixture.ts';
import { TestCluster, type TestNode } from '../../testing/runtime-fixture.ts';
import { Configuration } from '../configuration.ts';
import { ErrRaftShutdown, RaftError } from '../errors.ts';
import { bootstrapCluster } from '../recover.ts';
import { RaftState } from '../state.ts';

const DISK_TIMEOUT_MS = 300;

const watch = new RejectionWatch();
beforeAll(watch.start);
afterAll(() => expect(watch.stop()).toEqual([]));

/** A store of which one method does something else, once it is told to. */
class Spoilt<T extends object> {
  readonly store: T;
  #method = '';
  #fault: Fault = () => undefined;

  constructor(inner: T) {
    const call = (method: string, value: (...args: unknown[]) => unknown, args: unknown[]) =>
      method === this.#method ? this.#fault() : Reflect.apply(value, inner, args);
    this.store = new Proxy(inner, {
      get: (target, key) => {
        const value: unknown = Reflect.get(target, key);
        if (typeof value !== 'function' || typeof key === 'symbol') return value;
        return (...args: unknown[]) =>
          call(key, (...all) => Reflect.apply(value, inner, all), args);
      },
    });
  }

  spoil(method: string, fault: Fault): void {
    this.#method = method;
    this.#fault = fault;
  }

  mend(): void {
    this.#method = '';
  }
}

interface Subject {
  readonly cluster: TestCluster;
  readonly node: TestNode;
  readonly store: Spoilt<InmemStore>;
  readonly snaps: Spoilt<InmemSnapshotStore>;
}

/** A cluster of one node that has applied three commands. */
async function alone(): Promise<Subject> {
  const store = new Spoilt(new InmemStore());
  const snaps = new Spoilt(new InmemSnapshotStore());
  const cluster = new TestCluster();
  const config = { diskTimeout: DISK_TIMEOUT_MS, trailingLogs: 1 };
  const node = cluster.add({ store: store.store, snaps: snaps.store, config });
  const { id, address, transport } = node;
  const servers = new Configuration([{ suffrage: 0, id, address }]);
  await bootstrapCluster(node.config, node.store, node.store, node.snaps, transport, servers);
  await node.start();
  await cluster.leader();
  for (const command of ['a', 'b', 'c']) await cluster.time.result(node.raft.apply(utf8(command)));
  return { cluster, node, store, snaps };
}

/** Ends a node; that a write never ends may be why it cannot end well. */
async function end({ cluster, node }: Subject): Promise<void> {
  await cluster.time.error(node.raft.shutdown(), 30_000);
}

/** Starts a node on what the one before has left behind, on stores that are sound again. */
async function revive({ cluster, node, store, snaps }: Subject): Promise<void> {
  store.mend();
  snaps.mend();
  node.renew();
  await node.start();
  await cluster.leader();
  await cluster.time.result(node.raft.barrier());
}

function pairs<T>(methods: readonly T[], ...kinds: Readonly<Record<string, Fault>>[]) {
  return methods.flatMap((method) =>
    kinds.flatMap((kind) =>
      Object.entries(kind).map(([name, fault]) => [method, name, fault] as const),
    ),
  );
}

/** Stops a node, and starts it again on a store that is spoilt by then. */
async function startSpoilt(subject: Subject, method: string, fault: Fault): Promise<unknown> {
  const { cluster, node, store, snaps } = subject;
  await cluster.time.result(node.stop());
  node.renew();
  const spoilt = method in store.store ? store : snaps;
  spoilt.spoil(method, fault);
  const started = node.start().then(
    () => 'started',
    (thrown: unknown) => thrown,
  );
  return cluster.time.result(started, 60_000);
}

describe('a node that starts on a store', () => {
  const reads = ['firstIndex', 'lastIndex', 'getLog', 'getLogRange', 'get', 'getUint64', 'list'];

  it.each(pairs(reads, failures))(
    'whose %s %s says so (S11, S16)',
    async (method, _name, fault) => {
      const subject = await alone();
      const thrown = await startSpoilt(subject, method, fault);
      expect(thrown).toBeInstanceOf(Error);
      expect(thrown).toHaveProperty('message', expect.stringContaining('on purpose'));
      await revive(subject);
      expect(subject.node.applied).toEqual(['a', 'b', 'c']);
      await subject.cluster.close();
    },
  );

  it.each(pairs([...reads, 'setUint64'], silence))(
    'whose %s %s gives it up in time',
    async (method, _name, fault) => {
      const subject = await alone();
      const thrown = await startSpoilt(subject, method, fault);
      const text = `has not been answered for ${DISK_TIMEOUT_MS} ms`;
      expect(thrown).toHaveProperty('message', expect.stringContaining(text));
      await revive(subject);
      expect(subject.node.applied).toEqual(['a', 'b', 'c']);
      await subject.cluster.close();
    },
  );

  it('while its process stands still waits for the answer that is on its way', async () => {
    const subject = await alone();
    const { cluster, node, store } = subject;
    await cluster.time.result(node.stop());
    node.renew();
    const { getLog } = store.store;
    const late = async (index: number) => {
      await new Promise<void>((resolve) => node.clock.deliver(DISK_TIMEOUT_MS / 2, resolve));
      return getLog.call(store.store, index);
    };
    Object.assign(store.store, { getLog: late });
    cluster.time.scheduler.schedule(1, () => node.clock.pause());
    cluster.time.scheduler.schedule(4 * DISK_TIMEOUT_MS, () => node.clock.resume());
    await cluster.time.result(node.start(), 60_000);
    await cluster.close();
  });

  it.each(pairs(reads.slice(0, 4), garbage))(
    'whose %s %s says what was expected, instead of forgetting its log',
    async (method, _name, fault) => {
      const subject = await alone();
      const thrown = await startSpoilt(subject, method, fault);
      expect(thrown).toBeInstanceOf(RaftError);
      const text = new RegExp(`expected ${method}\\(.*\\) of the store to give .*, got `);
      expect(thrown).toHaveProperty('message', expect.stringMatching(text));
      await revive(subject);
      expect(subject.node.applied).toEqual(['a', 'b', 'c']);
      await subject.cluster.close();
    },
  );

  it.each([
    ['get', 7],
    ['getUint64', 'text'],
    ['getUint64', -1],
    ['list', [{ id: 'x' }]],
    ['list', null],
  ])(
    'whose %s answers %o says what was expected, instead of voting twice',
    async (method, answer) => {
      const subject = await alone();
      const thrown = await startSpoilt(subject, method, () => answer);
      expect(thrown).toMatchObject({ code: 'ERR_STORE_ANSWER' });
      await revive(subject);
      expect(subject.node.applied).toEqual(['a', 'b', 'c']);
      await subject.cluster.close();
    },
  );

  it('whose first index lies behind its last says so', async () => {
    const subject = await alone();
    const thrown = await startSpoilt(subject, 'firstIndex', () => 1000);
    expect(thrown).toMatchObject({ code: 'ERR_STATE_DAMAGED' });
    expect(thrown).toHaveProperty('message', expect.stringContaining('goes from 1000 to 5'));
    await subject.cluster.close();
  });
});

describe('a node that runs on a store', () => {
  it.each(pairs(['storeLogs'], failures, silence))(
    'whose %s %s stops, and keeps what it acknowledged (S57, S201)',
    async (method, name, fault) => {
      const subject = await alone();
      const { cluster, node, store } = subject;
      store.spoil(method, fault);
      const lost = node.raft.apply(utf8('lost'));
      expect(await cluster.time.error(lost)).toBeInstanceOf(RaftError);
      expect(lost.outcome()).toBe('unknown');
      expect(node.raft.state()).toBe(RaftState.Shutdown);
      const code = name === 'never answers' ? 'ERR_STORE_TIMEOUT' : 'ERR_STORE_FAILED';
      expect(node.raft.fatal).toMatchObject({ code });
      const late = node.raft.apply(utf8('late'));
      expect(await cluster.time.error(late)).toBe(ErrRaftShutdown);
      expect(late.outcome()).toBe('not-applied');
      await end(subject);
      await revive(subject);
      expect(node.applied).toEqual(['a', 'b', 'c']);
      await cluster.close();
    },
  );

  it.each(pairs(['firstIndex', 'deleteRange'], failures, silence))(
    'whose %s %s while it compacts stops, and keeps what it acknowledged (S148)',
    async (method, _name, fault) => {
      const subject = await alone();
      const { cluster, node, store } = subject;
      store.spoil(method, fault);
      await cluster.time.error(node.raft.snapshot());
      await cluster.time.until(() => node.raft.fatal !== null, 'the node has stopped');
      expect(node.raft.fatal?.message).toMatch(/^compactLog (failed: |has not been answered)/);
      await end(subject);
      await revive(subject);
      expect(node.applied).toEqual(['a', 'b', 'c']);
      await cluster.close();
    },
  );

  it.each(pairs(['create'], failures, garbage))(
    'for snapshots whose %s %s fails the snapshot only (S145)',
    async (method, _name, fault) => {
      const subject = await alone();
      const { cluster, node, snaps } = subject;
      snaps.spoil(method, fault);
      const error = await cluster.time.error(node.raft.snapshot());
      expect(error?.message).toMatch(
        /^failed to create snapshot: (on purpose|expected create\(\))/,
      );
      snaps.mend();
      expect(await cluster.time.error(node.raft.snapshot())).toBeNull();
      expect(await cluster.time.error(node.raft.apply(utf8('d')))).toBeNull();
      await cluster.close();
    },
  );

  it.each(pairs(['open'], failures, garbage))(
    'for snapshots whose %s %s says so to whoever opens one (S150)',
    async (method, _name, fault) => {
      const { cluster, node, snaps } = await alone();
      const future = node.raft.snapshot();
      expect(await cluster.time.error(future)).toBeNull();
      snaps.spoil(method, fault);
      await expect(cluster.time.result(future.open())).rejects.toThrow(
        /on purpose|expected open\(.*\) of the store to give a snapshot and its reader, got/,
      );
      await cluster.close();
    },
  );
});
