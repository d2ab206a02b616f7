import { describe, expect, it } from 'vitest';
import { utf8, utf8ToString } from '../internal/bytes.ts';
import { Timestamp } from '../internal/timestamp.ts';
import { Configuration } from '../raft/configuration.ts';
import type { SnapshotSink, SnapshotStore } from '../raft/snapshot.ts';
import {
  addressTransport,
  snapshotStoreConformance,
} from '../testing/conformance/snapshot-store.ts';
import { newDiscardSnapshotStore } from './discard-snapshot-store.ts';
import { type InmemSnapshotStore, newInmemSnapshotStore } from './inmem-snapshot-store.ts';

const configuration = new Configuration([{ suffrage: 0, id: 'a', address: 'a:1' }]);

function begin(store: InmemSnapshotStore, index = 10) {
  return store.create(1, index, 3, configuration, 2, addressTransport);
}

describe('InmemSnapshotStore', () => {
  for (const { name, run } of snapshotStoreConformance({
    open: newInmemSnapshotStore,
    close: () => {},
  })) {
    it(name, run);
  }

  it('is a store that makes sinks as a node takes them (S178, test 108, test 109)', () => {
    const store: SnapshotStore = newInmemSnapshotStore();
    const sink: SnapshotSink = begin(newInmemSnapshotStore());
    expect([store.list(), typeof sink.id()]).toEqual([[], 'string']);
  });

  it('lists a snapshot, unlike Go only once it is closed (S178, test 110)', async () => {
    const store = newInmemSnapshotStore({ wallTime: () => new Timestamp(7, 0) });
    const sink = begin(store);
    await sink.write(utf8('first\n'));
    await sink.write(utf8('second\n'));
    expect(store.list()).toEqual([]);
    await sink.close();
    const expected = { id: '3-10-7000', index: 10, term: 3, configurationIndex: 2, size: 13 };
    expect(store.list()).toMatchObject([{ ...expected, configuration }]);
  });

  it('opens a snapshot twice, each time with all of its bytes (S178, test 111)', async () => {
    const store = newInmemSnapshotStore();
    const sink = begin(store);
    await sink.write(utf8('data'));
    await sink.close();
    for (let time = 0; time < 2; time += 1) {
      const { meta, reader } = store.open(sink.id());
      let text = '';
      for await (const chunk of reader) text += utf8ToString(chunk);
      expect([meta.size, text]).toEqual([4, 'data']);
    }
  });

  it('never goes back to an older snapshot that is closed late', async () => {
    const store = newInmemSnapshotStore();
    const [older, newer] = [begin(store, 10), begin(store, 20)];
    await newer.close();
    await older.close();
    expect(store.list().map(({ index }) => index)).toEqual([20]);
  });

  it('says which snapshot it does not have (S178)', () => {
    expect(() => newInmemSnapshotStore().open('x')).toThrow(
      '[ERR] snapshot: failed to open snapshot id: x',
    );
  });
});

describe('DiscardSnapshotStore', () => {
  for (const { name, run } of snapshotStoreConformance(
    { open: newDiscardSnapshotStore, close: () => {} },
    { keeps: false },
  )) {
    it(name, run);
  }

  it('takes everything and keeps nothing (S179, test 112, test 113)', async () => {
    const store = newDiscardSnapshotStore();
    const port: SnapshotStore = store;
    const sink: SnapshotSink = store.create(1, 10, 3, configuration, 2, addressTransport);
    expect(await sink.write(utf8('data'))).toBe(4);
    await sink.close();
    await sink.cancel();
    expect([sink.id(), port.list()]).toEqual(['discard', []]);
    expect(() => store.open('discard')).toThrow('open is not supported');
  });
});
