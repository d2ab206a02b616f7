import { afterEach, describe, expect, it } from 'vitest';
import { type Clock, systemClock, type TimerHandle } from '../internal/clock.ts';
import {
  ErrPipelineReplicationNotSupported,
  ErrPipelineShutdown,
  ErrTransportShutdown,
} from '../raft/errors.ts';
import { silentLogger } from '../raft/logger.ts';
import {
  AppendEntriesRequest,
  AppendEntriesResponse,
  InstallSnapshotRequest,
  TimeoutNowRequest,
} from '../raft/messages.ts';
import type { RPC, Transport } from '../raft/transport.ts';
import type { NetworkTransport } from './network-transport.ts';
import type { NetworkTransportConfig } from './network-transport-config.ts';
import { newTCPTransportWithConfig } from './tcp-stream-layer.ts';

const open: NetworkTransport[] = [];

async function newTransport(
  config: Partial<NetworkTransportConfig> = {},
): Promise<NetworkTransport> {
  const defaults = { maxPool: 3, timeout: 5000, logger: silentLogger };
  const transport = await newTCPTransportWithConfig('127.0.0.1:0', null, {
    ...defaults,
    ...config,
  });
  open.push(transport);
  return transport;
}

afterEach(async () => {
  for (const transport of open.splice(0)) await transport.close();
});

const request = new AppendEntriesRequest({ term: 10, prevLogEntry: 100 });
const response = new AppendEntriesResponse({ term: 4, lastLog: 90, success: true });

async function next(server: Transport): Promise<RPC> {
  const { value } = await server.consumer().receive();
  return value ?? expect.fail('the consumer ended');
}

/** Answers everything until the transport is closed. */
async function serveAll(server: Transport): Promise<void> {
  for await (const rpc of server.consumer()) rpc.respond(response, null);
}

/** Resolves when `isTrue` does; the test's own limit ends it otherwise. */
async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 1));
}

async function fillPool(caller: NetworkTransport, server: NetworkTransport): Promise<void> {
  const calls = Array.from({ length: 5 }, () =>
    caller.appendEntries('id', server.localAddr(), request),
  );
  const requests: RPC[] = [];
  while (requests.length < calls.length) requests.push(await next(server));
  for (const rpc of requests) rpc.respond(response, null);
  await Promise.all(calls);
}

/** Time that passes only when told to. */
class ManualClock implements Clock {
  nowMs = 0;
  readonly delays: number[] = [];
  #timers: { at: number; ring: () => void }[] = [];
  monotonicMs = () => this.nowMs;
  wallTime = () => systemClock.wallTime();
  afterIO = (resume: () => void) => systemClock.afterIO(resume);
  setTimer(delayMs: number, ring: () => void): TimerHandle {
    const timer = { at: this.nowMs + delayMs, ring };
    this.delays.push(delayMs);
    this.#timers.push(timer);
    return {
      cancel: () => {
        this.#timers = this.#timers.filter((other) => other !== timer);
      },
    };
  }
  get pending(): number {
    return this.#timers.length;
  }
  advance(byMs: number): void {
    this.nowMs += byMs;
    const due = this.#timers.filter(({ at }) => at <= this.nowMs);
    this.#timers = this.#timers.filter(({ at }) => at > this.nowMs);
    for (const { ring } of due) ring();
  }
}

