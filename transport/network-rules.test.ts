import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { concatBytes, utf8 } from '../internal/bytes.ts';
import { type Clock, systemClock } from '../internal/clock.ts';
import { MsgpackError } from '../internal/msgpack/error.ts';
import { Timestamp } from '../internal/timestamp.ts';
import { type LogFields, silentLogger } from '../raft/logger.ts';
import {
  AppendEntriesRequest,
  AppendEntriesResponse,
  InstallSnapshotRequest,
  InstallSnapshotResponse,
  RequestPreVoteRequest,
  RequestPreVoteResponse,
  RequestVoteRequest,
  RequestVoteResponse,
  type RPCReply,
  TimeoutNowRequest,
  TimeoutNowResponse,
} from '../raft/messages.ts';
import type { RPC, Transport } from '../raft/transport.ts';
import { ClientConnection } from './client-connection.ts';
import { ConnectionPool } from './connection-pool.ts';
import { type NetworkTransport, newNetworkTransportWithConfig } from './network-transport.ts';
import type { NetworkTransportConfig } from './network-transport-config.ts';
import type { StreamConnection, StreamLayer } from './stream-layer.ts';
import { newTCPTransportWithConfig } from './tcp-stream-layer.ts';
import { encodeRequest } from './wire.ts';

const open: { close(): unknown }[] = [];
afterEach(async () => {
  for (const end of open.splice(0)) await end.close();
});

async function newTransport(
  config: Partial<NetworkTransportConfig> = {},
): Promise<NetworkTransport> {
  const all = { maxPool: 3, timeout: 5000, logger: silentLogger, ...config };
  const transport = await newTCPTransportWithConfig('127.0.0.1:0', null, all);
  open.push(transport);
  return transport;
}

const request = new AppendEntriesRequest({ term: 10, prevLogEntry: 100 });
const response = new AppendEntriesResponse({ term: 4, lastLog: 90, success: true });

async function next(server: Transport): Promise<RPC> {
  const { value } = await server.consumer().receive();
  return value ?? expect.fail('the consumer ended');
}

