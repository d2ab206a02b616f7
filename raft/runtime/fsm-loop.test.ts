import { describe, expect, it } from 'vitest';
import { configurationEntry, voters } from '../../testing/core-fixture.ts';
import {
  AbleHookedStore,
  Gate,
  type HookedStore,
  ListFSM,
  logOf,
  turn,
  VirtualTime,
} from '../../testing/runtime-fixture.ts';
import type { Configuration } from '../configuration.ts';
import { ErrRaftShutdown } from '../errors.ts';
import type { FSM } from '../fsm.ts';
import { EntryFuture } from '../future.ts';
import { type Log, LogType } from '../log.ts';
import { Entries } from './entries.ts';
import { FsmLoop } from './fsm-loop.ts';
import { InFlightEntries } from './ledger.ts';

interface Wishes {
  readonly fsm?: FSM;
  readonly logs?: readonly Log[];
  readonly count?: number;
  readonly maxBatch?: number;
  readonly store?: HookedStore;
  readonly time?: VirtualTime;
  readonly appliedIndex?: number;
}

function setUp(wishes: Wishes = {}) {
  const { fsm = new ListFSM(), maxBatch = 64, time = new VirtualTime() } = wishes;
  const { store = new AbleHookedStore(), appliedIndex = 0, count = 0 } = wishes;
  const commands = Array.from({ length: count }, (_, i) => logOf(i + 1, 1));
  store.inner.storeLogs(wishes.logs ?? commands);
  const fatal: Error[] = [];
  const inFlight = new InFlightEntries();
  const loop = new FsmLoop({
    fsm,
    entries: new Entries(store),
    inFlight,
    clock: time.clock,
    maxBatch,
    appliedIndex,
    onProgress: () => {},
    onFatal: (error) => void fatal.push(error),
  });
  return { loop, fsm, inFlight, fatal, store, time };
}

function listSetUp(wishes: Omit<Wishes, 'fsm'> = {}) {
  const fsm = new ListFSM();
  return { ...setUp({ ...wishes, fsm }), fsm };
}

const upTo = (last: number): number[] => Array.from({ length: last }, (_, i) => i + 1);

describe('what is handed over', () => {
  it('is applied in order, each entry once, and answers its future', async () => {
    const { loop, fsm, inFlight } = listSetUp({ count: 100 });
    const future = new EntryFuture();
    inFlight.push(70, future, 1);
    loop.handOver(30);
    await turn();
    loop.handOver(100);
    await turn();
    expect(fsm.indexes).toEqual(upTo(100));
    expect(loop.finishedIndex).toBe(100);
    expect([await future, future.outcome(), future.index()]).toEqual([70, 'applied', 70]);
  });

  it('must go on where it ended', () => {
    const { loop } = setUp({ count: 10 });
    loop.handOver(5);
    expect(() => loop.handOver(5)).toThrow('handed over up to 5 already');
  });

  it('is applied in order by an FSM that needs time, one call at a time (S1)', async () => {
    const { loop, fsm } = listSetUp({ count: 10, maxBatch: 4 });
    const gate = new Gate();
    let most = 0;
    fsm.onApply = () => {
      const passed = gate.pass();
      most = Math.max(most, gate.waiting);
      return passed;
    };
    loop.handOver(10);
    for (let i = 0; i < 10; i += 1) {
      await turn();
      expect(fsm.applied).toHaveLength(i);
      gate.letOne();
    }
    await turn();
    expect(fsm.indexes).toEqual(upTo(10));
    expect(most).toBe(1);
  });

  it('is applied from a store that needs time', async () => {
    const { loop, fsm, store } = listSetUp({ count: 10, maxBatch: 4 });
    store.onRead = () => Promise.resolve();
    loop.handOver(10);
    await turn();
    expect(fsm.indexes).toEqual(upTo(10));
  });

  it('reaches the FSM as commands only; others are answered all the same (S65, S137)', async () => {
    const noop = { ...logOf(1, 1), type: LogType.LogNoop };
    const barrier = { ...logOf(3, 1), type: LogType.LogBarrier };
    const logs = [noop, configurationEntry(2, 1, voters('a')), barrier, logOf(4, 1)];
    const { loop, fsm, inFlight } = listSetUp({ logs });
    const futures = upTo(4).map((index) => {
      const future = new EntryFuture();
      inFlight.push(index, future, 1);
      return future;
    });
    loop.handOver(4);
    expect(await Promise.all(futures)).toEqual([undefined, undefined, undefined, 1]);
    expect(fsm.indexes).toEqual([4]);
  });

  it('goes to a configuration store with its index, in order (S136)', async () => {
    const logs = [logOf(1, 1), configurationEntry(2, 1, voters('a', 'b')), logOf(3, 1)];
    const told: string[] = [];
    const fsm = Object.assign(new ListFSM(), {
      async storeConfiguration(index: number, { servers }: Configuration) {
        await turn();
        told.push(`${index}: ${servers.map(({ id }) => id)}`);
      },
      apply(log: Log) {
        told.push(`${log.index}`);
      },
    });
    const { loop } = setUp({ fsm, logs });
    loop.handOver(3);
    await loop.untilFinished(3);
    expect(told).toEqual(['1', '2: a,b', '3']);
  });
});

