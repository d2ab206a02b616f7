import { assert } from '../../internal/assert.ts';
import { bytesEqual, concatBytes, utf8, utf8ToString } from '../../internal/bytes.ts';
import { Channel } from '../../internal/channel.ts';
import { Configuration, ServerSuffrage } from '../../raft/configuration.ts';
import { encodePeers } from '../../raft/configuration-codec.ts';
import type { SnapshotSink, SnapshotStore } from '../../raft/snapshot.ts';
import type { Transport } from '../../raft/transport.ts';
import {
  assertSame,
  type ConformanceCase,
  failureOf,
  type StoreFactory,
  storeCase,
} from './conformance.ts';

const refuse = () => Promise.reject(new Error('a snapshot store must not send anything'));

/** A transport that knows addresses and sends nothing: all that a snapshot store needs of one. */
export const addressTransport: Transport = {
  consumer: () => new Channel(),
  localAddr: () => 'local',
  appendEntriesPipeline: refuse,
  appendEntries: refuse,
  requestVote: refuse,
  installSnapshot: refuse,
  timeoutNow: refuse,
  encodePeer: (_id, addr) => utf8(addr),
  decodePeer: (bytes) => utf8ToString(bytes),
  setHeartbeatHandler() {},
};

const configuration = new Configuration([
  { suffrage: ServerSuffrage.Voter, id: 'a', address: '127.0.0.1:7001' },
  { suffrage: ServerSuffrage.Nonvoter, id: 'b', address: '127.0.0.1:7002' },
]);

type Check = (store: SnapshotStore) => Promise<void>;

async function begin(store: SnapshotStore, index = 10, term = 3): Promise<SnapshotSink> {
  return store.create(1, index, term, configuration, 2, addressTransport);
}

async function take(store: SnapshotStore, text: string, index = 10, term = 3): Promise<string> {
  const sink = await begin(store, index, term);
  await sink.write(utf8(text));
  await sink.close();
  return sink.id();
}

async function newestIndex(store: SnapshotStore): Promise<number> {
  return (await store.list())[0]?.index ?? 0;
}

async function readAll(store: SnapshotStore, id: string): Promise<Uint8Array> {
  const { reader } = await store.open(id);
  const chunks: Uint8Array[] = [];
  for await (const chunk of reader) chunks.push(chunk);
  return concatBytes(chunks);
}

async function assertHolds(store: SnapshotStore, id: string, text: string): Promise<void> {
  assertSame(`content of ${id}`, utf8ToString(await readAll(store, id)), text);
}

const appearing: readonly [string, Check][] = [
  [
    'is empty at first',
    async (store) => assertSame('snapshots listed', (await store.list()).length, 0),
  ],
  [
    'lists a snapshot with its metadata once it is closed',
    async (store) => {
      const sink = await begin(store);
      assertSame('bytes taken', await sink.write(utf8('first\n')), 6);
      await sink.write(utf8('second\n'));
      assertSame('snapshots listed before close', (await store.list()).length, 0);
      await sink.close();
      const listed = await store.list();
      assertSame('snapshots listed', listed.length, 1);
      const { meta, reader } = await store.open(sink.id());
      await reader[Symbol.asyncIterator]().return?.();
      for (const { version, id, index, term, configurationIndex, size, peers } of [
        meta,
        ...listed,
      ]) {
        assertSame('version', version, 1);
        assertSame('id', id, sink.id());
        assertSame('index', index, 10);
        assertSame('term', term, 3);
        assertSame('configurationIndex', configurationIndex, 2);
        assertSame('size', size, 13);
        const expected = encodePeers(configuration, addressTransport);
        assert(bytesEqual(peers, expected), 'peers: expected the legacy encoding of the voters');
      }
      const servers = JSON.stringify(meta.configuration.servers);
      assertSame('servers', servers, JSON.stringify(configuration.servers));
      await assertHolds(store, sink.id(), 'first\nsecond\n');
    },
  ],
  [
    'keeps the snapshot before while a new one is unfinished, and when that is cancelled',
    async (store) => {
      const id = await take(store, 'before', 10);
      const sink = await begin(store, 11);
      await sink.write(utf8('unfinished'));
      assertSame('newest while unfinished', await newestIndex(store), 10);
      await sink.cancel();
      assertSame('newest after cancel', await newestIndex(store), 10);
      await assertHolds(store, id, 'before');
    },
  ],
  [
    'lists the newest first: by term, then by index, as numbers',
    async (store) => {
      await take(store, 'a', 130_350, 5);
      await take(store, 'b', 204_917, 36);
      assertSame('newest by term', await newestIndex(store), 204_917);
      await take(store, 'c', 1_204_917, 36);
      assertSame('newest by index', await newestIndex(store), 1_204_917);
    },
  ],
  [
    'gives two snapshots of one entry two names',
    async (store) => {
      const sinks = [await begin(store), await begin(store)];
      const names = new Set(sinks.map((sink) => sink.id()));
      for (const sink of sinks) await sink.cancel();
      assertSame('names', names.size, 2);
    },
  ],
  [
    'refuses versions that it cannot write',
    async (store) => {
      for (const version of [0, 2]) {
        const create = () => store.create(version, 1, 1, configuration, 1, addressTransport);
        const failure = await failureOf(`version ${version}`, create);
        assert(failure instanceof Error, 'expected an Error');
        assertSame('text', failure.message, `unsupported snapshot version ${version}`);
      }
      assertSame('snapshots listed', (await store.list()).length, 0);
    },
  ],
];

