import { describe, expect, it } from 'vitest';
import { typedFSM } from '../index.ts';
import { concatBytes, utf8 } from '../internal/bytes.ts';
import { newCowMap } from '../snapshot/cow-map.ts';
import { newInmemSnapshotStore } from '../snapshot/inmem-snapshot-store.ts';
import { addressTransport } from '../testing/conformance/snapshot-store.ts';
import { logOf, TestCluster } from '../testing/runtime-fixture.ts';
import { Configuration } from './configuration.ts';
import { type FSM, isBatchingFSM, isConfigurationStore } from './fsm.ts';
import { type Log, LogType } from './log.ts';
import { RaftState } from './state.ts';
import { type TypedFSM, type TypedLog, type TypedStateMachine, typed } from './typed-fsm.ts';

type Command = { op: 'set'; key: string; value: unknown } | { op: 'get'; key: string };
type Machine = TypedStateMachine<Command, unknown, readonly [string, unknown]>;

/** Keys and values, typed. */
function keyValues(more: Partial<Machine> = {}) {
  const state = newCowMap<string, unknown>();
  const fsm = typedFSM<Command, unknown, readonly [string, unknown]>({
    apply(command) {
      if (command.op === 'set') state.set(command.key, command.value);
      return state.get(command.key);
    },
    snapshot: () => state.snapshot(),
    async restore(items) {
      state.clear();
      for await (const [key, value] of items) state.set(key, value);
    },
    ...more,
  });
  return { state, fsm };
}

function logFor<C, R, I>(fsm: TypedFSM<C, R, I>, command: C, index = 1): Log {
  return { ...logOf(index, 1), data: fsm.encode(command) };
}

async function snapshotOf(fsm: FSM): Promise<Uint8Array> {
  const store = newInmemSnapshotStore();
  const sink = store.create(1, 1, 1, new Configuration(), 1, addressTransport);
  const snapshot = await fsm.snapshot();
  await snapshot.persist(sink);
  snapshot.release();
  await sink.close();
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.open(sink.id()).reader) chunks.push(chunk);
  return concatBytes(chunks);
}

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

describe('a typed state machine', () => {
  it.each([
    null,
    true,
    -1.5,
    2 ** 53 - 1,
    'ä€😀\0',
    10n ** 18n,
    Uint8Array.of(0, 255),
    new Date(1_700_000_000_123),
    [1, [2, { a: null }]],
    { nested: { deep: ['x'] }, __proto__: null },
  ])('gets the value that was proposed: %o', (value) => {
    const { fsm } = keyValues();
    const response = fsm.apply(logFor(fsm, { op: 'set', key: 'k', value }));
    expect(response).toEqual(value);
  });

  it('cannot be given a prototype by a command', () => {
    const { fsm } = keyValues();
    const value: unknown = JSON.parse('{"__proto__": {"isAdmin": true}}');
    const response = fsm.apply(logFor(fsm, { op: 'set', key: 'k', value }));
    expect(Reflect.get(Object(response), 'isAdmin')).toBeUndefined();
  });

  it('sees the entry beside the command', () => {
    const seen: unknown[] = [];
    const { fsm } = keyValues({ apply: (command, log) => seen.push([command, log.index]) });
    fsm.apply(logFor(fsm, { op: 'get', key: 'k' }, 7));
    expect(seen).toEqual([[{ op: 'get', key: 'k' }, 7]]);
  });

  it('refuses a command that is no value, at the call', () => {
    const { fsm } = keyValues();
    for (const command of [undefined, () => {}, Symbol('s')]) {
      expect(() => Reflect.apply(fsm.encode, fsm, [command])).toThrow(
        expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
      );
    }
  });

  it('says at which index something is no command, and what came instead', () => {
    const { fsm } = keyValues();
    const cases = [
      { data: null, text: /^expected a command at index 9, got 0 bytes \(\): / },
      { data: Uint8Array.of(0xc1), text: /^expected a command at index 9, got 1 bytes \(c1\): / },
      { data: Uint8Array.of(1, 2), text: /got 2 bytes \(01 02\): / },
      { data: utf8('a text that is long'), text: /got 19 bytes \(61 20 .* \.\.\.\): / },
      { data: fsm.encode({ op: 'get', key: 'k' }).subarray(0, -1), text: /index 9, got 13 bytes/ },
    ];
    for (const { data, text } of cases) {
      const apply = () => fsm.apply({ ...logOf(9, 1), data });
      expect(apply).toThrow(expect.objectContaining({ code: 'ERR_MALFORMED_COMMAND' }));
      expect(apply).toThrow(text);
    }
  });

  it('may check what a command is', () => {
    const parseCommand = (value: unknown): Command => {
      if (typeof value === 'object' && value !== null && 'key' in value) return value as Command;
      throw new TypeError('a command has a key');
    };
    const { fsm } = keyValues({ parseCommand });
    expect(fsm.apply(logFor(fsm, { op: 'set', key: 'k', value: 1 }))).toBe(1);
    const bare = { ...logOf(3, 1), data: typedFSM<number, void, void>(nothing).encode(5) };
    expect(() => fsm.apply(bare)).toThrow('index 3, got 1 bytes (05): a command has a key');
  });
});

