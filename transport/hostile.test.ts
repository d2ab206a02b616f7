import net from 'node:net';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../internal/random.ts';
import { silentLogger } from '../raft/logger.ts';
import { AppendEntriesRequest, AppendEntriesResponse } from '../raft/messages.ts';
import type { NetworkTransport } from './network-transport.ts';
import { newTCPTransport } from './tcp-stream-layer.ts';
import { encodeRequest } from './wire.ts';

const response = new AppendEntriesResponse({ term: 1, success: true });
const request = new AppendEntriesRequest({ term: 10, prevLogEntry: 100 });

async function serve(server: NetworkTransport): Promise<void> {
  for await (const rpc of server.consumer()) rpc.respond(response, null);
}

/** Sends bytes to a transport and waits until it, or we, have had enough. */
function attack(address: string, bytes: Uint8Array, keepOpen: boolean): Promise<void> {
  const port = Number(address.split(':').at(-1));
  return new Promise((resolve) => {
    const socket = net.connect({ host: '127.0.0.1', port });
    socket.on('error', () => {});
    socket.on('close', () => resolve());
    socket.resume();
    if (keepOpen) socket.write(bytes, () => setImmediate(() => socket.destroy()));
    else socket.end(bytes);
  });
}

/** Sockets and listeners of this process. */
function openSockets(): number {
  return process.getActiveResourcesInfo().filter((name) => name.startsWith('TCP')).length;
}

describe('a transport that anybody may connect to', () => {
  it('serves on after thousands of damaged connections, and leaves nothing open', async () => {
    const before = openSockets();
    const lines: string[] = [];
    const logger = { ...silentLogger, error: (_f: object, line: string) => lines.push(line) };
    const server = await newTCPTransport('127.0.0.1:0', null, 3, 5000, logger);
    const caller = await newTCPTransport('127.0.0.1:0', null, 3, 5000, silentLogger);
    const serving = serve(server);
    const random = seededRandom(7);
    const frame = encodeRequest(request);
    const garbage = (): Uint8Array => {
      if (random.next() < 0.5) {
        return Uint8Array.from({ length: 1 + Math.floor(random.next() * 300) }, () =>
          Math.floor(random.next() * 256),
        );
      }
      const damaged = frame.slice(0, 1 + Math.floor(random.next() * frame.length));
      damaged[Math.floor(random.next() * damaged.length)] = Math.floor(random.next() * 256);
      return damaged;
    };
    for (let round = 0; round < 60; round += 1) {
      const attacks = Array.from({ length: 40 }, () =>
        attack(server.localAddr(), garbage(), random.next() < 0.5),
      );
      const call = caller.appendEntries('id', server.localAddr(), request);
      await Promise.all(attacks);
      expect(await call).toEqual(response);
    }
    // One line for each connection at most, and only the one that is meant for it.
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.length).toBeLessThanOrEqual(60 * 40);
    expect(new Set(lines)).toEqual(new Set(['failed to decode incoming command']));
    await Promise.all([server.close(), caller.close()]);
    await serving;
    await new Promise((resolve) => setImmediate(resolve));
    expect(openSockets()).toBe(before);
  });

  it('hands over nothing but whole requests, wherever they are cut', async () => {
    const server = await newTCPTransport('127.0.0.1:0', null, 3, 5000, silentLogger);
    const serving = serve(server);
    const port = Number(server.localAddr().split(':').at(-1));
    const frames = Buffer.concat([encodeRequest(request), encodeRequest(request)]);
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: frames.length - 1 }), async (cut) => {
        const replies = await new Promise<Buffer>((resolve, reject) => {
          const socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
          const parts: Buffer[] = [];
          socket.on('error', reject);
          socket.on('data', (part) => parts.push(part));
          socket.on('end', () => resolve(Buffer.concat(parts)));
          socket.write(frames.subarray(0, cut), () =>
            setImmediate(() => socket.end(frames.subarray(cut))),
          );
        });
        expect(replies.length % 2).toBe(0);
        const half = replies.length / 2;
        expect(half).toBeGreaterThan(40);
        expect(replies.subarray(0, half).equals(replies.subarray(half))).toBe(true);
      }),
      { numRuns: 60 },
    );
    await server.close();
    await serving;
  });
});