describe('a batching FSM', () => {
  function batching(answer: (logs: readonly Log[]) => readonly unknown[] | Promise<unknown[]>) {
    const batches: number[][] = [];
    const fsm = Object.assign(new ListFSM(), {
      applyBatch(logs: readonly Log[]) {
        batches.push(logs.map(({ index }) => index));
        return answer(logs);
      },
    });
    return { fsm, batches };
  }

  it('gets commands and configurations, at most so many at a time (S138)', async () => {
    const logs = [
      { ...logOf(1, 1), type: LogType.LogNoop },
      configurationEntry(2, 1, voters('a')),
      logOf(3, 1),
      { ...logOf(4, 1), type: LogType.LogBarrier },
      logOf(5, 1),
      logOf(6, 1),
    ];
    const { fsm, batches } = batching((some) => some.map(({ index }) => `r${index}`));
    const { loop, inFlight } = setUp({ fsm, logs, maxBatch: 4 });
    const futures = upTo(6).map((index) => {
      const future = new EntryFuture();
      inFlight.push(index, future, 1);
      return future;
    });
    loop.handOver(6);
    const [, change, third, , fifth, sixth] = await Promise.all(futures);
    expect(batches).toEqual([
      [2, 3],
      [5, 6],
    ]);
    expect([change, third, fifth, sixth]).toEqual([undefined, 'r3', 'r5', 'r6']);
  });

  it('is told of configurations by its batches alone (S136)', async () => {
    const { fsm, batches } = batching((some) => some.map(() => undefined));
    const told: number[] = [];
    const both = Object.assign(fsm, {
      storeConfiguration: (index: number) => void told.push(index),
    });
    const { loop } = setUp({ fsm: both, logs: [configurationEntry(1, 1, voters('a'))] });
    loop.handOver(1);
    await loop.untilFinished(1);
    expect([batches, told]).toEqual([[[1]], []]);
  });

  it('may need time', async () => {
    const { fsm, batches } = batching(async (some) => some.map(() => 1));
    const { loop } = setUp({ fsm, count: 10, maxBatch: 5 });
    loop.handOver(10);
    await loop.untilFinished(10);
    expect(batches).toEqual([upTo(5), [6, 7, 8, 9, 10]]);
  });

  it('that gives the wrong number of answers stops the node (S138)', async () => {
    const { fsm } = batching(() => [1]);
    const { loop, fatal } = setUp({ fsm, count: 3 });
    loop.handOver(3);
    await turn();
    expect(fatal.map(({ message }) => message)).toEqual([
      'invalid number of responses: expected 3, got 1',
    ]);
  });
});

