import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ZERO_TIME } from '../../internal/timestamp.ts';
import { type Log, LogType } from '../../raft/log.ts';
import type { SnapshotSink } from '../../raft/snapshot.ts';
import { type Command, decodeCommand, encodeCommand } from './commands.ts';
import { KvFsm } from './fsm.ts';

function entry(index: number, data: Uint8Array): Log {
  const type = LogType.LogCommand;
  return { index, term: 1, type, data, extensions: null, appendedAt: ZERO_TIME };
}

/** Applies commands from the FSM's index on. */
function applyAll(fsm: KvFsm, commands: readonly Command[]): unknown[] {
  return commands.map((command) => fsm.apply(entry(fsm.index + 1, encodeCommand(command))));
}

/** A sink that keeps what is written; `onWrite` runs before each chunk is taken. */
class MemorySink implements SnapshotSink {
  readonly chunks: Uint8Array[] = [];
  readonly #onWrite: () => void;

  constructor(onWrite: () => void = () => {}) {
    this.#onWrite = onWrite;
  }

  async write(chunk: Uint8Array): Promise<number> {
    this.#onWrite();
    this.chunks.push(chunk.slice());
    return chunk.length;
  }

  async close(): Promise<void> {}
  async cancel(): Promise<void> {}
  id(): string {
    return 'memory';
  }

  /** What was written, cut anew into chunks of a size. */
  async *read(chunkBytes: number): AsyncGenerator<Uint8Array> {
    const bytes = Buffer.concat(this.chunks);
    for (let at = 0; at < bytes.length; at += chunkBytes) {
      yield bytes.subarray(at, at + chunkBytes);
    }
  }
}

async function persisted(fsm: KvFsm, onWrite?: () => void): Promise<MemorySink> {
  const sink = new MemorySink(onWrite);
  const picture = await fsm.snapshot();
  await picture.persist(sink);
  picture.release();
  return sink;
}

function contents(fsm: KvFsm) {
  const picture = fsm.picture();
  const records = new Map([...picture.records()].map(([key, value]) => [key, value.join()]));
  picture.release();
  const { index, size, hash, members } = fsm;
  return { index, size, hash, members: new Map(members), records };
}

const key = fc.oneof(fc.constantFrom('k1', 'k2', 'k3', 'ä'), fc.string({ minLength: 1 }));
const change = fc.oneof(
  fc.record({ op: fc.constant('set' as const), key, value: fc.uint8Array({ maxLength: 40 }) }),
  fc.record({ op: fc.constant('delete' as const), key }),
);
const command: fc.Arbitrary<Command> = fc.oneof(
  change,
  fc.record({ op: fc.constant('batch' as const), commands: fc.array(change, { maxLength: 5 }) }),
  fc.record({
    op: fc.constant('member' as const),
    id: fc.constantFrom('a', 'b'),
    http: fc.option(fc.constantFrom('127.0.0.1:8001', '127.0.0.1:8002')),
  }),
);

const chunkBytes = fc.integer({ min: 1, max: 200 });

describe('commands', () => {
  it('come back as they went', () => {
    fc.assert(
      fc.property(command, (given) => {
        const read = decodeCommand(encodeCommand(given));
        expect(encodeCommand(read)).toEqual(encodeCommand(given));
      }),
    );
  });

  it('are bytes that are on disks: they never change', () => {
    const hex = (given: Command) => Buffer.from(encodeCommand(given)).toString('hex');
    const set = { op: 'set', key: 'k', value: Uint8Array.of(1, 255) } as const;
    expect(hex(set)).toBe('9300a16bc40201ff');
    expect(hex({ op: 'delete', key: 'k' })).toBe('9201a16b');
    expect(hex({ op: 'batch', commands: [set] })).toBe('9202919300a16bc40201ff');
    expect(hex({ op: 'member', id: 'a', http: 'h:1' })).toBe('9303a161a3683a31');
    expect(hex({ op: 'member', id: 'a', http: null })).toBe('9303a161c0');
  });

  it('that make no sense are answered by an error and change nothing', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        const fsm = new KvFsm();
        applyAll(fsm, [{ op: 'set', key: 'k', value: Uint8Array.of(1) }]);
        const { hash } = fsm;
        const answer = fsm.apply(entry(2, bytes));
        fc.pre(answer instanceof Error);
        expect([fsm.hash, fsm.size, fsm.index]).toEqual([hash, 1, 2]);
      }),
    );
    const half = Buffer.from('92029293 00a16bc40101 9300'.replaceAll(' ', ''), 'hex');
    expect(new KvFsm().apply(entry(1, half))).toBeInstanceOf(Error);
  });
});

