import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { concatBytes, copyBytes } from '../../internal/bytes.ts';
import { Configuration } from '../../raft/configuration.ts';
import { encodePeers } from '../../raft/configuration-codec.ts';
import type {
  OpenSnapshot,
  SnapshotMeta,
  SnapshotSink,
  SnapshotStore,
} from '../../raft/snapshot.ts';
import type { Transport } from '../../raft/transport.ts';
import { newDiscardSnapshotStore } from '../../snapshot/discard-snapshot-store.ts';
import type { StoreFactory } from './conformance.ts';
import { snapshotStoreConformance } from './snapshot-store.ts';

/** A sound snapshot store in its plainest form; wrong ones change one thing of it. */
class Shelf implements SnapshotStore {
  readonly held: { readonly meta: SnapshotMeta; readonly bytes: Uint8Array }[] = [];
  protected made = 0;

  create(
    version: number,
    index: number,
    term: number,
    configuration: Configuration,
    configurationIndex: number,
    trans: Transport,
  ): SnapshotSink {
    this.check(version);
    const id = this.name(term, index);
    const peers = encodePeers(configuration, trans);
    const known = { version, id, index, term, peers, configuration, configurationIndex };
    return this.sink(id, (bytes) => {
      this.held.push({ meta: { ...known, size: bytes.length }, bytes });
    });
  }

  list(): SnapshotMeta[] {
    const newest = (a: SnapshotMeta, b: SnapshotMeta) => b.term - a.term || b.index - a.index;
    return this.held.map(({ meta }) => meta).sort(newest);
  }

  open(id: string): OpenSnapshot {
    const found = this.held.find(({ meta }) => meta.id === id);
    if (found === undefined) throw new Error(`no snapshot ${id}`);
    return { meta: found.meta, reader: this.read(found.bytes) };
  }

  protected check(version: number): void {
    if (version !== 1) throw new Error(`unsupported snapshot version ${version}`);
  }

  protected name(term: number, index: number): string {
    this.made += 1;
    return `${term}-${index}-${this.made}`;
  }

  protected async *read(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
    yield copyBytes(bytes);
  }

  protected sink(id: string, keep: (bytes: Uint8Array) => void): SnapshotSink {
    const chunks: Uint8Array[] = [];
    let isOpen = true;
    const end = (finish: () => void) => async (): Promise<void> => {
      if (isOpen) finish();
      isOpen = false;
    };
    return {
      write: async (chunk) => {
        if (!isOpen) throw new Error('closed');
        chunks.push(copyBytes(chunk));
        return chunk.length;
      },
      close: end(() => keep(concatBytes(chunks))),
      cancel: end(() => {}),
      id: () => id,
    };
  }
}

/** A snapshot that nobody took. */
const ghost: SnapshotMeta = {
  version: 1,
  id: '1-1-1',
  index: 1,
  term: 1,
  peers: null,
  configuration: new Configuration(),
  configurationIndex: 1,
  size: 0,
};

/** A shelf whose sinks do something else. */
function withSink(
  change: (sink: SnapshotSink, shelf: Shelf, keep: (bytes: Uint8Array) => void) => object,
): () => SnapshotStore {
  return () =>
    new (class extends Shelf {
      protected override sink(id: string, keep: (bytes: Uint8Array) => void): SnapshotSink {
        const sink = super.sink(id, keep);
        return { ...sink, ...change(sink, this, keep) };
      }
    })();
}

