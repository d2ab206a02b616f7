import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { KvClient } from './client.ts';

it('reads a dump whose chunks end in the middle of a letter', async () => {
  const keys = Array.from({ length: 50 }, (_, at) => `Secci\u00f3n ${at}`);
  const server = createServer(async (_, response) => {
    for (const key of keys) {
      const line = Buffer.from(`${JSON.stringify({ key, hash: 'h' })}\n`);
      const middle = line.indexOf(0xc3) + 1;
      for (const part of [line.subarray(0, middle), line.subarray(middle)]) {
        response.write(part);
        // Each part must leave as a chunk of its own.
        for (let i = 0; i < 5; i += 1) await turn();
      }
    }
    response.end();
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const { port } = server.address() as AddressInfo;
  const client = new KvClient([`http://127.0.0.1:${port}`], { connections: 1 });
  const found: string[] = [];
  for await (const { key } of client.dump(`http://127.0.0.1:${port}`)) found.push(key);
  expect(found).toEqual(keys);
  await client.close();
  await new Promise((closed) => server.close(closed));
});
