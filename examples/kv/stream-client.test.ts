import { EventEmitter } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { KvClient, UnexpectedAnswer } from './client.ts';
import { type KvRecord, Load } from './load.ts';

const servers: Server[] = [];
const clients: KvClient[] = [];

afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  }
});

async function serve(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  return `http://127.0.0.1:${port}`;
}

function keysIn(text: string): string[] {
  return text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line).key);
}

/** How long a node may be silent where that is the point; elsewhere as long as a test may take. */
const SILENCE_MS = 300;
const NO_LIMIT_MS = 60_000;

function loadOf(count: number, origins: string[], answerLimitMs = NO_LIMIT_MS): Load {
  const client = new KvClient(origins, { connections: 1, answerLimitMs });
  clients.push(client);
  const value = Buffer.from('v');
  const records = Array.from({ length: count }, (_, at): KvRecord => ({ key: `${at}`, value }));
  return new Load(client, records);
}

/** Acknowledges what comes until `most` lines were, then does `after`. */
function acknowledging(seen: string[], most: number, after: () => void): RequestListener {
  return (request, response) => {
    let text = '';
    let count = 0;
    request.on('data', (chunk) => {
      text += chunk;
      const end = text.lastIndexOf('\n') + 1;
      const keys = keysIn(text.slice(0, end));
      text = text.slice(end);
      seen.push(...keys);
      const fine = Math.min(keys.length, most - count);
      count += fine;
      response.write('{"index":1}\n'.repeat(fine));
      if (count === most) after();
    });
    request.on('end', () => response.end());
  };
}

const signal = new AbortController().signal;
const range = (count: number) => Array.from({ length: count }, (_, at) => `${at}`);

describe('a load', () => {
  it('sends every record once, in order, to a node that acknowledges all', async () => {
    const seen: string[] = [];
    const load = loadOf(1000, [await serve(acknowledging(seen, Infinity, () => {}))]);
    await load.run(signal);
    expect(seen).toEqual(range(1000));
    expect([load.count, load.acknowledged.length]).toEqual([1000, 1000]);
  });

  it('has no more lines under way than its window', async () => {
    const seen: string[] = [];
    const load = loadOf(1000, [await serve(acknowledging(seen, 10, () => {}))]);
    const stop = new AbortController();
    const run = load.run(stop.signal).catch((error: unknown) => error);
    await load.reached(10);
    await expect.poll(() => seen.length, { timeout: 10_000 }).toBe(74);
    expect(seen).toEqual(range(74));
    stop.abort();
    expect(await run).toMatchObject({ name: 'AbortError' });
    expect(load.count).toBe(10);
  });

  it('goes on at another node with the first record that was not acknowledged', async () => {
    const first: string[] = [];
    const second: string[] = [];
    const a = await serve((request, response) => {
      acknowledging(first, 100, () => request.socket.destroySoon())(request, response);
    });
    const b = await serve(acknowledging(second, Infinity, () => {}));
    const load = loadOf(300, [a, b]);
    await load.run(signal);
    expect(load.count).toBe(300);
    // The hundredth acknowledgement may have died with the connection; no record may have.
    expect(new Set([...first, ...second])).toEqual(new Set(range(300)));
    expect(second).toEqual(range(300).slice(300 - second.length));
  });

  it('goes where it is sent', async () => {
    const seen: string[] = [];
    const leader = await serve(acknowledging(seen, Infinity, () => {}));
    const follower = await serve((_request, response) => {
      response.writeHead(307, { location: `${leader}/stream` }).end('{"error":"not me"}\n');
    });
    const load = loadOf(100, [follower, leader]);
    await load.run(signal);
    expect(seen).toEqual(range(100));
  });

  it('gives up a node that is silent', async () => {
    const seen: string[] = [];
    const silent = await serve(() => {});
    const speaking = await serve(acknowledging(seen, Infinity, () => {}));
    const load = loadOf(10, [silent, speaking], SILENCE_MS);
    await load.run(signal);
    // On a busy machine the other may seem silent as well, and be asked again.
    expect(new Set(seen)).toEqual(new Set(range(10)));
  });

  it('does not give up a node that is slow', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const requests: string[] = [];
      const answers = new EventEmitter();
      const slow = await serve((request, response) => {
        requests.push(request.url ?? '');
        answers.on('one', () => response.write('{"index":1}\n'));
        request.on('data', () => {}).on('end', () => answers.once('all', () => response.end()));
      });
      const load = loadOf(5, [slow], SILENCE_MS);
      const run = load.run(signal);
      await expect.poll(() => requests.length, { timeout: 10_000 }).toBe(1);
      for (let count = 1; count <= 5; count += 1) {
        vi.advanceTimersByTime(200);
        answers.emit('one');
        await load.reached(count);
      }
      answers.emit('all');
      await run;
      expect(requests).toEqual(['/stream']);
    } finally {
      vi.useRealTimers();
    }
  });

  it('ends when a node refuses a line, and says why', async () => {
    const a = await serve((_request, response) => {
      response.write('{"index":1}\n{"status":400,"error":"line 2: expected sense"}\n');
    });
    const load = loadOf(10, [a]);
    await expect(load.run(signal)).rejects.toThrow(UnexpectedAnswer);
    await expect(load.run(signal)).rejects.toThrow('400 line 2: expected sense');
  });
});