describe('connections', () => {
  it('start and stop (test 125)', async () => {
    const transport = await newTransport();
    expect(transport.isShutdown()).toBe(false);
    const closing = transport.close();
    expect(transport.isShutdown()).toBe(true);
    await closing;
    await transport.close();
  });

  it('closeStreams empties the pool, later calls find a way (S187, test 126)', async () => {
    const [caller, server] = [await newTransport(), await newTransport()];
    await fillPool(caller, server);
    expect(caller.pooledConnections(server.localAddr())).toBe(3);
    caller.closeStreams();
    expect(caller.pooledConnections(server.localAddr())).toBe(0);
    await fillPool(caller, server);
    expect(caller.pooledConnections(server.localAddr())).toBe(3);
  });

  it.each([0, 2, 3])(
    'no more are kept than %i when that is the limit (S180, test 136)',
    async (n) => {
      const [caller, server] = [await newTransport({ maxPool: n }), await newTransport()];
      await fillPool(caller, server);
      expect(caller.pooledConnections(server.localAddr())).toBe(n);
    },
  );

  it('an idle connection whose peer goes away leaves the pool at once (S180)', async () => {
    const [caller, server] = [await newTransport(), await newTransport()];
    await fillPool(caller, server);
    await server.close();
    await until(() => caller.pooledConnections(server.localAddr()) === 0);
  });

  it('an address provider says where a server is (S183)', async () => {
    const server = await newTransport();
    for (const serverAddr of [() => server.localAddr(), async () => server.localAddr()]) {
      const caller = await newTransport({ serverAddressProvider: { serverAddr } });
      const call = caller.appendEntries('id', '127.0.0.1:1', request);
      (await next(server)).respond(response, null);
      expect(await call).toEqual(response);
    }
  });

  it('an address provider that fails is passed over, with a warning (S183)', async () => {
    const warnings: string[] = [];
    const logger = { ...silentLogger, warn: (_f: object, text: string) => warnings.push(text) };
    const serverAddr = () => {
      throw new Error('unknown');
    };
    const server = await newTransport();
    const caller = await newTransport({ logger, serverAddressProvider: { serverAddr } });
    const call = caller.appendEntries('id', server.localAddr(), request);
    (await next(server)).respond(response, null);
    expect(await call).toEqual(response);
    expect(warnings).toEqual(['unable to get address for server, using fallback address']);
  });

  it('encodePeer asks the address provider (S183, test 135)', async () => {
    const serverAddr = () => 'localhost:11111';
    const transport = await newTransport({ serverAddressProvider: { serverAddr } });
    expect(transport.decodePeer(transport.encodePeer('id', 'a:1'))).toBe('localhost:11111');
  });

  it('heartbeats go to the handler, not to the consumer (S185, test 127)', async () => {
    const [caller, server] = [await newTransport(), await newTransport()];
    const handled: RPC[] = [];
    server.setHeartbeatHandler((rpc) => {
      handled.push(rpc);
      rpc.respond(response, null);
    });
    const beat = new AppendEntriesRequest({ term: 10, leader: new Uint8Array([1]) });
    expect(await caller.appendEntries('id', server.localAddr(), beat)).toEqual(response);
    expect(handled).toHaveLength(1);
    expect(server.consumer().tryReceive()).toBeUndefined();
  });

  it.each([
    ['maxPool', { maxPool: -1 }],
    ['maxRPCsInFlight', { maxRPCsInFlight: 1.5 }],
    ['timeout', { timeout: Number.NaN }],
  ])('a bad %s is refused, and nothing keeps listening', async (field, config) => {
    await expect(newTransport(config)).rejects.toMatchObject({
      code: 'ERR_INVALID_CONFIG',
      message: expect.stringContaining(field),
    });
  });
});

describe('pipelines', () => {
  it('the streams of the receiver close: futures fail (S187, test 132)', async () => {
    for (const isClosing of [true, false]) {
      const [caller, server] = [await newTransport(), await newTransport()];
      let count = 0;
      const serving = (async () => {
        for await (const rpc of server.consumer()) {
          count += 1;
          if (isClosing && count === 10) server.closeStreams();
          rpc.respond(response, null);
        }
      })();
      const pipeline = await caller.appendEntriesPipeline('id', server.localAddr());
      const errors: (Error | null)[] = [];
      const consuming = (async () => {
        for await (const future of pipeline.consumer()) errors.push(await future.error());
      })();
      for (let i = 0; i < 100; i += 1) {
        const failure = await pipeline.appendEntries(request).then(
          () => null,
          (error: Error) => error,
        );
        if (failure !== null) break;
      }
      await until(() => errors.some((error) => error !== null) || errors.length === 100);
      expect(errors.some((error) => error !== null)).toBe(isClosing);
      await pipeline.close();
      await server.close();
      await Promise.all([consuming, serving]);
    }
  });

  it('with one request in flight there are none (S189, test 133)', async () => {
    const caller = await newTransport({ maxRPCsInFlight: 1 });
    await expect(caller.appendEntriesPipeline('id', 'any:1')).rejects.toBe(
      ErrPipelineReplicationNotSupported,
    );
  });

  it.each([0, 2, 10])(
    'with %i in flight one less is sent at once (S189, test 133)',
    async (max) => {
      const caller = await newTransport({ maxRPCsInFlight: max });
      const server = await newTransport();
      const pipeline = await caller.appendEntriesPipeline('id', server.localAddr());
      const inFlight = max === 0 ? 32 : max;
      for (let i = 1; i < inFlight; i += 1) await pipeline.appendEntries(request);
      let isSent = false;
      const last = pipeline.appendEntries(request).then(() => {
        isSent = true;
      });
      const requests: RPC[] = [];
      while (requests.length < inFlight) requests.push(await next(server));
      expect(isSent).toBe(false);
      requests[0]?.respond(response, null);
      const first = (await pipeline.consumer().receive()).value;
      expect(await first?.error()).toBeNull();
      await last;
    },
  );

  it('a send does not wait for a consumer that went away (S85, #612, #611)', async () => {
    const clock = new ManualClock();
    const caller = await newTransport({ clock, maxRPCsInFlight: 2 });
    const server = await newTransport();
    void serveAll(server);
    const pipeline = await caller.appendEntriesPipeline('id', server.localAddr());
    await pipeline.appendEntries(request);
    const stuck = pipeline.appendEntries(request);
    await until(() => clock.delays.length >= 2);
    clock.advance(5000);
    await expect(stuck).rejects.toMatchObject({ code: 'ERR_TRANSPORT_TIMEOUT' });
    await pipeline.close();
  });

  it('a send that waits ends when connection or pipeline do (S85, #612, #611)', async () => {
    for (const end of ['connection', 'pipeline']) {
      const caller = await newTransport({ maxRPCsInFlight: 2 });
      const server = await newTransport();
      const pipeline = await caller.appendEntriesPipeline('id', server.localAddr());
      await pipeline.appendEntries(request);
      const stuck = pipeline.appendEntries(request);
      await next(server);
      if (end === 'connection') {
        void server.close();
        await expect(stuck).rejects.toMatchObject({ code: 'ERR_CONNECTION_LOST' });
        await expect(pipeline.appendEntries(request)).rejects.toThrow(/EOF/);
      } else {
        void pipeline.close();
        await expect(stuck).rejects.toBe(ErrPipelineShutdown);
      }
    }
  });
});

