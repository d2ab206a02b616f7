import { describe, expect, it } from 'vitest';
import { voteFor } from '../../testing/core-fixture.ts';
import {
  AbleHookedStore,
  Gate,
  HookedStore,
  logOf,
  turn,
  VirtualTime,
} from '../../testing/runtime-fixture.ts';
import { ErrRaftShutdown } from '../errors.ts';
import { StoreWriter } from './store-writer.ts';

const LIMIT_MS = 10_000;

function logsOf(first: number, last: number, term = 1) {
  return Array.from({ length: last - first + 1 }, (_, i) => logOf(first + i, term));
}

function setUp(store: HookedStore = new AbleHookedStore(), durableIndex = 0) {
  const time = new VirtualTime();
  const failures: Error[] = [];
  const stores = { logs: store, stable: store };
  const onFailure = (error: Error): void => void failures.push(error);
  const writer = new StoreWriter(stores, time.clock, durableIndex, LIMIT_MS, onFailure);
  return { time, store, writer, failures };
}

/** A writer whose store is held up from the first write on. */
function setUpHeld(store: HookedStore = new AbleHookedStore()) {
  const gate = new Gate();
  store.onWrite = gate.pass;
  return { ...setUp(store), gate };
}

describe('a write that was given up', () => {
  it.each(['well', 'badly'])('and ends %s at last has told its caller once', async (how) => {
    const { time, writer, store } = setUp();
    let end = (): void => {};
    store.onWrite = () =>
      new Promise((done, failed) => {
        end = how === 'well' ? done : () => failed(new Error('too late'));
      });
    const told: string[] = [];
    writer.append(
      logsOf(1, 1),
      () => void told.push('done'),
      ({ message }) => void told.push(message),
    );
    await time.pass(2 * LIMIT_MS);
    end();
    await writer.idle();
    expect(told).toEqual([expect.stringMatching(/^append has not been answered for/)]);
  });
});

describe('the order of writes', () => {
  it('is that of the calls, whatever is written', async () => {
    const { writer, store } = setUp();
    const all = [
      writer.appendAndWait(logsOf(1, 3)),
      writer.persistHardState(2, voteFor('a', 2)),
      writer.replaceTail(3, 3, logsOf(3, 4, 2)),
      writer.appendAndWait(logsOf(5, 5, 2)),
    ];
    await Promise.all(all);
    expect(store.writes).toEqual([
      'store 1-3',
      'CurrentTerm=2 LastVoteCand=a:1 LastVoteTerm=2',
      'replace 3 by 3-4',
      'store 5-5',
    ]);
  });

  it('has one write at a time', async () => {
    const { writer, gate } = setUpHeld();
    const first = writer.persistHardState(1, null);
    const second = writer.persistHardState(2, null);
    await turn();
    expect(gate.waiting).toBe(1);
    gate.letOne();
    await first;
    await turn();
    expect(gate.waiting).toBe(1);
    gate.open();
    await second;
  });

  it('folds appends that wait side by side into one write, and tells each', async () => {
    const { writer, store, gate } = setUpHeld();
    const done: string[] = [];
    const note = (what: string) => () => void done.push(what);
    writer.append(logsOf(1, 1), note('1'), () => {});
    writer.append(logsOf(2, 3), note('2-3'), () => {});
    writer.append(logsOf(4, 4), note('4'), () => {});
    await turn();
    gate.letOne();
    await turn();
    expect(done).toEqual(['1']);
    gate.open();
    await turn();
    expect(store.writes).toEqual(['store 1-1', 'store 2-4']);
    expect(done).toEqual(['1', '2-3', '4']);
  });

  it('does not fold an append over another write', async () => {
    const { writer, store, gate } = setUpHeld();
    const writes = [
      writer.appendAndWait(logsOf(1, 1)),
      writer.appendAndWait(logsOf(2, 2)),
      writer.persistHardState(3, null),
      writer.appendAndWait(logsOf(3, 3)),
    ];
    gate.open();
    await Promise.all(writes);
    expect(store.writes).toEqual(['store 1-1', 'store 2-2', 'CurrentTerm=3', 'store 3-3']);
  });
});

