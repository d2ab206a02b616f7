import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import {
  configurationEntry,
  recordingLogger,
  selfOf,
  voteFor,
  voters,
} from '../../testing/core-fixture.ts';
import { AbleHookedStore, HookedStore, ListFSM, logOf } from '../../testing/runtime-fixture.ts';
import type { Configuration } from '../configuration.ts';
import { type Log, LogType } from '../log.ts';
import type { SnapshotMeta, SnapshotStore } from '../snapshot.ts';
import {
  KEY_CURRENT_TERM,
  KEY_LAST_VOTE_CANDIDATE,
  KEY_LAST_VOTE_TERM,
  type StableStore,
} from '../stable.ts';
import { hasExistingState, readInitialState } from './startup.ts';

interface StoredSnapshot {
  readonly index: number;
  readonly term: number;
  readonly configuration?: Configuration;
  readonly configurationIndex?: number;
  readonly words?: readonly string[];
  /** What is wrong with it. */
  readonly fault?: string;
}

function snapshotsOf(...stored: readonly StoredSnapshot[]): SnapshotStore {
  const metas = stored.map(
    ({ index, term, configuration = voters('a'), configurationIndex = 1 }): SnapshotMeta => ({
      version: 1,
      id: `${term}-${index}`,
      index,
      term,
      peers: null,
      configuration,
      configurationIndex,
      size: 1,
    }),
  );
  return {
    create: () => {
      throw new Error('nothing is written at start-up');
    },
    list: () => metas,
    open(id) {
      const at = metas.findIndex((meta) => meta.id === id);
      const [meta, snapshot] = [metas[at], stored[at]];
      if (meta === undefined || snapshot === undefined) throw new Error(`no snapshot ${id}`);
      if (snapshot.fault !== undefined) throw new Error(snapshot.fault);
      async function* read() {
        yield utf8(JSON.stringify(snapshot?.words ?? []));
      }
      return { meta, reader: read() };
    },
  };
}

/** A disk with a configuration and a few commands, and the term that belongs to them. */
function setUp({ logs = [] as readonly Log[], term = 1, snaps = snapshotsOf() } = {}) {
  const store = new AbleHookedStore();
  const { inner } = store;
  if (logs.length > 0) inner.storeLogs(logs);
  inner.setUint64(KEY_CURRENT_TERM, term);
  const fsm = new ListFSM();
  const { log, lines } = recordingLogger();
  const sources = { logs: store, stable: store, snaps, fsm, self: selfOf('a'), log };
  const read = (restoreSnapshot = true) => readInitialState({ ...sources, restoreSnapshot });
  return { store, inner, fsm, lines, read, sources };
}

const first = configurationEntry(1, 1, voters('a', 'b'));