describe('time limits', () => {
  it('a call without an answer ends, its connection is not used again (S180, S181)', async () => {
    const clock = new ManualClock();
    const [caller, server] = [await newTransport({ clock }), await newTransport()];
    const call = caller.appendEntries('id', server.localAddr(), request);
    const late = await next(server);
    clock.advance(5000);
    await expect(call).rejects.toThrow(/i\/o timeout: expected a reply of .* within 5000 ms/);
    expect(caller.pooledConnections(server.localAddr())).toBe(0);
    expect(clock.pending).toBe(0);
    late.respond(response, null);
  });

  it('a snapshot has more time as it is larger (S182)', async () => {
    const clock = new ManualClock();
    const [caller, server] = [await newTransport({ clock }), await newTransport()];
    caller.timeoutScale = 10;
    const args = new InstallSnapshotRequest({ size: 39 });
    async function* state(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(39);
    }
    const call = caller.installSnapshot('id', server.localAddr(), args, state());
    await next(server);
    expect(clock.delays).toEqual([15_000]);
    clock.advance(15_000);
    await expect(call).rejects.toMatchObject({ code: 'ERR_TRANSPORT_TIMEOUT' });
  });

  it('a snapshot whose source hangs ends as well (S182)', async () => {
    const clock = new ManualClock();
    const [caller, server] = [await newTransport({ clock }), await newTransport()];
    async function* state(): AsyncGenerator<Uint8Array> {
      yield new Uint8Array(1);
      await new Promise(() => {});
    }
    const args = new InstallSnapshotRequest({ size: 2 });
    const call = caller.installSnapshot('id', server.localAddr(), args, state());
    await next(server);
    clock.advance(5000);
    await expect(call).rejects.toMatchObject({ code: 'ERR_TRANSPORT_TIMEOUT' });
  });
});

describe('a snapshot of the wrong length', () => {
  it.each([
    [12, 'expected a snapshot of 10 bytes, got more'],
    [8, 'expected a snapshot of 10 bytes, got 8'],
  ])('%i instead of 10 is refused here and there (#651)', async (size, message) => {
    const [caller, server] = [await newTransport(), await newTransport()];
    async function* state(): AsyncGenerator<Uint8Array> {
      for (let i = 0; i < size; i += 4) yield new Uint8Array(4);
    }
    const args = new InstallSnapshotRequest({ size: 10 });
    const call = caller.installSnapshot('id', server.localAddr(), args, state());
    const refused = expect(call).rejects.toThrow(message);
    const rpc = await next(server);
    const reading = (async () => {
      for await (const _part of rpc.reader ?? []);
    })();
    await expect(reading).rejects.toThrow(/expected a snapshot of 10 bytes, got 8/);
    await refused;
    // The peer is still there for others.
    void serveAll(server);
    expect(await caller.appendEntries('id', server.localAddr(), request)).toEqual(response);
  });
});

describe('close', () => {
  it('ends calls in every state, and leaves no timer (S187)', async () => {
    const clock = new ManualClock();
    const caller = await newTransport({ clock, maxRPCsInFlight: 2 });
    const server = await newTransport();
    const address = server.localAddr();
    const pipeline = await caller.appendEntriesPipeline('id', address);
    const future = await pipeline.appendEntries(request);
    const calls = [
      caller.timeoutNow('id', address, new TimeoutNowRequest({})),
      caller.appendEntries('id', address, request),
      pipeline.appendEntries(request),
    ];
    const outcomes = Promise.allSettled(calls);
    await next(server);
    const dialling = caller.appendEntries('id', address, request);
    const dialled = Promise.allSettled([dialling]);
    await caller.close();
    expect(await future.error()).toBe(ErrTransportShutdown);
    for (const outcome of [...(await outcomes), ...(await dialled)]) {
      expect(outcome).toEqual({ status: 'rejected', reason: ErrTransportShutdown });
    }
    expect(clock.pending).toBe(0);
  });

  it('does not wait for a node that reads nothing any more', async () => {
    const [caller, server] = [await newTransport(), await newTransport()];
    const calls = Array.from({ length: 100 }, () =>
      caller.appendEntries('id', server.localAddr(), request),
    );
    const outcomes = Promise.allSettled(calls);
    await until(() => server.consumer().length === 64);
    await server.close();
    for (const outcome of await outcomes) expect(outcome.status).toBe('rejected');
  });
});
