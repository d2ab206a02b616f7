import net from 'node:net';
import { describe, expect, it, vi } from 'vitest';
import { silentLogger } from '../raft/logger.ts';
import { TimeoutNowRequest, TimeoutNowResponse } from '../raft/messages.ts';
import { newTCPTransport } from './tcp-stream-layer.ts';

/** The part of Node's own socket that the options reach. */
interface TCPHandle {
  setNoDelay(on: boolean): void;
  setKeepAlive(on: boolean, seconds: number): void;
}

describe('an address', () => {
  it.each(['0.0.0.0:0', ':0', '[::]:0'])(
    '%s is no address for peers (S191, test 138, test 139)',
    async (address) => {
      await expect(newTCPTransport(address, null, 1, 0, silentLogger)).rejects.toThrow(
        /local bind address is not advertisable/,
      );
    },
  );

  it('the advertised address is the one that peers are told (S191, test 140)', async () => {
    const transport = await newTCPTransport('0.0.0.0:0', '127.0.0.1:12345', 1, 0, silentLogger);
    expect(transport.localAddr()).toBe('127.0.0.1:12345');
    await transport.close();
  });

  it('a name is resolved, and the port is the one the system chose (S191)', async () => {
    const transport = await newTCPTransport('localhost:0', null, 1, 0, silentLogger);
    expect(transport.localAddr()).toMatch(/^(127\.0\.0\.1|\[::1\]):[1-9]\d*$/);
    await transport.close();
  });

  it('has sockets that send without delay and are kept alive, both ends (S191)', async () => {
    const probe = net.connect({ port: 1, lookup: () => {} });
    const prototype: TCPHandle = Object.getPrototypeOf(Reflect.get(probe, '_handle'));
    probe.destroy();
    const noDelay = vi.spyOn(prototype, 'setNoDelay');
    const keepAlive = vi.spyOn(prototype, 'setKeepAlive');
    const server = await newTCPTransport('127.0.0.1:0', null, 1, 0, silentLogger);
    const caller = await newTCPTransport('127.0.0.1:0', null, 1, 0, silentLogger);
    const call = caller.timeoutNow('id', server.localAddr(), new TimeoutNowRequest());
    (await server.consumer().receive()).value?.respond(new TimeoutNowResponse(), null);
    await call;
    for (const option of [noDelay, keepAlive]) {
      expect(new Set(option.mock.contexts).size).toBe(2);
    }
    expect(new Set(noDelay.mock.calls.flat())).toEqual(new Set([true]));
    expect(new Set(keepAlive.mock.calls.flat())).toEqual(new Set([true, 15]));
    vi.restoreAllMocks();
    await caller.close();
    await server.close();
  });

  it.each(['127.0.0.1', '::1:80', 'a:b', 'a:65536'])('%s is refused', async (address) => {
    await expect(newTCPTransport(address, null, 1, 0)).rejects.toMatchObject({
      code: 'ERR_INVALID_ADDRESS',
    });
  });

  it('an address in use is refused with the reason of the system', async () => {
    const first = await newTCPTransport('127.0.0.1:0', null, 1, 0, silentLogger);
    await expect(newTCPTransport(first.localAddr(), null, 1, 0)).rejects.toThrow('EADDRINUSE');
    await first.close();
  });

  it('that nobody listens on fails the call with the reason of the system', async () => {
    const gone = await newTCPTransport('127.0.0.1:0', null, 1, 0, silentLogger);
    await gone.close();
    const caller = await newTCPTransport('127.0.0.1:0', null, 1, 0, silentLogger);
    const call = caller.timeoutNow('id', gone.localAddr(), new TimeoutNowRequest({}));
    await expect(call).rejects.toMatchObject({
      code: 'ERR_DIAL',
      message: expect.stringMatching(/^dial tcp 127\.0\.0\.1:\d+: .*ECONNREFUSED/),
    });
    await caller.close();
  });
});