describe('a node that starts', () => {
  it('from nothing knows nothing, and writes that (S11)', async () => {
    const { read, store } = setUp({ term: 0 });
    const { currentTerm, vote, terms, snapshotIndex, configurations } = await read();
    expect([currentTerm, vote, terms.lastIndex, snapshotIndex]).toEqual([0, null, 0, 0]);
    expect(configurations.latestIndex).toBe(0);
    expect(store.writes).toEqual(['CurrentTerm=0']);
  });

  it('is what it was: term, vote, log and membership (S12)', async () => {
    const logs = [first, logOf(2, 1), configurationEntry(3, 2, voters('a')), logOf(4, 2)];
    const { read, inner } = setUp({ logs, term: 3 });
    inner.set(KEY_LAST_VOTE_CANDIDATE, utf8('b:1'));
    inner.setUint64(KEY_LAST_VOTE_TERM, 3);
    const { currentTerm, vote, terms, configurations } = await read();
    expect([currentTerm, vote]).toEqual([3, voteFor('b', 3)]);
    expect(terms.runs).toEqual([
      { first: 1, last: 2, term: 1 },
      { first: 3, last: 4, term: 2 },
    ]);
    expect([configurations.committedIndex, configurations.latestIndex]).toEqual([1, 3]);
    expect(configurations.latest).toEqual(voters('a'));
    expect(configurations.committed).toEqual(voters('a', 'b'));
  });

  it('finds every configuration of a long log, whichever way the store reads (S12)', async () => {
    for (const Store of [AbleHookedStore, HookedStore]) {
      const { inner, sources } = setUp();
      const store = new Store();
      store.inner.setUint64(KEY_CURRENT_TERM, 1);
      const logs = Array.from({ length: 5000 }, (_, i) => logOf(i + 1, 1));
      logs[0] = first;
      logs[2999] = configurationEntry(3000, 1, voters('a', 'b', 'c'));
      store.inner.storeLogs(logs);
      const { configurations } = await readInitialState({
        ...sources,
        logs: store,
        stable: store,
        restoreSnapshot: true,
      });
      expect(configurations.latestIndex).toBe(3000);
      expect(inner.lastIndex()).toBe(0);
    }
  });

  it('writes its term before anything else rests on what was read (S11)', async () => {
    const { read, store, fsm } = setUp({
      logs: [first],
      term: 7,
      snaps: snapshotsOf({ index: 1, term: 1, words: ['x'] }),
    });
    const order: string[] = [];
    store.onWrite = (what) => void order.push(what);
    const restore = fsm.restore.bind(fsm);
    fsm.restore = (reader) => {
      order.push('restore');
      return restore(reader);
    };
    await read();
    expect(order).toEqual(['CurrentTerm=7', 'restore']);
  });

  it('writes the last entry of a separate log store again, if it takes one twice', async () => {
    const { sources, store } = setUp({ logs: [first, logOf(2, 1)] });
    const stable = new HookedStore();
    stable.inner.setUint64(KEY_CURRENT_TERM, 4);
    await readInitialState({ ...sources, stable, restoreSnapshot: true });
    expect([stable.writes, store.writes]).toEqual([['CurrentTerm=4'], ['store 2-2']]);

    Object.assign(store, { isMonotonic: () => true, writes: [] });
    await readInitialState({ ...sources, stable, restoreSnapshot: true });
    expect(store.writes).toEqual([]);
  });

  it('does not start when that write fails', async () => {
    const { read, store } = setUp({ logs: [first] });
    store.onWrite = () => Promise.reject(new Error('read-only disk'));
    await expect(read()).rejects.toThrow('read-only disk');
  });
});

describe('a snapshot at start-up', () => {
  it('is given to the FSM, with its membership and everything behind it', async () => {
    const configuration = voters('a', 'b', 'c');
    const snaps = snapshotsOf({
      index: 10,
      term: 2,
      configuration,
      configurationIndex: 6,
      words: ['x', 'y'],
    });
    const logs = [logOf(9, 2), logOf(10, 2), configurationEntry(11, 3, voters('a'))];
    const { read, fsm, store } = setUp({ logs, term: 3, snaps });
    const { snapshotIndex, snapshotTerm, configurations, terms } = await read();
    expect([snapshotIndex, snapshotTerm, terms.firstIndex]).toEqual([10, 2, 9]);
    expect(fsm.applied).toEqual(['x', 'y']);
    expect([configurations.committedIndex, configurations.latestIndex]).toEqual([6, 11]);
    expect(configurations.committed).toEqual(configuration);
    expect(store.inner.lastIndex()).toBe(11);
  });

  it('is only looked at when the FSM keeps its own state (S17)', async () => {
    const configuration = voters('a', 'd');
    const newest = { index: 10, term: 2, configuration, configurationIndex: 6, fault: 'x' };
    const { read, fsm } = setUp({ term: 2, snaps: snapshotsOf(newest) });
    const { snapshotIndex, snapshotTerm, configurations } = await read(false);
    expect([snapshotIndex, snapshotTerm]).toEqual([10, 2]);
    expect(configurations).toMatchObject({
      latest: configuration,
      latestIndex: 6,
      committed: configuration,
      committedIndex: 6,
    });
    expect(fsm.restores).toBe(0);
  });

  it('that cannot be read makes way for the one before it (S16)', async () => {
    const snaps = snapshotsOf(
      { index: 10, term: 2, fault: 'checksum mismatch' },
      { index: 5, term: 1, words: ['old'] },
    );
    const { read, fsm, lines } = setUp({ logs: [logOf(6, 1), logOf(7, 2)], term: 2, snaps });
    expect((await read()).snapshotIndex).toBe(5);
    expect(fsm.applied).toEqual(['old']);
    expect(lines).toContain('error: failed to restore snapshot');
  });

  it('that the FSM refuses makes way for the one before it (S16)', async () => {
    const snaps = snapshotsOf(
      { index: 10, term: 2, words: ['new'] },
      { index: 5, term: 1, words: ['old'] },
    );
    const { read, fsm } = setUp({ term: 2, snaps });
    const restore = fsm.restore.bind(fsm);
    let isFirst = true;
    fsm.restore = async (reader) => {
      await restore(reader);
      if (isFirst) {
        isFirst = false;
        throw new Error('half-restored');
      }
    };
    expect((await read()).snapshotIndex).toBe(5);
    expect(fsm.applied).toEqual(['old']);
  });

  it('is needed when there are some: none that can be read is no empty state (S16)', async () => {
    const { read } = setUp({ term: 2, snaps: snapshotsOf({ index: 5, term: 1, fault: 'no' }) });
    await expect(read()).rejects.toThrow('failed to load any existing snapshots');
  });
});

