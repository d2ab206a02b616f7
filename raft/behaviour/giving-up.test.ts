import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { firstOf, led } from '../../testing/behaviour-fixture.ts';
import { ErrEnqueueTimeout, ErrNotLeader } from '../errors.ts';
import type { Raft } from '../raft.ts';
import type { Timeout } from '../timeout.ts';

const x = utf8('x');
const aborted = expect.objectContaining({ code: 'ERR_ABORTED' });
const meta = { version: 1, index: 1, size: 2 } as never;

async function* silence(): AsyncGenerator<Uint8Array> {
  await new Promise<never>(() => {});
  yield x;
}

/** Every call that takes a timeout. */
const calls: Record<string, (raft: Raft, timeout: Timeout) => PromiseLike<unknown>> = {
  apply: (raft, timeout) => raft.apply(x, timeout),
  applyLog: (raft, timeout) => raft.applyLog({ data: x }, timeout),
  barrier: (raft, timeout) => raft.barrier(timeout),
  readIndex: (raft, timeout) => raft.readIndex(timeout),
  addVoter: (raft, timeout) => raft.addVoter('z', 'z:1', 0, timeout),
  addNonvoter: (raft, timeout) => raft.addNonvoter('z', 'z:1', 0, timeout),
  demoteVoter: (raft, timeout) => raft.demoteVoter('z', 0, timeout),
  removeServer: (raft, timeout) => raft.removeServer('z', 0, timeout),
  restore: (raft, timeout) => raft.restore(meta, silence(), timeout),
};

describe.each(Object.entries(calls))('%s', (_name, call) => {
  it('is given up at once by a signal, and takes no more notice of it', async () => {
    const cluster = await led(3);
    cluster.nodes.isolate(cluster.leader);
    const caller = new AbortController();
    const future = call(cluster.raft, { timeout: 60_000, signal: caller.signal });
    await cluster.time.pass(1);
    const before = cluster.time.scheduler.nowMs;
    caller.abort('enough');
    await expect(cluster.time.result(future)).rejects.toEqual(aborted);
    expect(cluster.time.scheduler.nowMs - before).toBeLessThanOrEqual(1);
    expect(getEventListeners(caller.signal, 'abort')).toHaveLength(0);
    await cluster.nodes.close();
  });

  it('does nothing when its signal is aborted before', async () => {
    const cluster = await led(1);
    const last = cluster.raft.lastIndex();
    const future = call(cluster.raft, { signal: AbortSignal.abort(new Error('too late')) });
    await expect(cluster.time.result(future)).rejects.toMatchObject({
      code: 'ERR_ABORTED',
      message: 'the caller gave up waiting: too late',
      cause: { message: 'too late' },
    });
    await cluster.time.pass(100);
    expect(cluster.raft.lastIndex()).toBe(last);
    await cluster.nodes.close();
  });

  it('lets go of the signal when it is done', async () => {
    const cluster = await led(3);
    const [other] = firstOf(cluster.others, 1);
    const caller = new AbortController();
    const future = call(other.raft, { signal: caller.signal });
    expect(getEventListeners(caller.signal, 'abort')).toHaveLength(1);
    await expect(cluster.time.result(future)).rejects.toBe(ErrNotLeader);
    expect(getEventListeners(caller.signal, 'abort')).toHaveLength(0);
    await cluster.nodes.close();
  });

  it.each([
    [-1, /^timeout must be a number of milliseconds, 0 to wait for ever, got -1$/],
    [Number.NaN, /^timeout must be .*, got NaN$/],
    [Number.POSITIVE_INFINITY, /^timeout must be .*, got Infinity$/],
    ['100', /^timeout must be .*, got "100"$/],
    [null, /^timeout must be .*, got null$/],
    [{ timeout: '100' }, /^timeout must be .*, got "100"$/],
    [{ signal: 'stop' }, /^signal must be an AbortSignal, got "stop"$/],
    [{ signal: {} }, /^signal must be an AbortSignal, got an object$/],
  ])('refuses %o for a timeout, and nothing is done', async (timeout, message) => {
    const cluster = await led(1);
    const last = cluster.raft.lastIndex();
    expect(() => call(cluster.raft, timeout as never)).toThrow(
      expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT' }),
    );
    expect(() => call(cluster.raft, timeout as never)).toThrow(message);
    await cluster.time.pass(10);
    expect(cluster.raft.lastIndex()).toBe(last);
    await cluster.nodes.close();
  });
});

