import { describe, expect, it } from 'vitest';
import { seededRandom } from '../internal/random.ts';
import { ZERO_TIME } from '../internal/timestamp.ts';
import { ErrPipelineShutdown } from '../raft/errors.ts';
import {
  AppendEntriesRequest,
  AppendEntriesResponse,
  InstallSnapshotRequest,
  RequestPreVoteRequest,
  RequestVoteRequest,
  RequestVoteResponse,
  TimeoutNowRequest,
} from '../raft/messages.ts';
import {
  type LoopbackTransport,
  supportsClose,
  supportsPreVote,
  type Transport,
} from '../raft/transport.ts';
import { VirtualTime } from '../testing/runtime-fixture.ts';
import {
  type InmemTransport,
  newInmemAddr,
  newInmemTransport,
  newInmemTransportWithTimeout,
} from './inmem-transport.ts';

const request = new AppendEntriesRequest({ term: 10, prevLogEntry: 100 });
const response = new AppendEntriesResponse({ term: 4, lastLog: 90, success: true });

function newPair(timeout = 5000, consumerCapacity = 16): [InmemTransport, InmemTransport] {
  const [, caller] = newInmemTransportWithTimeout('', timeout);
  const [address, server] = newInmemTransportWithTimeout('', timeout, { consumerCapacity });
  caller.connect(address, server);
  return [caller, server];
}