describe('a log that does not go with the snapshot', () => {
  it('goes, as it was about to when a crash came between rename and delete (rule 8)', async () => {
    const snaps = snapshotsOf({ index: 10, term: 5 });
    const logs = [first, ...[2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].map((i) => logOf(i, 2))];
    const { read, store } = setUp({ logs, term: 5, snaps });
    const { terms, configurations, snapshotIndex } = await read();
    expect([terms.lastIndex, snapshotIndex, configurations.latestIndex]).toEqual([0, 10, 1]);
    expect([store.inner.firstIndex(), store.inner.lastIndex()]).toEqual([0, 0]);
  });

  it('goes also when it ends before the snapshot', async () => {
    const snaps = snapshotsOf({ index: 10, term: 5 });
    const { read, store } = setUp({ logs: [first, logOf(2, 2)], term: 5, snaps });
    expect((await read()).terms.lastIndex).toBe(0);
    expect(store.inner.lastIndex()).toBe(0);
  });

  it('stays when the snapshot ends in it, or just before it', async () => {
    const inside = setUp({
      logs: [logOf(9, 2), logOf(10, 5), logOf(11, 5)],
      term: 5,
      snaps: snapshotsOf({ index: 10, term: 5 }),
    });
    expect((await inside.read()).terms.lastIndex).toBe(11);
    const before = setUp({
      logs: [logOf(11, 5), logOf(12, 5)],
      term: 5,
      snaps: snapshotsOf({ index: 10, term: 5 }),
    });
    expect((await before.read()).terms.lastIndex).toBe(12);
  });

  it('stays around the hole that a user restore leaves', async () => {
    const snaps = snapshotsOf({ index: 5, term: 3 });
    const { read } = setUp({ logs: [first, logOf(2, 1), logOf(6, 3)], term: 3, snaps });
    expect((await read()).terms.runs).toEqual([
      { first: 1, last: 2, term: 1 },
      { first: 6, last: 6, term: 3 },
    ]);
  });
});