const nothing: TypedStateMachine<number, void, void> = {
  apply: () => {},
  snapshot: () => [],
  restore: () => {},
};

describe('the optional abilities of a typed state machine', () => {
  it('are those that it has', () => {
    const plain = typedFSM(nothing);
    expect([isBatchingFSM(plain), isConfigurationStore(plain)]).toEqual([false, false]);
    const stored: number[] = [];
    const able = typedFSM({
      ...nothing,
      applyBatch: () => [],
      storeConfiguration: (index) => {
        stored.push(index);
      },
    });
    expect([isBatchingFSM(able), isConfigurationStore(able)]).toEqual([true, true]);
    able.storeConfiguration?.(4, new Configuration());
    expect(stored).toEqual([4]);
  });

  it('give a batch its commands, and each entry its response', async () => {
    const applyBatch = (batch: readonly TypedLog<number>[]) => batch.map((one) => one.command * 2);
    const fsm = typedFSM<number, number, void>({ ...nothing, apply: () => 0, applyBatch });
    const logs = [logFor(fsm, 1, 1), { ...logOf(2, 1), type: LogType.LogConfiguration }];
    expect(await fsm.applyBatch?.([...logs, logFor(fsm, 3, 3)])).toEqual([2, undefined, 6]);
    expect(await fsm.applyBatch?.(logs.slice(1))).toEqual([undefined]);
  });

  it('are held to one response for each command', async () => {
    const fsm = typedFSM<number, number, void>({
      ...nothing,
      apply: () => 0,
      applyBatch: () => [1],
    });
    const logs = [logFor(fsm, 1, 1), logFor(fsm, 2, 2)];
    await expect(fsm.applyBatch?.(logs)).rejects.toMatchObject({
      code: 'ERR_FSM_RESPONSES',
      message: 'invalid number of responses: expected 2, got 1',
    });
  });
});

