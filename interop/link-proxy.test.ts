import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { Cluster } from './suite/cluster.ts';
import { LinkProxy } from './suite/link-proxy.ts';
import { killPeers } from './suite/peer-process.ts';
import { waitFor } from './suite/wait.ts';

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.close();
  await killPeers();
});

/** The suite's own faults are real: a leader that is cut off from all loses its office. */
describe('a link', () => {
  it.each(['cut', 'stalled'] as const)(
    'that is %s carries nothing until it is mended',
    async (state) => {
      const made = await Cluster.started(
        [
          { id: 'n1', kind: 'go' },
          { id: 'n2', kind: 'ts' },
          { id: 'n3', kind: 'go' },
        ],
        true,
      );
      cluster = made;
      const old = await made.leader();
      for (const link of made.linksOf(old)) link.set(state);
      await expect(
        made.ask(old, 'apply', { cmd: { op: 'set', key: 'a', value: '1' } }),
      ).rejects.toThrow(/leadership lost|not the leader/);
      const next = await made.leader();
      expect(next).not.toBe(old);
      await made.ask(next, 'apply', { cmd: { op: 'set', key: 'a', value: '2' } });
      for (const link of made.linksOf(old)) link.set('open');
      await made.agreement();
      expect(await made.ask(old, 'get', { key: 'a', mode: 'stale' })).toMatchObject({ value: '2' });
    },
  );

  it('keeps the order of what it carries when it becomes faster', async () => {
    const received: Buffer[] = [];
    const server = createServer((socket) => socket.on('data', (bytes) => received.push(bytes)));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = Object(server.address());
    const link = await LinkProxy.open(`127.0.0.1:${port}`);
    link.record();
    const socket = connect(Number(link.address.split(':')[1]), '127.0.0.1').setNoDelay();
    const crossed = (count: number) =>
      waitFor('the bytes to reach the link', async () => {
        const [requests] = link.recordings;
        return requests !== undefined && Buffer.concat(requests.chunks).length === count;
      });
    for (const [text, delayMs, count] of [
      ['slow ', 300, 5],
      ['quick ', 20, 11],
      ['at once', 0, 18],
    ] as const) {
      link.set('open', delayMs);
      socket.write(text);
      await crossed(count);
    }
    await waitFor('all', async () => Buffer.concat(received).length === 18);
    expect(Buffer.concat(received).toString()).toBe('slow quick at once');
    socket.destroy();
    await link.close();
    server.close();
  });
});