/** A server that keeps what it is sent and answers with `reply`. */
async function newRawServer(reply: Uint8Array): Promise<{ address: string; got: Uint8Array[] }> {
  const got: Uint8Array[] = [];
  const sockets = new Set<net.Socket>();
  const server = net.createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('data', (chunk: Uint8Array) => {
      got.push(chunk);
      socket.write(reply);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  open.push({
    close() {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  const bound = server.address();
  return { got, address: `127.0.0.1:${typeof bound === 'object' ? bound?.port : bound}` };
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const fromHex = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'hex'));
/** An empty error text, and an AppendEntriesResponse in which only `field` is set. */
const replyWith = (field: string): Uint8Array => fromHex(`a081${field}`);
const emptyReply = fromHex('a080');

describe('pooled connections', () => {
  function idle(): ClientConnection {
    const stream: StreamConnection = {
      localAddress: 'a:1',
      remoteAddress: 'b:1',
      closed: Promise.resolve(),
      start() {},
      write: () => true,
      pause() {},
      resume() {},
      end() {},
      destroy() {},
    };
    return new ClientConnection('b:1', stream, systemClock);
  }

  it('are taken in the order of last use, and only while they are whole (S180)', () => {
    const pool = new ConnectionPool(2);
    const [first, second, third] = [idle(), idle(), idle()];
    expect([pool.put(first), pool.put(second), pool.put(third)]).toEqual([true, true, false]);
    expect(pool.take('c:1')).toBeUndefined();
    expect(pool.take('b:1')).toBe(second);
    expect(pool.take('b:1')).toBe(first);
    expect(pool.take('b:1')).toBeUndefined();
    third.destroy(new Error('gone'));
    expect(pool.put(third)).toBe(false);
  });

  it('are kept after an answer that is an error (S180)', async () => {
    const [caller, server] = [await newTransport(), await newTransport()];
    const call = caller.appendEntries('id', server.localAddr(), request);
    (await next(server)).respond(null, new Error('no'));
    await expect(call).rejects.toThrow('no');
    expect(caller.pooledConnections(server.localAddr())).toBe(1);
  });
});

describe('an address provider', () => {
  it('is asked by every call (S183, test 128, test 129, test 130, test 131)', async () => {
    const server = await newTransport();
    const serverAddr = () => server.localAddr();
    const caller = await newTransport({ serverAddressProvider: { serverAddr } });
    const nowhere = '127.0.0.1:1';
    async function* state(): AsyncGenerator<Uint8Array> {
      yield utf8('0123456789');
    }
    const answered = async (call: Promise<unknown>, reply: RPCReply): Promise<void> => {
      (await next(server)).respond(reply, null);
      expect(await call).toEqual(reply);
    };
    await answered(caller.appendEntries('id', nowhere, request), response);
    const vote = new RequestVoteResponse({ term: 3, granted: true });
    await answered(caller.requestVote('id', nowhere, new RequestVoteRequest({ term: 3 })), vote);
    const preVote = new RequestPreVoteResponse({ term: 3, granted: true });
    const asked = new RequestPreVoteRequest({ term: 3 });
    await answered(caller.requestPreVote('id', nowhere, asked), preVote);
    const args = new InstallSnapshotRequest({ size: 10 });
    const installed = new InstallSnapshotResponse({ success: true });
    await answered(caller.installSnapshot('id', nowhere, args, state()), installed);
    const told = new TimeoutNowResponse();
    await answered(caller.timeoutNow('id', nowhere, new TimeoutNowRequest()), told);

    const pipeline = await caller.appendEntriesPipeline('id', nowhere);
    const serving = (async () => {
      for (let i = 0; i < 10; i += 1) (await next(server)).respond(response, null);
    })();
    const consuming = (async () => {
      for (let i = 0; i < 10; i += 1) {
        expect(await (await pipeline.consumer().receive()).value?.error()).toBeNull();
      }
    })();
    for (let i = 0; i < 10; i += 1) await pipeline.appendEntries(request);
    await Promise.all([serving, consuming]);
    await pipeline.close();
  });
});

describe('the connection of a snapshot', () => {
  it('is closed when it is answered (S182)', async () => {
    const [caller, server] = [await newTransport(), await newTransport()];
    async function* state(): AsyncGenerator<Uint8Array> {
      yield utf8('0123456789');
    }
    const args = new InstallSnapshotRequest({ size: 10 });
    const call = caller.installSnapshot('id', server.localAddr(), args, state());
    (await next(server)).respond(new InstallSnapshotResponse({ success: true }), null);
    expect(await call).toMatchObject({ success: true });
    expect(caller.pooledConnections(server.localAddr())).toBe(0);
  });
});

describe('limits of time', () => {
  it('hold for dialling (S181)', async () => {
    const limits: number[] = [];
    const stream: StreamLayer = {
      accept: () => new Promise(() => {}),
      addr: () => 'here:1',
      close: async () => {},
      dial: (_, timeout) => {
        limits.push(timeout);
        return Promise.reject(new Error('nobody there'));
      },
    };
    const config = { stream, maxPool: 3, timeout: 1234, logger: silentLogger };
    const caller = newNetworkTransportWithConfig(config);
    await expect(caller.appendEntries('id', 'b:1', request)).rejects.toThrow('nobody there');
    await expect(caller.appendEntriesPipeline('id', 'b:1')).rejects.toThrow('nobody there');
    expect(limits).toEqual([1234, 1234]);
  });

  it('hold for each answer in a pipeline (S181)', async () => {
    const caller = await newTransport({ timeout: 50, maxRPCsInFlight: 10 });
    const server = await newTransport();
    const pipeline = await caller.appendEntriesPipeline('id', server.localAddr());
    const answered = await pipeline.appendEntries(request);
    (await next(server)).respond(response, null);
    expect(await answered.error()).toBeNull();
    const silent = await pipeline.appendEntries(request);
    expect(await silent.error()).toMatchObject({ code: 'ERR_TRANSPORT_TIMEOUT' });
    await expect(pipeline.appendEntries(request)).rejects.toThrow('i/o timeout');
    await pipeline.close();
  });

  it('are none when the timeout is 0 (S181)', async () => {
    const delays: number[] = [];
    const setTimer: Clock['setTimer'] = (delayMs, ring) => {
      delays.push(delayMs);
      return systemClock.setTimer(delayMs, ring);
    };
    const clock = { ...systemClock, setTimer };
    const [caller, server] = [await newTransport({ timeout: 0, clock }), await newTransport()];
    const pipeline = await caller.appendEntriesPipeline('id', server.localAddr());
    const calls = [
      caller.appendEntries('id', server.localAddr(), request),
      caller.timeoutNow('id', server.localAddr(), new TimeoutNowRequest()),
      pipeline.appendEntries(request),
    ];
    const outcomes = Promise.allSettled(calls);
    for (const _call of calls) await next(server);
    await caller.close();
    await outcomes;
    expect(delays).toEqual([]);
  });
});

describe('heartbeats', () => {
  it('do not wait behind log traffic (S186)', async () => {
    const [caller, server] = [await newTransport({ maxRPCsInFlight: 10 }), await newTransport()];
    server.setHeartbeatHandler((rpc) => rpc.respond(response, null));
    const pipeline = await caller.appendEntriesPipeline('id', server.localAddr());
    const future = await pipeline.appendEntries(request);
    const waiting = caller.appendEntries('id', server.localAddr(), request);
    const [first, second] = [await next(server), await next(server)];
    const beat = new AppendEntriesRequest({
      term: 10,
      rpcHeader: { ...request.rpcHeader, addr: utf8('a') },
    });
    expect(await caller.appendEntries('id', server.localAddr(), beat)).toEqual(response);
    for (const rpc of [first, second]) rpc.respond(response, null);
    expect([await future.error(), await waiting]).toEqual([null, response]);
    await pipeline.close();
  });
});

describe('numbers beyond 2^53-1', () => {
  const key = `a4${hex(utf8('Term'))}`;

  it('in a request close its connection with one line that names the field (S199)', async () => {
    const lines: string[] = [];
    const error = ({ error: cause }: LogFields, text: string): void => {
      lines.push(`${text}: ${cause instanceof Error ? cause.message : String(cause)}`);
    };
    const server = await newTransport({ logger: { ...silentLogger, error } });
    const port = Number(server.localAddr().split(':').at(-1));
    const socket = net.connect(port, '127.0.0.1');
    const closed = new Promise((resolve) => socket.once('close', resolve));
    socket.on('error', () => {});
    socket.write(concatBytes([fromHex(`0081${key}cf0020000000000000`), encodeRequest(request)]));
    await closed;
    expect(lines).toEqual([
      expect.stringMatching(/^failed to decode incoming command: Term: .*9007199254740992/),
    ]);
    expect(server.consumer().tryReceive()).toBeUndefined();
  });

  it('in an answer fail the call (S199)', async () => {
    const caller = await newTransport();
    const { address } = await newRawServer(replyWith(`${key}cfffffffffffffffff`));
    await expect(caller.appendEntries('id', address, request)).rejects.toThrow(/^Term: /);
    expect(caller.pooledConnections(address)).toBe(0);
  });

  it('are not sent (S199)', async () => {
    const caller = await newTransport();
    const { address, got } = await newRawServer(emptyReply);
    const tooLarge = new RequestVoteRequest({ term: 2 ** 53 });
    await expect(caller.requestVote('id', address, tooLarge)).rejects.toBeInstanceOf(MsgpackError);
    expect(got).toEqual([]);
  });
});

describe('times', () => {
  const appendedAt = new Timestamp(1_700_000_000, 123_456_789);
  const log = { index: 1, term: 1, type: 0, data: null, extensions: null, appendedAt } as const;
  const append = new AppendEntriesRequest({ term: 1, entries: [log] });

  it.each([
    [false, 'af010000000edce5e800075bcd15ffff'],
    [true, 'a81d6f34546553f100'],
  ])('with msgpackUseNewTimeFormat %s have Go’s form (#473)', async (isNew, time) => {
    const caller = await newTransport({ msgpackUseNewTimeFormat: isNew });
    const { address, got } = await newRawServer(emptyReply);
    await caller.appendEntries('id', address, append);
    const sent = hex(concatBytes(got));
    expect(sent).toContain(`aa${hex(utf8('AppendedAt'))}${time}`);
  });

  it.each([false, true])('with msgpackUseNewTimeFormat %s are understood', async (isNew) => {
    const caller = await newTransport({ msgpackUseNewTimeFormat: isNew });
    const server = await newTransport({ msgpackUseNewTimeFormat: !isNew });
    const call = caller.appendEntries('id', server.localAddr(), append);
    const rpc = await next(server);
    expect(rpc.command).toEqual(append);
    rpc.respond(response, null);
    await call;
  });
});