const faults: Record<string, () => SnapshotStore> = {
  'answers how many bytes it took, of any number': withSink((sink) => ({
    write: async (chunk: Uint8Array) => Math.min(await sink.write(chunk), 65_536),
  })),
  'lets a sink be ended twice, either way': withSink((sink) => {
    let ends = 0;
    return {
      async close() {
        ends += 1;
        if (ends > 1) throw new Error('closed before');
        await sink.close();
      },
    };
  }),
  'is empty at first': () =>
    new (class extends Shelf {
      override list(): SnapshotMeta[] {
        const [first] = super.list();
        return first === undefined ? [ghost] : [first];
      }
    })(),
  'lists a snapshot with its metadata once it is closed': () =>
    new (class extends Shelf {
      override list(): SnapshotMeta[] {
        return super.list().map((meta) => ({ ...meta, configurationIndex: meta.index }));
      }
    })(),
  'keeps the snapshot before while a new one is unfinished, and when that is cancelled': () =>
    new (class extends Shelf {
      override create(...args: Parameters<Shelf['create']>): SnapshotSink {
        this.held.length = 0;
        return super.create(...args);
      }
    })(),
  'lists the newest first: by term, then by index, as numbers': () =>
    new (class extends Shelf {
      override list(): SnapshotMeta[] {
        return super.list().sort((a, b) => (a.id < b.id ? 1 : -1));
      }
    })(),
  'gives two snapshots of one entry two names': () =>
    new (class extends Shelf {
      protected override name(term: number, index: number): string {
        return `${term}-${index}`;
      }
    })(),
  'refuses versions that it cannot write': () =>
    new (class extends Shelf {
      protected override check(): void {}
    })(),
  'holds a snapshot without a byte': withSink((sink) => {
    let isEmpty = true;
    return {
      write(chunk: Uint8Array) {
        isEmpty = false;
        return sink.write(chunk);
      },
      close: () => (isEmpty ? sink.cancel() : sink.close()),
    };
  }),
  'keeps the order of writes that were not waited for': withSink((sink) => {
    let last: Promise<unknown> = Promise.resolve();
    let writes = 0;
    return {
      write(chunk: Uint8Array) {
        writes += 1;
        const written = sleep(writes === 7 ? 20 : 0).then(() => sink.write(chunk));
        last = Promise.all([last, written]);
        return written;
      },
      close: () => last.then(() => sink.close()),
    };
  }),
  'takes chunks larger than any buffer': withSink((sink) => ({
    async write(chunk: Uint8Array) {
      await sink.write(chunk.subarray(0, 1_048_576));
      return chunk.length;
    },
  })),
  'has taken its bytes when a write has resolved': withSink((_sink, _shelf, keep) => {
    const chunks: Uint8Array[] = [];
    return {
      async write(chunk: Uint8Array) {
        chunks.push(chunk);
        return chunk.length;
      },
      close: async () => keep(concatBytes(chunks)),
    };
  }),
  'ends a sink once: later calls of close and cancel do nothing, writes are refused': withSink(
    (sink, shelf) => ({
      async cancel() {
        await sink.cancel();
        shelf.held.splice(0);
      },
    }),
  ),
  'gives every reader the whole content': () =>
    new (class extends Shelf {
      protected override async *read(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
        yield bytes;
      }
    })(),
  'lets a reader be left before and after its first chunk': () =>
    new (class extends Shelf {
      protected override async *read(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
        let isDone = false;
        try {
          yield copyBytes(bytes);
          isDone = true;
        } finally {
          if (!isDone) this.held.length = 0;
        }
      }
    })(),
  'refuses to open what is not there': () =>
    new (class extends Shelf {
      override open(id: string): OpenSnapshot {
        const [first] = this.held;
        if (first !== undefined) return super.open(id);
        return { meta: ghost, reader: this.read(new Uint8Array()) };
      }
    })(),
};

/** A restart that finishes what was unfinished. */
const hasty: StoreFactory<SnapshotStore> = {
  open: () =>
    new (class extends Shelf {
      readonly unfinished: SnapshotSink[] = [];
      override create(...args: Parameters<Shelf['create']>): SnapshotSink {
        const sink = super.create(...args);
        this.unfinished.push(sink);
        return sink;
      }
      async restart(): Promise<void> {
        for (const sink of this.unfinished) await sink.close();
      }
    })(),
  async reopen(store) {
    if ('restart' in store && typeof store.restart === 'function') await store.restart();
    return store;
  },
  close: () => {},
};
const kept = 'keeps finished snapshots, and only those, over a restart';
const sound: StoreFactory<SnapshotStore> = {
  open: () => new Shelf(),
  reopen: (store) => store,
  close: () => {},
};

describe('the snapshot store suite', () => {
  const cases = snapshotStoreConformance(sound);

  it('has a wrong store for each of its cases', () => {
    expect([...Object.keys(faults), kept]).toEqual(cases.map(({ name }) => name));
  });

  it.each(cases.map(({ name, run }) => [name, run] as const))(
    'lets a sound store pass: %s',
    (_name, run) => run(),
  );

  it.each(Object.entries(faults))('fails the wrong store: %s', async (name, open) => {
    const factory = { open, close: () => {} };
    const found = snapshotStoreConformance(factory).find((one) => one.name === name);
    await expect(found?.run()).rejects.toThrow();
  });

  it(`fails the hasty store: ${kept}`, async () => {
    const found = snapshotStoreConformance(hasty).find(({ name }) => name === kept);
    await expect(found?.run()).rejects.toThrow();
  });

  it('asks of a store that keeps nothing only that it takes everything', async () => {
    const factory = { open: newDiscardSnapshotStore, close: () => {} };
    const few = snapshotStoreConformance(factory, { keeps: false });
    expect(few).toHaveLength(2);
    for (const { run } of few) await run();
    const all = snapshotStoreConformance(factory);
    const failed = await Promise.allSettled(all.map(({ run }) => run()));
    expect(failed.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(5);
  });
});