describe('what is durable', () => {
  it('is what the store has answered for, never what it was asked', async () => {
    const { writer, gate } = setUpHeld();
    const written = writer.appendAndWait(logsOf(1, 5));
    await turn();
    expect(writer.durableIndex).toBe(0);
    expect(writer.pendingBytes).toBeGreaterThan(0);
    gate.open();
    await written;
    expect(writer.durableIndex).toBe(5);
    expect(writer.pendingBytes).toBe(0);
  });

  it('ends before a tail that is being replaced', async () => {
    const { writer, gate, store } = setUpHeld();
    store.inner.storeLogs(logsOf(1, 9));
    gate.open();
    await writer.appendAndWait(logsOf(1, 9));
    const shut = new Gate();
    store.onWrite = shut.pass;
    const replaced = writer.replaceTail(4, 9, logsOf(4, 5, 2));
    await turn();
    expect(writer.durableIndex).toBe(3);
    shut.open();
    await replaced;
    expect(writer.durableIndex).toBe(5);
  });

  it('can be waited for, whoever started the write', async () => {
    const { writer, gate } = setUpHeld();
    writer.append(
      logsOf(1, 3),
      () => {},
      () => {},
    );
    let isDurable = false;
    const waited = writer.untilDurable(2)?.then(() => {
      isDurable = true;
    });
    await turn();
    expect(isDurable).toBe(false);
    gate.open();
    await waited;
    expect(writer.untilDurable(3)).toBeUndefined();
  });
});

describe('a store without the optional abilities', () => {
  it("gets term, candidate and vote's term in the order that is safe at every crash", async () => {
    const { writer, store } = setUp(new HookedStore());
    await writer.persistHardState(7, voteFor('b', 7));
    await writer.persistHardState(8, null);
    expect(store.writes).toEqual([
      'CurrentTerm=7',
      'LastVoteCand=b:1',
      'LastVoteTerm=7',
      'CurrentTerm=8',
    ]);
  });

  it('has its tail deleted and then written', async () => {
    const { writer, store } = setUp(new HookedStore());
    await writer.appendAndWait(logsOf(1, 5));
    await writer.replaceTail(3, 5, logsOf(3, 3, 2));
    expect(store.writes).toEqual(['store 1-5', 'delete 3-5', 'store 3-3']);
    expect(store.lastIndex()).toBe(3);
    expect(writer.durableIndex).toBe(3);
  });
});

describe('compaction', () => {
  it('goes in ascending chunks, and takes turns with what is written meanwhile', async () => {
    const { writer, store } = setUp();
    store.inner.storeLogs(logsOf(1, 10_000));
    writer.compact(9000);
    const written = [10_001, 10_002].map((index) => {
      const done = writer.appendAndWait(logsOf(index, index));
      return done;
    });
    await Promise.all(written);
    await turn();
    expect(store.writes).toEqual([
      'delete 1-4096',
      'store 10001-10002',
      'delete 4097-8192',
      'delete 8193-9000',
    ]);
    expect(store.firstIndex()).toBe(9001);
  });

  it('does not make a steady stream of appends wait, nor waits for its end', async () => {
    const { writer, store } = setUp();
    store.inner.storeLogs(logsOf(1, 10_000));
    writer.compact(8192);
    for (let index = 10_001; index <= 10_003; index += 1) {
      await writer.appendAndWait(logsOf(index, index));
    }
    expect(store.writes.slice(0, 4)).toEqual([
      'delete 1-4096',
      'store 10001-10001',
      'delete 4097-8192',
      'store 10002-10002',
    ]);
  });

  it('is forgotten when the whole log goes', async () => {
    const { writer, store } = setUp();
    store.inner.storeLogs(logsOf(1, 10));
    const dropped = writer.dropLog();
    writer.compact(5);
    await dropped;
    await writer.appendAndWait(logsOf(3, 20));
    await turn();
    expect(store.firstIndex()).toBe(3);
    expect(writer.durableIndex).toBe(20);
  });
});