describe('InmemTransport', () => {
  it('start and stop (test 117)', async () => {
    const [address, transport] = newInmemTransport();
    expect(transport.localAddr()).toBe(address);
    await transport.close();
    await transport.close();
  });

  it('keeps the address it is given, and makes one up otherwise (S198, test 150)', () => {
    expect(newInmemTransport('a')[0]).toBe('a');
    expect(newInmemTransport()[0]).not.toBe(newInmemTransport()[0]);
    expect(newInmemAddr(seededRandom(1))).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(newInmemAddr(seededRandom(1))).toBe(newInmemAddr(seededRandom(1)));
  });

  it('is a transport that can be closed, connected and asked for pre-votes (test 123)', () => {
    const [, transport] = newInmemTransport();
    const loopback: LoopbackTransport & Transport = transport;
    expect(supportsClose(loopback)).toBe(true);
    expect(supportsPreVote(loopback)).toBe(true);
  });

  it('a consumer that nobody reads: send timed out, nothing is left (S192, test 124)', async () => {
    const [caller, server] = newPair(20, 0);
    const serving = server.consumer().receive();
    const call = caller.appendEntries('id', server.localAddr(), request);
    (await serving).value?.respond(response, null);
    expect(await call).toEqual(response);
    await expect(caller.appendEntries('id', server.localAddr(), request)).rejects.toThrow(
      /^send timed out$/,
    );
    expect(server.consumer().tryReceive()).toBeUndefined();
  });

  it('a request that nobody answers: command timed out (S192)', async () => {
    const [caller, server] = newPair(20);
    await expect(caller.appendEntries('id', server.localAddr(), request)).rejects.toThrow(
      /^command timed out$/,
    );
  });

  it('sending and answering have the whole time each, slow calls ten times it (S192)', async () => {
    const time = new VirtualTime();
    const { clock } = time;
    const [, caller] = newInmemTransport('', { clock });
    const [address, server] = newInmemTransport('', { clock, consumerCapacity: 0 });
    caller.connect(address, server);
    async function* nothing(): AsyncGenerator<Uint8Array> {}
    const calls: readonly [number, () => Promise<unknown>][] = [
      [500, () => caller.appendEntries('id', address, request)],
      [500, () => caller.requestVote('id', address, new RequestVoteRequest({}))],
      [500, () => caller.requestPreVote('id', address, new RequestPreVoteRequest({}))],
      [
        5000,
        () => caller.installSnapshot('id', address, new InstallSnapshotRequest({}), nothing()),
      ],
      [5000, () => caller.timeoutNow('id', address, new TimeoutNowRequest())],
    ];
    for (const [limitMs, call] of calls) {
      const start = time.scheduler.nowMs;
      const outcome = call().catch((error: Error) => error.message);
      await time.pass(limitMs - 1);
      expect(server.consumer().tryReceive()).toBeDefined();
      expect(await time.result(outcome)).toBe('command timed out');
      expect(time.scheduler.nowMs - start).toBe(2 * limitMs - 1);
    }
  });

  it('heartbeats take the way of all requests, handler or not (S194)', async () => {
    const [caller, server] = newPair();
    server.setHeartbeatHandler(() => expect.fail('not the handler'));
    const beat = new AppendEntriesRequest({ term: 10, leader: new Uint8Array([1]) });
    const call = caller.appendEntries('id', server.localAddr(), beat);
    server.consumer().tryReceive()?.value.respond(response, null);
    expect(await call).toEqual(response);
  });

  it('a pipeline that cannot send: command enqueue timeout (S192)', async () => {
    const [caller, server] = newPair(20, 0);
    const pipeline = await caller.appendEntriesPipeline('id', server.localAddr());
    await expect(pipeline.appendEntries(request)).rejects.toThrow(/^command enqueue timeout$/);
    await pipeline.close();
  });

  it('an unknown peer cannot be reached (S192)', async () => {
    const [, transport] = newInmemTransport();
    const text = 'failed to connect to peer: nobody';
    await expect(transport.appendEntries('id', 'nobody', request)).rejects.toThrow(text);
    await expect(transport.appendEntriesPipeline('id', 'nobody')).rejects.toThrow(text);
  });

  it('routes lead one way, and disconnect closes their pipelines only (S194)', async () => {
    const [caller, server] = newPair();
    const [other, third] = newInmemTransport();
    caller.connect(other, third);
    const lost = await caller.appendEntriesPipeline('id', server.localAddr());
    const kept = await caller.appendEntriesPipeline('id', other);
    const future = await lost.appendEntries(request);
    caller.disconnect(server.localAddr());
    expect(await future.error()).toBe(ErrPipelineShutdown);
    await expect(caller.appendEntries('id', server.localAddr(), request)).rejects.toThrow(
      'failed to connect to peer',
    );
    // What was queued there is still there.
    expect(server.consumer().tryReceive()?.value.command).toEqual(request);
    const still = await kept.appendEntries(request);
    third.consumer().tryReceive()?.value.respond(response, null);
    expect(await still.error()).toBeNull();
    await expect(third.appendEntries('id', caller.localAddr(), request)).rejects.toThrow();
    caller.disconnectAll();
    await expect(kept.appendEntries(request)).rejects.toBe(ErrPipelineShutdown);
  });

  it('an answer of the wrong kind is an error for the caller, not for the peer', async () => {
    const [caller, server] = newPair();
    const call = caller.appendEntries('id', server.localAddr(), request);
    server.consumer().tryReceive()?.value.respond(new RequestVoteResponse({}), null);
    await expect(call).rejects.toMatchObject({ code: 'ERR_UNEXPECTED_RESPONSE' });
    const pipeline = await caller.appendEntriesPipeline('id', server.localAddr());
    const future = await pipeline.appendEntries(request);
    server.consumer().tryReceive()?.value.respond(new RequestVoteResponse({}), null);
    expect(await future.error()).toMatchObject({ code: 'ERR_UNEXPECTED_RESPONSE' });
    await pipeline.close();
  });

  it('an error without a response reaches the future of a pipeline (S195)', async () => {
    const [caller, server] = newPair();
    const pipeline = await caller.appendEntriesPipeline('id', server.localAddr());
    const future = await pipeline.appendEntries(request);
    server.consumer().tryReceive()?.value.respond(null, new Error('no'));
    expect(await future.error()).toMatchObject({ message: 'no' });
    await pipeline.close();
  });

  it('entries are copied, so that nodes share nothing (S193)', async () => {
    const [caller, server] = newPair();
    const data = new Uint8Array([1, 2]);
    const entry = {
      index: 1,
      term: 1,
      type: 0,
      data,
      extensions: data,
      appendedAt: ZERO_TIME,
    } as const;
    const args = new AppendEntriesRequest({ term: 1, entries: [entry] });
    const call = caller.appendEntries('id', server.localAddr(), args);
    const rpc = server.consumer().tryReceive()?.value ?? expect.fail('no request');
    const received = rpc.command.kind === 'AppendEntriesRequest' ? rpc.command.entries?.[0] : null;
    expect(received).toEqual(entry);
    data.fill(9);
    expect([received?.data, received?.extensions]).toEqual([
      new Uint8Array([1, 2]),
      new Uint8Array([1, 2]),
    ]);
    rpc.respond(response, null);
    await call;
  });

  it('only connects to its own kind', () => {
    const [, transport] = newInmemTransport();
    const foreign = Object.create(null) as Transport;
    expect(() => transport.connect('a', foreign)).toThrow(TypeError);
  });
});