describe('whoever gives up', () => {
  it('keeps its timeout as long as it has not', async () => {
    const cluster = await led(3);
    cluster.nodes.isolate(...cluster.others);
    const { signal } = new AbortController();
    cluster.raft.addNonvoter('y', 'y:1');
    const late = cluster.raft.addNonvoter('z', 'z:1', 0, { timeout: 5, signal });
    expect(await cluster.time.error(late)).toBe(ErrEnqueueTimeout);
    await cluster.nodes.close();
  });

  it('makes room: the change behind it takes place', async () => {
    const cluster = await led(3);
    const { raft, time, nodes, others } = cluster;
    nodes.isolate(...others);
    const caller = new AbortController();
    const first = raft.addNonvoter('x', 'x:1');
    const gone = raft.addNonvoter('y', 'y:1', 0, { signal: caller.signal });
    const last = raft.addNonvoter('z', 'z:1');
    await time.pass(1);
    caller.abort();
    nodes.connect();
    expect(await time.error(gone)).toEqual(aborted);
    expect([await time.error(first), await time.error(last)]).toEqual([null, null]);
    const { servers } = raft.getConfiguration().configuration();
    expect(servers.map(({ id }) => id)).toEqual(['a', 'b', 'c', 'x', 'z']);
    await nodes.close();
  });

  it('leaves its place in line to others, by the thousand', async () => {
    const { raft, time, nodes, others } = await led(3);
    nodes.isolate(...others);
    const caller = new AbortController();
    const { signal } = caller;
    raft.addNonvoter('y', 'y:1');
    await time.pass(1);
    for (let i = 0; i < 65_536; i += 1) raft.removeServer('nobody', 0, { signal });
    expect(await time.error(raft.removeServer('one too many'))).toBe(ErrEnqueueTimeout);
    caller.abort();
    nodes.connect();
    expect(await time.error(raft.addNonvoter('z', 'z:1'))).toBeNull();
    await nodes.close();
  });

  it('may be thousands at once, by one signal', async () => {
    const cluster = await led(3);
    cluster.nodes.isolate(cluster.leader);
    const caller = new AbortController();
    const { signal } = caller;
    const futures = Array.from({ length: 5000 }, () => cluster.raft.apply(x, { signal }));
    await cluster.time.pass(1);
    expect(getEventListeners(signal, 'abort')).toHaveLength(1);
    caller.abort();
    for (const future of futures) expect(await future.error()).toEqual(aborted);
    await cluster.nodes.close();
  });

  it('ends a restore: its bytes are read no further, and commands go on', async () => {
    const cluster = await led(1);
    const { raft, time, nodes, leader } = cluster;
    let isClosed = false;
    const reader = (async function* () {
      try {
        yield utf8('[');
        await new Promise<never>(() => {});
      } finally {
        isClosed = true;
      }
    })();
    const source = {
      [Symbol.asyncIterator]: () => ({
        next: () => reader.next(),
        return: async () => {
          isClosed = true;
          return { done: true as const, value: undefined };
        },
      }),
    };
    const caller = new AbortController();
    const restore = raft.restore(meta, source, { signal: caller.signal });
    await time.pass(5);
    const waiting = raft.apply(x);
    caller.abort();
    expect(await time.error(restore)).toEqual(aborted);
    expect(await time.error(waiting)).toBeNull();
    expect([isClosed, leader.applied, await leader.snaps.list()]).toEqual([true, ['x'], []]);
    await nodes.close();
  });

  it('ends a restore also while its entry waits for a quorum', async () => {
    const { raft, time, nodes, leader } = await led(3);
    const { fsm } = leader;
    const restoring = fsm.restore.bind(fsm);
    fsm.restore = (reader) => {
      nodes.isolate(leader);
      return restoring(reader);
    };
    const last = raft.lastIndex();
    const caller = new AbortController();
    const bytes = (async function* () {
      yield utf8('[]');
    })();
    const restore = raft.restore(meta, bytes, { signal: caller.signal });
    await time.until(() => raft.lastIndex() === last + 2, 'the entry behind it is there');
    caller.abort();
    expect(await time.error(restore)).toEqual(aborted);
    expect(leader.isLeader).toBe(true);
    await nodes.close();
  });

  it('throws away what a restore has copied once, not twice', async () => {
    const { raft, time, nodes, leader } = await led(1);
    const { snaps } = leader;
    const creating = snaps.create.bind(snaps);
    let cancelled = 0;
    snaps.create = async (...args) => {
      const sink = await creating(...args);
      const cancelling = sink.cancel.bind(sink);
      sink.cancel = () => {
        cancelled += 1;
        return cancelling();
      };
      return sink;
    };
    const caller = new AbortController();
    const restore = raft.restore(meta, silence(), { signal: caller.signal });
    await time.pass(5);
    caller.abort();
    expect(await time.error(restore)).toEqual(aborted);
    await time.pass(5);
    expect(cancelled).toBe(1);
    await nodes.close();
  });
});