describe('the snapshot of a typed state machine', () => {
  it.each([1, 3, 1000, 1_000_000])('is restored, read in pieces of %i bytes', async (size) => {
    const { fsm, state } = keyValues();
    for (let i = 0; i < 3000; i += 1) state.set(`key-${i}`, { i, text: 'x'.repeat(i % 100) });
    const bytes = await snapshotOf(fsm);
    const other = keyValues();
    other.state.set('gone', 1);
    await other.fsm.restore(inPieces(bytes, size));
    expect([...other.state]).toEqual([...state]);
  });

  it('of an empty state is five bytes, as docs/formats.md says', async () => {
    expect([...(await snapshotOf(typedFSM(nothing)))]).toEqual([1, 0, 0, 0, 0]);
    const example = typedFSM<number, void, unknown>({
      apply: () => {},
      snapshot: () => [['k', 7]],
      restore: () => {},
    });
    const hex = Buffer.from(await snapshotOf(example)).toString('hex');
    expect(hex).toBe('01 00000004 92 a16b 07 00000000'.replaceAll(' ', ''));
  });

  it('shows its moment, and is released', async () => {
    const { fsm, state } = keyValues();
    state.set('k', 'then');
    const snapshot = await fsm.snapshot();
    state.set('k', 'now');
    const store = newInmemSnapshotStore();
    const sink = store.create(1, 1, 1, new Configuration(), 1, addressTransport);
    await snapshot.persist(sink);
    await sink.close();
    snapshot.release();
    const other = keyValues();
    await other.fsm.restore(store.open(sink.id()).reader);
    expect([...other.state]).toEqual([['k', 'then']]);
  });

  it('is refused when it lost any number of bytes, got one more, or is another', async () => {
    const { fsm, state } = keyValues();
    state.set('a', 1).set('b', 2);
    const whole = await snapshotOf(fsm);
    const wrong = [
      ...Array.from(whole, (_, length) => whole.subarray(0, length)),
      concatBytes([whole, Uint8Array.of(0)]),
      utf8('[["a",1]]'),
      Uint8Array.of(1, 255, 255, 255, 255),
      Uint8Array.of(1, 0, 0, 0, 1, 0xc1, 0, 0, 0, 0),
    ];
    for (const bytes of wrong) {
      const restored = keyValues().fsm.restore(inPieces(bytes, 4));
      await expect(restored).rejects.toMatchObject({ code: 'ERR_MALFORMED_SNAPSHOT' });
    }
  });

  it('may have its items checked', async () => {
    const parseItem = () => {
      throw new TypeError('no item of mine');
    };
    const { fsm, state } = keyValues({ parseItem });
    state.set('a', 1);
    const restored = fsm.restore(inPieces(await snapshotOf(fsm), 10));
    await expect(restored).rejects.toThrow('no item of mine');
  });

  it('lets go of its reader when the state machine leaves it', async () => {
    const { fsm, state } = keyValues();
    for (let i = 0; i < 10; i += 1) state.set(String(i), i);
    const bytes = await snapshotOf(fsm);
    let isLeft = false;
    async function* reader() {
      try {
        yield* inPieces(bytes, 5);
      } finally {
        isLeft = true;
      }
    }
    const restore: Machine['restore'] = async (items) => {
      for await (const _ of items) break;
    };
    await keyValues({ restore }).fsm.restore(reader());
    expect(isLeft).toBe(true);
  });
});

describe('typed(raft, fsm)', () => {
  it('takes commands and gives responses, with index and outcome', async () => {
    const { fsm } = keyValues();
    const cluster = await new TestCluster().start(1, () => ({ fsm }));
    const { raft } = await cluster.leader();
    const node = typed(raft, fsm);
    expect(node.raft).toBe(raft);
    const value = { n: 1 };
    const future = node.apply({ op: 'set', key: 'k', value }, 1000);
    value.n = 2;
    expect(await cluster.time.result(future)).toEqual({ n: 1 });
    expect([future.response(), future.outcome()]).toEqual([{ n: 1 }, 'applied']);
    expect(future.index()).toBe(raft.lastIndex());
    await cluster.close();
  });

  it('restores what a snapshot holds when the node starts again', async () => {
    const first = keyValues();
    const cluster = await new TestCluster().start(1, () => ({ fsm: first.fsm }));
    const node = await cluster.leader();
    await cluster.time.result(typed(node.raft, first.fsm).apply({ op: 'set', key: 'k', value: 5 }));
    await cluster.time.result(node.raft.snapshot());
    await cluster.time.result(node.raft.shutdown());
    const second = keyValues();
    node.renew(second.fsm);
    await node.start();
    expect(second.state.get('k')).toBe(5);
    await cluster.close();
  });

  it('stops a node whose log holds something else, and says where', async () => {
    const { fsm } = keyValues();
    const cluster = await new TestCluster().start(1, () => ({ fsm }));
    const { raft } = await cluster.leader();
    const error = await cluster.time.error(raft.apply(Uint8Array.of(0xc1)));
    expect(raft.state()).toBe(RaftState.Shutdown);
    expect(raft.fatal?.message).toContain(`at index ${raft.lastIndex()}, got 1 bytes (c1)`);
    expect(error).not.toBeNull();
    await cluster.close();
  });
});