describe('damage is refused', () => {
  it.each([
    [
      'a term below that of the last entry',
      { logs: [first, logOf(2, 4)], term: 3 },
      /term 3 is below 4/,
    ],
    [
      'a term below that of the snapshot',
      { snaps: snapshotsOf({ index: 5, term: 9 }) },
      /term 1 is below 9/,
    ],
    [
      'a log that starts behind the first entry',
      { logs: [logOf(4, 1)] },
      /entries 1 to 3 are missing/,
    ],
    [
      'a log with a hole (R6)',
      { logs: [first, logOf(2, 1), logOf(4, 1)] },
      /no entry 3, although it goes on to 4/,
    ],
    [
      'a log with a hole where the term changes (R6)',
      { logs: [first, logOf(2, 1), logOf(4, 2), logOf(5, 2)], term: 2 },
      /no entry 3, although it goes on to 5/,
    ],
    [
      'a configuration that cannot be read',
      { logs: [{ ...first, data: utf8('not a configuration') }] },
      /configuration/i,
    ],
  ])('%s', async (_, disk, text) => {
    const { read, store } = setUp(disk);
    const before = store.inner.lastIndex();
    await expect(read()).rejects.toThrow(text);
    expect(store.inner.lastIndex()).toBe(before);
  });

  it('a log that starts behind the newest snapshot that can be read (#85)', async () => {
    const snaps = snapshotsOf({ index: 7, term: 1, fault: 'torn' }, { index: 5, term: 1 });
    const { read, store } = setUp({ logs: [logOf(8, 1)], snaps });
    await expect(read()).rejects.toThrow('entries 6 to 7 are missing');
    expect(store.inner.lastIndex()).toBe(8);
  });

  it('a vote that is ahead of the term', async () => {
    const { read, inner } = setUp({ term: 3 });
    inner.set(KEY_LAST_VOTE_CANDIDATE, utf8('b:1'));
    inner.setUint64(KEY_LAST_VOTE_TERM, 4);
    await expect(read()).rejects.toThrow('vote of term 4 is ahead of the current term 3');
  });

  it('a last entry that the store does not hold (S11)', async () => {
    const { read, store } = setUp({ logs: [first] });
    store.lastIndex = () => 3;
    await expect(read()).rejects.toThrow('failed to get last log at index 3: log not found');
  });

  it('a range read that gives nothing (R14)', async () => {
    const { read, store } = setUp({ logs: [first, logOf(2, 1)] });
    store.getLogRange = () => [];
    await expect(read()).rejects.toThrow('no entry 1');
  });

  it('a log store that does not say where its log ends (S11)', async () => {
    const { read, store } = setUp();
    store.lastIndex = () => {
      throw new Error('corrupt page');
    };
    await expect(read()).rejects.toThrow('failed to find last log: corrupt page');
  });

  it('a stable store that cannot be read (S11)', async () => {
    const { read, store } = setUp();
    store.getUint64 = () => {
      throw new Error('corrupt page');
    };
    await expect(read()).rejects.toThrow('failed to load current term: corrupt page');
  });
});

describe('whether there is any state', () => {
  const none: StableStore = new AbleHookedStore();

  it('is told by the term, the log or a snapshot, each alone (S19)', async () => {
    const empty = new AbleHookedStore();
    const withTerm = new AbleHookedStore();
    withTerm.inner.setUint64(KEY_CURRENT_TERM, 2);
    const withLog = new AbleHookedStore();
    withLog.inner.storeLogs([{ ...logOf(1, 1), type: LogType.LogNoop }]);
    const snaps = snapshotsOf({ index: 1, term: 1 });
    expect(await hasExistingState(empty, none, snapshotsOf())).toBe(false);
    expect(await hasExistingState(empty, withTerm, snapshotsOf())).toBe(true);
    expect(await hasExistingState(withLog, none, snapshotsOf())).toBe(true);
    expect(await hasExistingState(empty, none, snaps)).toBe(true);
  });

  it('is none when a bootstrap was cut short: term 1, no vote, no entry', async () => {
    const cut = new AbleHookedStore();
    cut.inner.setUint64(KEY_CURRENT_TERM, 1);
    expect(await hasExistingState(cut, cut, snapshotsOf())).toBe(false);
    cut.inner.set(KEY_LAST_VOTE_CANDIDATE, utf8('b:1'));
    expect(await hasExistingState(cut, cut, snapshotsOf())).toBe(true);
  });

  it('is not guessed when a store cannot be read (S19)', async () => {
    const fault = (): never => {
      throw new Error('no disk');
    };
    const broken = Object.assign(new AbleHookedStore(), { lastIndex: fault, getUint64: fault });
    const lost = { ...snapshotsOf(), list: fault };
    await expect(hasExistingState(broken, broken, snapshotsOf())).rejects.toThrow(
      'failed to read current term: no disk',
    );
    await expect(hasExistingState(broken, none, snapshotsOf())).rejects.toThrow(
      'failed to get last log index: no disk',
    );
    await expect(hasExistingState(new AbleHookedStore(), none, lost)).rejects.toThrow(
      'failed to list snapshots: no disk',
    );
  });
});