/** What holds even of a store that keeps nothing. */
const taking: readonly [string, Check][] = [
  [
    'answers how many bytes it took, of any number',
    async (store) => {
      const sink = await begin(store);
      for (const size of [0, 1, 100_000]) {
        assertSame('bytes taken', await sink.write(new Uint8Array(size)), size);
      }
      await sink.close();
    },
  ],
  [
    'lets a sink be ended twice, either way',
    async (store) => {
      const [closed, cancelled] = [await begin(store, 10), await begin(store, 11)];
      await closed.close();
      await closed.close();
      await closed.cancel();
      await cancelled.cancel();
      await cancelled.close();
      assert(closed.id() !== '', 'expected a sink to have a name');
      assert((await store.list()).length <= 1, 'expected the cancelled snapshot not to be listed');
    },
  ],
];

const writing: readonly [string, Check][] = [
  [
    'holds a snapshot without a byte',
    async (store) => {
      const sink = await begin(store);
      await sink.close();
      assertSame('size', (await store.list())[0]?.size, 0);
      await assertHolds(store, sink.id(), '');
    },
  ],
  [
    'keeps the order of writes that were not waited for',
    async (store) => {
      const sink = await begin(store);
      const written: Promise<number>[] = [];
      for (let i = 0; i < 5000; i += 1) written.push(sink.write(utf8(`${i},`)));
      await Promise.all([...written, sink.close()]);
      const numbers = Array.from({ length: 5000 }, (_, i) => `${i},`);
      await assertHolds(store, sink.id(), numbers.join(''));
    },
  ],
  [
    'takes chunks larger than any buffer',
    async (store) => {
      const chunk = new Uint8Array(3_000_001).map((_, i) => (i * 7919) >>> 8);
      const sink = await begin(store);
      assertSame('bytes taken', await sink.write(chunk), chunk.length);
      await sink.write(chunk.subarray(0, 1));
      await sink.close();
      const expected = concatBytes([chunk, chunk.subarray(0, 1)]);
      assert(bytesEqual(await readAll(store, sink.id()), expected), 'content: expected the chunks');
    },
  ],
  [
    'has taken its bytes when a write has resolved',
    async (store) => {
      const sink = await begin(store);
      const reused = utf8('one');
      await sink.write(reused);
      reused.set(utf8('two'));
      await sink.write(reused);
      await sink.close();
      await assertHolds(store, sink.id(), 'onetwo');
    },
  ],
  [
    'ends a sink once: later calls of close and cancel do nothing, writes are refused',
    async (store) => {
      const closed = await begin(store, 10);
      await closed.write(utf8('kept'));
      await closed.close();
      await closed.close();
      await closed.cancel();
      const cancelled = await begin(store, 11);
      await cancelled.cancel();
      await cancelled.cancel();
      await cancelled.close();
      for (const sink of [closed, cancelled]) {
        await failureOf('write at the end', () => sink.write(utf8('late')));
      }
      assertSame('snapshots listed', (await store.list()).length, 1);
      await assertHolds(store, closed.id(), 'kept');
    },
  ],
];

const opening: readonly [string, Check][] = [
  [
    'gives every reader the whole content',
    async (store) => {
      const id = await take(store, 'whole');
      const [first, second] = [await store.open(id), await store.open(id)];
      for await (const chunk of first.reader) assertSame('chunk', utf8ToString(chunk), 'whole');
      for await (const chunk of second.reader) {
        assertSame('chunk', utf8ToString(chunk), 'whole');
        chunk.fill(0);
      }
      await assertHolds(store, id, 'whole');
    },
  ],
  [
    'lets a reader be left before and after its first chunk',
    async (store) => {
      const id = await take(store, 'left');
      const unread = await store.open(id);
      await unread.reader[Symbol.asyncIterator]().return?.();
      for await (const _ of (await store.open(id)).reader) break;
      await assertHolds(store, id, 'left');
    },
  ],
  [
    'refuses to open what is not there',
    async (store) => {
      const sink = await begin(store);
      await sink.cancel();
      for (const id of ['1-1-1', sink.id(), '', '..', `../${sink.id()}`]) {
        const failure = await failureOf(`open ${id}`, () => store.open(id));
        assert(failure instanceof Error, 'expected an Error');
      }
    },
  ],
];

function reopenCases(
  factory: StoreFactory<SnapshotStore>,
  reopen: NonNullable<StoreFactory<SnapshotStore>['reopen']>,
): ConformanceCase[] {
  return [
    storeCase(
      factory,
      'keeps finished snapshots, and only those, over a restart',
      async (store) => {
        const id = await take(store, 'durable');
        const unfinished = await begin(store, 11);
        await unfinished.write(utf8('lost'));
        const again = await reopen(store);
        const names = (await again.list()).map((meta) => meta.id);
        assertSame('snapshots listed', names.join(), id);
        await assertHolds(again, id, 'durable');
        await unfinished.cancel();
      },
    ),
  ];
}

/** What a suite must know of a snapshot store. */
export interface SnapshotStoreTraits {
  /** False for a store that takes snapshots and keeps none. Default true. */
  readonly keeps?: boolean;
}

/** The contract of `SnapshotStore`, as cases for any test runner. Run each by itself. */
export function snapshotStoreConformance(
  factory: StoreFactory<SnapshotStore>,
  { keeps = true }: SnapshotStoreTraits = {},
): ConformanceCase[] {
  const checks = keeps ? [...taking, ...appearing, ...writing, ...opening] : taking;
  const cases = checks.map(([name, check]) => storeCase(factory, name, check));
  const { reopen } = factory;
  return reopen === undefined || !keeps ? cases : [...cases, ...reopenCases(factory, reopen)];
}
