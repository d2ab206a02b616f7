import { Cluster } from './cluster.ts';
import type { Recording } from './link-proxy.ts';
import { waitFor } from './wait.ts';

/**
 * Records what a Go node and one of ours say to each other: votes, entries, a snapshot, a transfer.
 * Each stream is one direction of one connection, from its first byte on.
 */
export async function recordConversations(): Promise<Recording[]> {
  const config = { trailingLogs: 2 };
  const cluster = await Cluster.make(
    [
      { id: 'n1', kind: 'go', config },
      { id: 'n2', kind: 'ts', config },
      { id: 'n3', kind: 'go', config },
    ],
    true,
  );
  try {
    for (const link of cluster.links()) link.record();
    await Promise.all(['n1', 'n2', 'n3'].map((id) => cluster.start(id)));
    await cluster.bootstrap();
    for (const id of ['n1', 'n2']) {
      await cluster.makeLead(id);
      const follower = id === 'n1' ? 'n2' : 'n1';
      await cluster.stop(follower);
      const cmds = Array.from({ length: 20 }, (_, at) => ({
        op: 'append',
        key: 'k',
        value: `${at}`,
      }));
      await cluster.ask(id, 'applyMany', { cmds });
      await cluster.ask(id, 'snapshot');
      await cluster.start(follower);
      await waitFor('the follower to catch up', () => cluster.agreement());
    }
    return cluster.links().flatMap((link) => link.recordings);
  } finally {
    await cluster.close();
  }
}