describe('the first failure', () => {
  it('is the last write: nothing behind it is performed, nor said to be', async () => {
    const { writer, store, failures } = setUp();
    store.onWrite = (what) => {
      if (what === 'store 2-2') throw new Error('disk is gone');
    };
    const ok = writer.appendAndWait(logsOf(1, 1));
    const bad = writer.appendAndWait(logsOf(2, 2));
    const behind = [
      writer.persistHardState(2, null),
      writer.appendAndWait(logsOf(3, 3)),
      writer.untilDurable(3),
      writer.dropLog(),
    ];
    await ok;
    await expect(bad).rejects.toThrow('append failed: disk is gone');
    for (const write of behind) await expect(write).rejects.toThrow('append failed: disk is gone');
    await expect(writer.persistHardState(9, null)).rejects.toThrow('disk is gone');
    expect(store.writes).toEqual(['store 1-1']);
    expect(writer.durableIndex).toBe(1);
    expect(failures.map(({ message }) => message)).toEqual(['append failed: disk is gone']);
  });

  it('counts when the store rejects, and when it throws', async () => {
    for (const fault of [
      () => Promise.reject(new Error('no')),
      () => {
        throw new Error('no');
      },
    ]) {
      const { writer, store, failures } = setUp();
      store.onWrite = fault;
      await expect(writer.persistHardState(1, null)).rejects.toThrow('persistHardState failed: no');
      expect(failures).toHaveLength(1);
    }
  });

  it('may be a failed compaction', async () => {
    const { writer, store, failures } = setUp();
    store.inner.storeLogs(logsOf(1, 10));
    store.onWrite = () => Promise.reject(new Error('no'));
    writer.compact(5);
    await turn();
    expect(failures.map(({ message }) => message)).toEqual(['compactLog failed: no']);
    await expect(writer.appendAndWait(logsOf(11, 11))).rejects.toThrow('compactLog failed');
  });

  it('may be an answer that does not come', async () => {
    const { writer, time, gate, failures, store } = setUpHeld();
    const hung = writer.appendAndWait(logsOf(1, 1));
    const behind = writer.appendAndWait(logsOf(2, 2));
    hung.catch(() => {});
    behind.catch(() => {});
    await time.pass(LIMIT_MS - 1);
    expect(failures).toEqual([]);
    await time.pass(2);
    expect(failures.map(({ message }) => message)).toEqual([
      `append has not been answered for ${LIMIT_MS} ms`,
    ]);
    gate.open();
    await expect(hung).rejects.toThrow('has not been answered');
    await expect(behind).rejects.toThrow('has not been answered');
    await turn();
    expect(store.writes).toEqual(['store 1-1']);
    expect(writer.durableIndex).toBe(0);
  });

  it('is not a long row of writes that are answered in time', async () => {
    const { writer, time, store, failures } = setUp();
    store.onWrite = () => time.clock.sleep(LIMIT_MS * 0.9);
    const all = Promise.all([1, 2, 3, 4].map((term) => writer.persistHardState(term, null)));
    await time.result(all, 10 * LIMIT_MS);
    expect(failures).toEqual([]);
  });
});

describe('closing', () => {
  it('leaves the write under way to its end, and performs none behind it (rule 19)', async () => {
    const { writer, store, gate } = setUpHeld();
    const first = writer.persistHardState(1, null);
    const second = writer.persistHardState(2, null);
    await turn();
    writer.close(ErrRaftShutdown);
    await expect(second).rejects.toBe(ErrRaftShutdown);
    expect(writer.activeWrite).toBe('persistHardState');
    let isIdle = false;
    const idle = writer.idle().then(() => {
      isIdle = true;
    });
    await turn();
    expect(isIdle).toBe(false);
    gate.open();
    await idle;
    await expect(first).rejects.toBe(ErrRaftShutdown);
    expect(store.writes).toEqual(['CurrentTerm=1']);
    expect(writer.activeWrite).toBeNull();
  });

  it('leaves no timer', async () => {
    const { writer, time } = setUp();
    await writer.persistHardState(1, null);
    writer.close(ErrRaftShutdown);
    const { eventsRun } = time.scheduler;
    await time.pass(10 * LIMIT_MS);
    expect(time.scheduler.eventsRun).toBe(eventsRun);
  });
});

it('R2: is idle only when nothing that was queued has been started', async () => {
  const { writer, gate } = setUpHeld();
  const all = [writer.persistHardState(1, null), writer.persistHardState(2, null)];
  await turn();
  let isIdle = false;
  void writer.idle().then(() => {
    isIdle = true;
  });
  gate.letOne();
  await turn();
  expect([isIdle, writer.activeWrite]).toEqual([false, 'persistHardState']);
  gate.open();
  await Promise.all(all);
  await turn();
  expect(isIdle).toBe(true);
});