describe('an FSM that fails', () => {
  it.each([
    [
      'throws',
      () => {
        throw new Error('no');
      },
    ],
    ['rejects', () => Promise.reject(new Error('no'))],
  ])('because it %s is called no more, and stops the node', async (_, onApply) => {
    const { loop, fsm, fatal } = listSetUp({ count: 5 });
    fsm.onApply = ({ index }) => (index === 3 ? onApply() : undefined);
    loop.handOver(5);
    await turn();
    loop.handOver(6);
    await turn();
    expect(fsm.indexes).toEqual([1, 2]);
    expect(fatal.map(({ message }) => message)).toEqual(['no']);
    await expect(loop.capture()).rejects.toBe(ErrRaftShutdown);
    await expect(loop.untilFinished(5)).rejects.toThrow('no');
  });

  it('is not asked to go on behind an entry that the store lost (S65)', async () => {
    const { loop, fatal, fsm } = listSetUp({ count: 5 });
    loop.handOver(7);
    await turn();
    expect(fsm.indexes).toEqual(upTo(5).slice(0, fsm.indexes.length));
    expect(fatal).toHaveLength(1);
  });
});

describe('an entry of a type that nobody knows', () => {
  it.each([6, 200, -1])('stops the node before it is passed over: %d (S65)', async (type) => {
    const strange = Object.assign(logOf(2, 1), { type });
    const { loop, fsm, fatal, inFlight } = listSetUp({ logs: [logOf(1, 1), strange] });
    const future = new EntryFuture();
    inFlight.push(2, future, 1);
    loop.handOver(2);
    await turn();
    expect(fatal).toMatchObject([{ code: 'ERR_LOG_TYPE' }]);
    expect(fatal[0]?.message).toMatch(`unrecognized log type: ${type}, of entry 2`);
    expect([fsm.indexes.includes(2), inFlight.size]).toEqual([false, 1]);
  });
});

describe('back-pressure', () => {
  it('makes whoever hands over wait when 128 batches wait, and no longer (S2, S65)', async () => {
    const { loop, fsm } = listSetUp({ count: 200, maxBatch: 1 });
    const gate = new Gate();
    fsm.onApply = gate.pass;
    expect(loop.handOver(128)).toBeUndefined();
    expect(loop.pendingBatches).toBe(128);
    let hasRoom = false;
    const room = loop.handOver(129)?.then(() => {
      hasRoom = true;
    });
    await turn();
    expect(hasRoom).toBe(false);
    gate.letOne();
    await room;
    expect(loop.pendingBatches).toBe(128);
    gate.open();
  });

  it('lets go of whoever waits when the loop stops', async () => {
    const { loop, fsm } = listSetUp({ count: 200, maxBatch: 1 });
    fsm.onApply = new Gate().pass;
    const room = loop.handOver(200);
    void loop.stop(ErrRaftShutdown);
    await room;
  });

  it('gives the turn away every few milliseconds', async () => {
    const time = new VirtualTime();
    const { loop, fsm } = listSetUp({ count: 100, maxBatch: 1, time });
    let turns = 0;
    let nowMs = 0;
    Object.assign(time.clock, {
      monotonicMs: () => nowMs,
      afterIO: (resume: () => void) => {
        turns += 1;
        setImmediate(resume);
      },
    });
    fsm.onApply = () => {
      nowMs += 1;
    };
    loop.handOver(100);
    await loop.untilFinished(100);
    expect(turns).toBeGreaterThanOrEqual(19);
  });

  it('R11: gives the turn away inside a batch too', async () => {
    const time = new VirtualTime();
    const { loop, fsm } = listSetUp({ count: 100, maxBatch: 1024, time });
    let turns = 0;
    let nowMs = 0;
    Object.assign(time.clock, {
      monotonicMs: () => nowMs,
      afterIO: (resume: () => void) => {
        turns += 1;
        setImmediate(resume);
      },
    });
    fsm.onApply = () => {
      nowMs += 1;
    };
    loop.handOver(100);
    await loop.untilFinished(100);
    expect(turns).toBeGreaterThanOrEqual(15);
  });
});

describe('waiting for an index', () => {
  it('ends when the FSM has finished it, not when it was handed over', async () => {
    const { loop, fsm } = listSetUp({ count: 3 });
    const gate = new Gate();
    fsm.onApply = gate.pass;
    loop.handOver(3);
    let isFinished = false;
    const wait = loop.untilFinished(2)?.then(() => {
      isFinished = true;
    });
    await turn();
    gate.letOne();
    await turn();
    expect(isFinished).toBe(false);
    gate.open();
    await wait;
    expect(loop.untilFinished(3)).toBeUndefined();
  });
});
