import { afterEach, describe, expect, it } from 'vitest';
import { Cluster } from './suite/cluster.ts';
import { killPeers } from './suite/peer-process.ts';

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
});
