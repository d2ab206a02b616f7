import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { newDeferred } from '../../internal/deferred.ts';
import { recordingLogger, voters } from '../../testing/core-fixture.ts';
import { HookedStore, ListFSM, turn, VirtualTime } from '../../testing/runtime-fixture.ts';
import { newInmemTransport } from '../../transport/inmem-transport.ts';
import { ErrRaftShutdown } from '../errors.ts';
import type { MaybePromise } from '../log.ts';
import type { SnapshotSink } from '../snapshot.ts';
import { Entries } from './entries.ts';
import { FsmLoop } from './fsm-loop.ts';
import { InFlightEntries } from './ledger.ts';
import { SnapshotReceiver } from './snapshot-receiver.ts';
import { Watchdog } from './watchdog.ts';

const SILENCE_MS = 10_000;
const DISK_LIMIT_MS = 1000;

setFlagsFromString('--expose-gc');
const collectGarbage: unknown = runInNewContext('gc');

class RecordingSink implements SnapshotSink {
  written = 0;
  readonly calls: string[] = [];
  onWrite: () => Promise<void> = async () => {};
  onClose: () => Promise<void> = async () => {};
  onCancel: () => Promise<void> = async () => {};

  async write(chunk: Uint8Array): Promise<number> {
    await this.onWrite();
    this.written += chunk.length;
    return chunk.length;
  }
  async close(): Promise<void> {
    await this.onClose();
    this.calls.push('close');
  }
  async cancel(): Promise<void> {
    await this.onCancel();
    this.calls.push('cancel');
  }
  id(): string {
    return 'snap';
  }
}

/** Chunks of 10 bytes, and whether whoever reads them has let go. */
function chunks(count: number, between: () => Promise<void> = async () => {}) {
  const state = { given: 0, isOver: false };
  async function* read() {
    try {
      for (; state.given < count; ) {
        await between();
        state.given += 1;
        yield new Uint8Array(10);
      }
    } finally {
      state.isOver = true;
    }
  }
  return Object.assign(state, { reader: read() });
}

function setUp() {
  const time = new VirtualTime();
  const sink = new RecordingSink();
  const gaveUp: string[] = [];
  const store = { create: (): MaybePromise<SnapshotSink> => sink };
  const entries = new Entries(new HookedStore());
  const fsm = new FsmLoop({
    fsm: new ListFSM(),
    entries,
    inFlight: new InFlightEntries(),
    clock: time.clock,
    maxBatch: 64,
    appliedIndex: 0,
    onProgress: () => {},
    onFatal: () => {},
  });
  const { log, lines } = recordingLogger();
  const receiver = new SnapshotReceiver({
    snaps: {
      create: () => store.create(),
      list: () => [],
      open: () => {
        throw new Error('nothing to open');
      },
    },
    trans: newInmemTransport('a:1', { clock: time.clock })[1],
    fsm,
    entries,
    clock: time.clock,
    log,
    silenceLimitMs: SILENCE_MS,
    watchdog: new Watchdog(time.clock, DISK_LIMIT_MS, ({ what }) => gaveUp.push(what)),
  });
  const receive = (size: number, ticket = 1) =>
    receiver.receive({
      kind: 'receiveSnapshot',
      ticket,
      version: 1,
      index: 9,
      term: 2,
      configuration: voters('a'),
      configurationIndex: 1,
      size,
    });
  return { time, sink, store, receiver, receive, gaveUp, lines };
}

describe('a snapshot that comes in', () => {
  it('is copied, closed and named (S120)', async () => {
    const { sink, receiver, receive } = setUp();
    receiver.expect(1, chunks(5).reader);
    expect(await receive(50)).toEqual({ reply: { id: 'snap' } });
    expect([sink.written, sink.calls]).toEqual([50, ['close']]);
  });

  it.each([
    ['too long', 40],
    ['not expected to have any byte', 0],
  ])('that is %s is thrown away, and no byte too many is written (#651)', async (_, size) => {
    const { sink, receiver, receive, lines } = setUp();
    receiver.expect(1, chunks(5).reader);
    const { error } = await receive(size);
    expect(lines[0]).toBe('error: failed to copy snapshot');
    expect(error?.message).toBe(`too long: expected a snapshot of ${size} bytes, got ${size + 10}`);
    expect([sink.written, sink.calls]).toEqual([size, ['cancel']]);
  });

  it.each([['too short', 60]])('that is %s is thrown away (S120)', async (_, size) => {
    const { sink, receiver, receive, lines } = setUp();
    receiver.expect(1, chunks(5).reader);
    const { error } = await receive(size);
    expect(lines[0]).toBe('error: failed to receive whole snapshot');
    expect(error?.message).toBe(`short read: expected a snapshot of ${size} bytes, got 50`);
    expect(sink.calls).toEqual(['cancel']);
  });

  it('without bytes behind it is refused', async () => {
    const { error } = await setUp().receive(5);
    expect(error?.message).toBe('expected the bytes of a snapshot, got none');
  });

  it('that the store cannot begin is refused', async () => {
    const { store, receiver, receive, lines } = setUp();
    store.create = () => {
      throw new Error('disk is full');
    };
    receiver.expect(1, chunks(5).reader);
    const { error } = await receive(50);
    expect(error?.message).toBe('failed to create snapshot: disk is full');
    expect(lines).toEqual(['error: failed to create snapshot to install']);
  });

  it('that the store cannot take or keep is thrown away (S120)', async () => {
    const texts = { onWrite: 'failed to copy snapshot', onClose: 'failed to finalize snapshot' };
    for (const fault of ['onWrite', 'onClose'] as const) {
      const { sink, receiver, receive, lines } = setUp();
      sink[fault] = () => Promise.reject(new Error('disk is full'));
      receiver.expect(1, chunks(5).reader);
      expect((await receive(50)).error?.message).toBe('disk is full');
      expect(lines[0]).toBe(`error: ${texts[fault]}`);
      expect(sink.calls).toEqual(['cancel']);
    }
  });

  it('that ends with an error is thrown away', async () => {
    const { sink, receiver, receive } = setUp();
    receiver.expect(1, chunks(5, () => Promise.reject(new Error('connection reset'))).reader);
    expect((await receive(50)).error?.message).toBe('connection reset');
    expect(sink.calls).toEqual(['cancel']);
  });

  it('waits for the store: no chunk is read before the one before it is taken', async () => {
    const { sink, receiver, receive } = setUp();
    const door = newDeferred<void>();
    sink.onWrite = () => door.promise;
    const source = chunks(5);
    receiver.expect(1, source.reader);
    const received = receive(50);
    await turn();
    expect(source.given).toBe(1);
    door.resolve();
    expect((await received).error).toBeUndefined();
  });
});

