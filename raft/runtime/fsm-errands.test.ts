import { describe, expect, it } from 'vitest';
import { configurationEntry, voters } from '../../testing/core-fixture.ts';
import {
  AbleHookedStore,
  Gate,
  ListFSM,
  logOf,
  turn,
  VirtualTime,
} from '../../testing/runtime-fixture.ts';
import { Configuration } from '../configuration.ts';
import { ErrNothingNewToSnapshot, ErrRaftShutdown } from '../errors.ts';
import { type Log, LogType } from '../log.ts';
import type { OpenSnapshot } from '../snapshot.ts';
import { Entries } from './entries.ts';
import { FsmLoop } from './fsm-loop.ts';
import { InFlightEntries } from './ledger.ts';

function setUp({ logs = [] as readonly Log[], count = 0, maxBatch = 64, appliedIndex = 0 } = {}) {
  const fsm = new ListFSM();
  const store = new AbleHookedStore();
  store.inner.storeLogs(logs);
  store.inner.storeLogs(Array.from({ length: count }, (_, i) => logOf(i + 1, 1)));
  const fatal: Error[] = [];
  const loop = new FsmLoop({
    fsm,
    entries: new Entries(store),
    inFlight: new InFlightEntries(),
    clock: new VirtualTime().clock,
    maxBatch,
    appliedIndex,
    onProgress: () => {},
    onFatal: (error) => void fatal.push(error),
  });
  return { loop, fsm, fatal, store };
}

function snapshotOf(words: readonly string[]): OpenSnapshot & { readonly closed: () => boolean } {
  let closed = false;
  async function* read() {
    yield new TextEncoder().encode(JSON.stringify(words));
  }
  const chunks = read();
  const reader: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      next: () => chunks.next(),
      return: async () => {
        closed = true;
        return { done: true, value: undefined };
      },
    }),
  };
  const meta = {
    version: 1,
    id: 'snap',
    index: 9,
    term: 1,
    peers: null,
    configuration: new Configuration(),
    configurationIndex: 1,
    size: 1,
  };
  return { meta, reader, closed: () => closed };
}

describe('a picture', () => {
  it('is of the state between two batches, and says which entry is its last (S139)', async () => {
    const logs = [logOf(1, 1), logOf(2, 3), { ...logOf(3, 3), type: LogType.LogNoop }];
    const { loop, fsm } = setUp({ logs });
    loop.handOver(3);
    await turn();
    const { index, term, snapshot } = await loop.capture();
    expect([index, term]).toEqual([2, 3]);
    snapshot.release();
    expect(fsm.released).toBe(1);
  });

  const noop = { ...logOf(2, 3), type: LogType.LogNoop };
  const barrier = { ...logOf(2, 3), type: LogType.LogBarrier };
  const change = configurationEntry(2, 3, voters('a'));
  const storing = { storeConfiguration: () => {} };
  const batching = { applyBatch: (logs: readonly Log[]) => logs.map(() => undefined) };

  it.each<[string, Log, object, number]>([
    ['an ordinary FSM is of no no-op', noop, {}, 1],
    ['an ordinary FSM is of barriers', barrier, {}, 2],
    ['an ordinary FSM is of no configuration', change, {}, 1],
    ['an FSM that stores configurations is of those', change, storing, 2],
    ['a batching FSM is of configurations', change, batching, 2],
    ['a batching FSM is of barriers', barrier, batching, 2],
  ])('of %s (S137, S138, S139)', async (_what, last, abilities, index) => {
    const { loop, fsm } = setUp({ logs: [logOf(1, 3), last] });
    Object.assign(fsm, abilities);
    loop.handOver(2);
    await turn();
    expect((await loop.capture()).index).toBe(index);
  });

  it('is not taken while a batch is being applied (S140)', async () => {
    const { loop, fsm } = setUp({ count: 8, maxBatch: 4 });
    const gate = new Gate();
    fsm.onApply = gate.pass;
    loop.handOver(8);
    await turn();
    const capture = loop.capture();
    gate.open();
    expect((await capture).index).toBe(4);
  });

  it('needs something that was applied by this process (S15)', async () => {
    await expect(setUp({ appliedIndex: 7 }).loop.capture()).rejects.toBe(ErrNothingNewToSnapshot);
  });

  it('that cannot be taken fails alone', async () => {
    const { loop, fsm, fatal } = setUp({ count: 2 });
    loop.handOver(1);
    await turn();
    fsm.snapshot = () => {
      throw new Error('too busy');
    };
    await expect(loop.capture()).rejects.toThrow('failed to start snapshot: too busy');
    loop.handOver(2);
    await turn();
    expect([fsm.indexes, fatal]).toEqual([[1, 2], []]);
  });
});

describe('a restore', () => {
  it('waits behind what was handed over, and replaces the state (S140, S141)', async () => {
    const { loop, fsm } = setUp({ count: 4 });
    const gate = new Gate();
    fsm.onApply = gate.pass;
    loop.handOver(4);
    const restored = loop.restore(9, 2, async () => snapshotOf(['x', 'y']));
    await turn();
    expect(fsm.restores).toBe(0);
    gate.open();
    await restored;
    expect([fsm.applied, loop.finishedIndex]).toEqual([['x', 'y'], 9]);
    const { index, term } = await loop.capture();
    expect([index, term]).toEqual([9, 2]);
  });

  it('lets applying go on behind its index', async () => {
    const { loop, fsm, store } = setUp({ count: 2 });
    await loop.restore(9, 1, async () => snapshotOf([]));
    store.inner.storeLogs([logOf(10, 1)]);
    loop.handOver(10);
    await turn();
    expect(fsm.indexes).toEqual([10]);
  });

  it('that fails tells whoever asked, with the name of the snapshot (S141)', async () => {
    const { loop, fsm } = setUp();
    fsm.restore = () => Promise.reject(new Error('bad bytes'));
    await expect(loop.restore(9, 1, async () => snapshotOf([]))).rejects.toThrow(
      'failed to restore snapshot snap: bad bytes',
    );
  });

  it('lets go of the reader of an FSM that fails (S141)', async () => {
    const { loop, fsm } = setUp();
    const opened = snapshotOf([]);
    fsm.restore = () => Promise.reject(new Error('bad bytes'));
    await expect(loop.restore(9, 1, async () => opened)).rejects.toThrow('bad bytes');
    expect(opened.closed()).toBe(true);
  });
});

describe('stopping', () => {
  it('refuses whoever waits, and waits for the call under way', async () => {
    const { loop, fsm } = setUp({ count: 10 });
    const gate = new Gate();
    fsm.onApply = gate.pass;
    loop.handOver(10);
    await turn();
    const index = loop.untilFinished(10);
    const capture = loop.capture();
    const restore = loop.restore(11, 1, async () => snapshotOf([]));
    let isStopped = false;
    const stopped = loop.stop(ErrRaftShutdown).then(() => {
      isStopped = true;
    });
    for (const wait of [index, capture, restore]) await expect(wait).rejects.toBe(ErrRaftShutdown);
    await turn();
    expect(isStopped).toBe(false);
    gate.open();
    await stopped;
  });

  it('R11: applies nothing more, also of the batch under way', async () => {
    const { loop, fsm } = setUp({ count: 10 });
    const gate = new Gate();
    fsm.onApply = gate.pass;
    loop.handOver(10);
    await turn();
    const stopped = loop.stop(ErrRaftShutdown);
    gate.open();
    await stopped;
    expect(fsm.indexes).toEqual([1]);
  });
});