describe('the state', () => {
  it('says how many keys were there', () => {
    const value = Uint8Array.of(1);
    const answers = applyAll(new KvFsm(), [
      { op: 'set', key: 'k', value },
      { op: 'set', key: 'k', value },
      { op: 'delete', key: 'k' },
      { op: 'delete', key: 'k' },
    ]);
    expect(answers).toEqual([0, 1, 1, 0].map((existed) => ({ existed })));
  });

  it('does not share memory with the log', () => {
    const fsm = new KvFsm();
    const data = encodeCommand({ op: 'set', key: 'k', value: Uint8Array.of(1, 2, 3) });
    fsm.apply(entry(1, data));
    data.fill(0);
    expect(fsm.get('k')).toEqual(Buffer.from([1, 2, 3]));
  });

  it('has a hash that depends on the records and not on the way to them', () => {
    fc.assert(
      fc.property(fc.array(command), fc.array(command), (before, after) => {
        const fsm = new KvFsm();
        applyAll(fsm, [...before, ...after]);
        const { records, members, hash } = contents(fsm);
        const fresh = new KvFsm();
        const sets = [...records].reverse().map(([name]): Command => {
          return { op: 'set', key: name, value: fsm.get(name) ?? new Uint8Array() };
        });
        applyAll(fresh, sets);
        applyAll(
          fresh,
          [...members].map(([id, http]) => ({ op: 'member', id, http })),
        );
        expect(fresh.hash).toBe(hash);
      }),
    );
  });

  it('has another hash when keys and values meet at another place', () => {
    const of = (name: string, text: string) => {
      const fsm = new KvFsm();
      applyAll(fsm, [{ op: 'set', key: name, value: Buffer.from(text) }]);
      return fsm.hash;
    };
    expect(new Set([of('ab', 'c'), of('a', 'bc'), of('abc', '')]).size).toBe(3);
  });
});

describe('a snapshot', () => {
  it('gives the same state back, however it is chunked', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command), chunkBytes, async (given, bytes) => {
        const fsm = new KvFsm();
        applyAll(fsm, given);
        const sink = await persisted(fsm);
        const restored = new KvFsm();
        applyAll(restored, [{ op: 'set', key: 'earlier', value: Uint8Array.of(1) }]);
        await restored.restore(sink.read(bytes));
        expect(contents(restored)).toEqual(contents(fsm));
      }),
      { numRuns: 50 },
    );
  });

  it('does not see what is applied while it is written', async () => {
    const fsm = new KvFsm();
    const value = Buffer.alloc(5000, 1);
    const sets = Array.from({ length: 100 }, (_, at): Command => {
      return { op: 'set', key: `k${at}`, value };
    });
    applyAll(fsm, sets);
    const before = contents(fsm);
    let writes = 0;
    const sink = await persisted(fsm, () => {
      writes += 1;
      applyAll(fsm, [
        { op: 'set', key: `k${writes}`, value: Buffer.from('later') },
        { op: 'set', key: `k${99 - writes}`, value: Buffer.from('later') },
        { op: 'delete', key: `k${50 + writes}` },
        { op: 'set', key: `new${writes}`, value },
        { op: 'member', id: 'x', http: `h:${writes}` },
      ]);
    });
    expect(writes).toBeGreaterThan(5);
    const restored = new KvFsm();
    await restored.restore(sink.read(1000));
    expect(contents(restored)).toEqual(before);
  });

  it('lets other work run while it is written', async () => {
    const fsm = new KvFsm();
    const value = Buffer.alloc(70_000);
    applyAll(
      fsm,
      Array.from({ length: 10 }, (_, at) => ({ op: 'set', key: `k${at}`, value })),
    );
    let turns = 0;
    let writing = true;
    const count = () => {
      turns += 1;
      if (writing) setImmediate(count);
    };
    setImmediate(count);
    await persisted(fsm);
    writing = false;
    expect(turns).toBeGreaterThanOrEqual(10);
  });

  it('that is damaged is refused and changes nothing', async () => {
    const fsm = new KvFsm();
    applyAll(fsm, [
      { op: 'set', key: 'k1', value: Buffer.from('one') },
      { op: 'set', key: 'k2', value: Buffer.from('two') },
      { op: 'member', id: 'a', http: 'h:1' },
    ]);
    const whole = Buffer.concat((await persisted(fsm)).chunks);
    const target = new KvFsm();
    applyAll(target, [{ op: 'set', key: 'old', value: Buffer.from('old') }]);
    const before = contents(target);
    const restore = (bytes: Uint8Array) =>
      target.restore(
        (async function* () {
          yield bytes;
        })(),
      );
    for (let at = 0; at < whole.length; at += 1) {
      await expect(restore(whole.subarray(0, at))).rejects.toThrow('cannot restore the snapshot');
    }
    for (let at = 0; at < whole.length; at += 1) {
      const changed = Buffer.from(whole);
      changed[at] = (changed[at] ?? 0) ^ 0x55;
      // The index of the last command is the one thing that no hash covers.
      const outcome = await restore(changed).then(
        () => 'restored',
        (error: Error) => error.message,
      );
      if (outcome !== 'restored') expect(outcome).toContain('cannot restore the snapshot');
      else expect([target.hash, target.size]).toEqual([fsm.hash, fsm.size]);
      if (outcome === 'restored') await target.restore(await snapshotOf(before));
    }
    await expect(restore(Buffer.concat([whole, whole]))).rejects.toThrow('behind the trailer');
    expect(contents(target)).toEqual(before);
  });
});

/** A snapshot of the one record that the damaged-snapshot test starts from. */
async function snapshotOf(before: { index: number }): Promise<AsyncIterable<Uint8Array>> {
  const fsm = new KvFsm();
  applyAll(fsm, [{ op: 'set', key: 'old', value: Buffer.from('old') }]);
  expect(fsm.index).toBe(before.index);
  return (await persisted(fsm)).read(1000);
}