describe('a store that does not answer', () => {
  const never = () => new Promise<never>(() => {});

  it.each(['create', 'close', 'cancel'] as const)('to %s is given up (#503)', async (call) => {
    const { time, sink, store, receiver, receive, gaveUp } = setUp();
    if (call === 'create') store.create = never;
    if (call === 'close') sink.onClose = never;
    if (call === 'cancel') sink.onCancel = never;
    receiver.expect(1, chunks(5).reader);
    void receive(call === 'cancel' ? 60 : 50);
    await time.pass(9.5 * DISK_LIMIT_MS);
    expect(gaveUp).toEqual([]);
    await time.pass(DISK_LIMIT_MS);
    expect(gaveUp).toEqual([`${call} of a snapshot`]);
  });

  it('at once is not given up', async () => {
    const { time, sink, receiver, receive, gaveUp } = setUp();
    sink.onClose = () => time.clock.sleep(9 * DISK_LIMIT_MS);
    receiver.expect(1, chunks(5).reader);
    expect(await time.result(receive(50), 10 * DISK_LIMIT_MS)).toEqual({ reply: { id: 'snap' } });
    await time.pass(20 * DISK_LIMIT_MS);
    expect(gaveUp).toEqual([]);
  });
});

describe('a sender that falls silent', () => {
  it('holds the node for so long and no longer (R18)', async () => {
    const { time, sink, receiver, receive } = setUp();
    receiver.expect(1, chunks(5, () => new Promise(() => {})).reader);
    const { error } = await time.result(receive(50), 2 * SILENCE_MS);
    expect(error?.message).toBe(`the sender of a snapshot was silent for ${SILENCE_MS} ms`);
    expect(sink.calls).toEqual(['cancel']);
  });

  it('may be slow: the limit is for each chunk', async () => {
    const { time, receiver, receive } = setUp();
    receiver.expect(1, chunks(20, () => time.clock.sleep(SILENCE_MS / 2)).reader);
    expect(await time.result(receive(200), 100 * SILENCE_MS)).toEqual({ reply: { id: 'snap' } });
  });

  it('cannot hold up the end of the node', async () => {
    const { sink, receiver, receive } = setUp();
    receiver.expect(1, chunks(5, () => new Promise(() => {})).reader);
    const received = receive(50);
    await turn();
    receiver.stop();
    expect(await received).toEqual({ error: ErrRaftShutdown });
    expect(sink.calls).toEqual(['cancel']);
    receiver.expect(2, chunks(5).reader);
    expect(await receive(50, 2)).toEqual({ error: ErrRaftShutdown });
  });
});

describe('what is not wanted', () => {
  it('is read to its end when it is drained', async () => {
    const { receiver } = setUp();
    const source = chunks(5);
    receiver.expect(1, source.reader);
    await receiver.drain(1);
    expect([source.given, source.isOver]).toEqual([5, true]);
  });

  it('drains without a word when it fails', async () => {
    const { receiver } = setUp();
    receiver.expect(1, chunks(5, () => Promise.reject(new Error('connection reset'))).reader);
    await receiver.drain(1);
    await receiver.drain(99);
  });

  it('is let go when the request was answered (R8)', async () => {
    const { receiver, receive } = setUp();
    let returned = 0;
    receiver.expect(1, {
      [Symbol.asyncIterator]: () => ({
        next: () => new Promise(() => {}),
        return: async () => {
          returned += 1;
          return { done: true, value: undefined };
        },
      }),
    });
    receiver.release(1);
    receiver.release(1);
    await turn();
    expect(returned).toBe(1);
    expect((await receive(5)).error?.message).toMatch('got none');
  });
});

it('the bytes of a snapshot are not kept once they are written (R7)', async () => {
  if (typeof collectGarbage !== 'function') throw new Error('no garbage collector to call');
  const { receiver, receive } = setUp();
  const seen: WeakRef<Uint8Array>[] = [];
  async function* read() {
    for (let i = 0; i < 100; i += 1) {
      const chunk = new Uint8Array(1000);
      seen.push(new WeakRef(chunk));
      yield chunk;
    }
  }
  receiver.expect(1, read());
  expect(await receive(100_000)).toEqual({ reply: { id: 'snap' } });
  await turn();
  collectGarbage();
  const alive = seen.filter((chunk) => chunk.deref() !== undefined);
  expect([seen.length, alive.length < 5]).toEqual([100, true]);
  receiver.stop();
});
