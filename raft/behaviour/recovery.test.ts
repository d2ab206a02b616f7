import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { voters } from '../../testing/core-fixture.ts';
import { diskSnapshots, keep, stopped } from '../../testing/recovery-fixture.ts';
import { ListFSM, TestCluster, type TestNode } from '../../testing/runtime-fixture.ts';
import { Configuration } from '../configuration.ts';
import type { BatchingFSM, ConfigurationStore } from '../fsm.ts';
import { parsePeersJSON } from '../peers-json.ts';
import { recoverCluster } from '../recover-cluster.ts';
import { KEY_CURRENT_TERM } from '../stable.ts';

async function applyMany({ time }: TestCluster, { raft }: TestNode, count: number): Promise<void> {
  const futures = Array.from({ length: count }, (_, i) => raft.apply(utf8(`${i}`)));
  await time.result(Promise.all(futures));
}

function recover(node: TestNode, configuration: Configuration, fsm = node.fsm): Promise<void> {
  const { config, store, snaps, transport } = node;
  return recoverCluster(config, fsm, store, store, snaps, transport, configuration);
}

describe('recoverCluster', () => {
  it('refuses a node that has no state: it must be the wrong place (S21, test 5)', async () => {
    const node = new TestCluster().add();
    await expect(recover(node, voters('a'))).rejects.toThrow(
      'refused to recover cluster with no initial state, this is probably an operator error',
    );
    expect(await node.snaps.list()).toEqual([]);
  });

  it.each([0, 4, 25])('carries %i commands over into a new life (S21, test 6)', async (count) => {
    const config = { trailingLogs: 10, snapshotThreshold: 5 };
    const snaps = await Promise.all([diskSnapshots(), diskSnapshots(), diskSnapshots()]);
    const cluster = await new TestCluster().start(3, (i) => {
      const [own] = snaps.slice(i);
      return own === undefined ? { config } : { config, snaps: own };
    });
    const leader = await cluster.leader();
    await applyMany(cluster, leader, count);
    await cluster.agree(count);
    const configuration = leader.raft.getConfiguration().configuration();
    await cluster.close();
    for (const node of cluster.nodes) {
      const before = (await node.snaps.list()).length;
      node.renew();
      await recover(node, configuration);
      expect((await node.snaps.list()).length).toBe(before + 1);
      expect(await node.store.firstIndex()).toBe(0);
      expect(await node.store.lastIndex()).toBe(0);
      node.renew();
    }
    cluster.connect();
    for (const node of cluster.nodes) await node.start();
    await cluster.leader();
    await cluster.agree(count);
    for (const { raft } of cluster.nodes) {
      expect(raft.getConfiguration().configuration()).toEqual(configuration);
    }
    await cluster.close();
  });

  it('takes the whole log and stamps the new servers on it (S21)', async () => {
    const { node, store, snaps } = await stopped();
    await recover(node, voters('a', 'c'));
    expect(node.applied).toHaveLength(3);
    const [meta] = await snaps.list();
    expect(meta).toMatchObject({ version: 1, index: 4, term: 2, configurationIndex: 1 });
    expect(meta?.configuration).toEqual(voters('a', 'c'));
    expect(store.writes).toEqual(['delete 1-4']);
    expect(node.fsm instanceof ListFSM && node.fsm.released).toBe(1);
  });

  it('lets a node start that was given nothing but the snapshots of another one', async () => {
    const cluster = new TestCluster();
    const snaps = await diskSnapshots();
    await keep(snaps, 3, 2, ['one', 'two']);
    const node = cluster.add({ snaps });
    await recover(node, voters('a'));
    // No leader may write in an older term than the snapshot has.
    expect(await node.store.getUint64(KEY_CURRENT_TERM)).toBe(2);
    node.renew();
    cluster.connect();
    await node.start();
    const leader = await cluster.leader();
    expect(leader.raft.currentTerm()).toBeGreaterThan(2);
    await cluster.close();
  });

  it('calls apply alone, for commands alone, whatever the FSM can do (S21, S136)', async () => {
    class AbleFSM extends ListFSM implements BatchingFSM, ConfigurationStore {
      readonly others: string[] = [];
      applyBatch(): unknown[] {
        this.others.push('applyBatch');
        return [];
      }
      storeConfiguration(): void {
        this.others.push('storeConfiguration');
      }
    }
    const { node } = await stopped();
    const fsm = new AbleFSM();
    await recover(node, voters('a'), fsm);
    expect([fsm.indexes, fsm.others]).toEqual([[2, 3, 4], []]);
  });

  it('starts from the newest snapshot that can be read (S21)', async () => {
    const { node, snaps } = await stopped();
    await keep(snaps, 2, 2, ['two']);
    await keep(snaps, 3, 2, ['three']);
    const { open } = snaps;
    snaps.open = (id) =>
      id.startsWith('2-3-') ? Promise.reject(new Error('torn')) : open.call(snaps, id);
    await recover(node, voters('a'));
    expect(node.applied[0]).toBe('two');
    expect(node.applied).toHaveLength(3);
    const [meta] = await snaps.list();
    expect([meta?.index, meta?.term]).toEqual([4, 2]);
  });

  it('gives up when no snapshot can be read (S21)', async () => {
    const { node, store, snaps } = await stopped();
    await keep(snaps, 3, 2, ['three']);
    snaps.open = () => Promise.reject(new Error('torn'));
    await expect(recover(node, voters('a'))).rejects.toThrow(
      'failed to restore any of the available snapshots',
    );
    expect([store.writes, (await snaps.list()).length]).toEqual([[], 1]);
  });

  it('refuses a log that starts behind what can be read, and changes nothing (#85)', async () => {
    const { node, store, snaps } = await stopped();
    await keep(snaps, 1, 1, []);
    store.inner.deleteRange(1, 3);
    await expect(recover(node, voters('a'))).rejects.toThrow('entries 2 to 3 are missing');
    expect([store.writes, (await snaps.list()).length]).toEqual([[], 1]);
  });

  it('replays no log that its snapshot was about to replace (#697)', async () => {
    const { node, snaps } = await stopped();
    await keep(snaps, 3, 3, ['of another leader']);
    await recover(node, voters('a'));
    expect(node.applied).toEqual(['of another leader']);
    const [meta] = await snaps.list();
    expect([meta?.index, meta?.term]).toEqual([3, 3]);
  });

  it('leaves alone a log that is empty already (S22)', async () => {
    const { node, store, snaps } = await stopped();
    await keep(snaps, 4, 2, ['four']);
    store.inner.deleteRange(1, 4);
    await recover(node, voters('a'));
    expect(store.writes).toEqual([]);
    expect([store.firstIndex(), store.lastIndex()]).toEqual([0, 0]);
  });

  it('checks the config and the configuration before it looks at anything (S21)', async () => {
    const { node } = await stopped();
    node.config = { ...node.config, localID: '' };
    await expect(recover(node, voters('a'))).rejects.toThrow('LocalID cannot be empty');
    node.config = { ...node.config, localID: 'a' };
    await expect(recover(node, new Configuration())).rejects.toThrow('at least one voter');
    expect(node.applied).toEqual([]);
  });

  it.each<[string, (parts: Awaited<ReturnType<typeof stopped>>) => void]>([
    [
      'failed to check for existing state: failed to read current term: bad',
      ({ store }) => {
        store.getUint64 = fail;
      },
    ],
    [
      'failed to check for existing state: failed to list snapshots: bad',
      ({ store, snaps }) => {
        store.inner.setUint64(KEY_CURRENT_TERM, 0);
        store.inner.deleteRange(1, 4);
        snaps.list = fail;
      },
    ],
    [
      'failed to find last log: bad',
      ({ store }) => {
        store.lastIndex = fail;
      },
    ],
    [
      'failed to list snapshots: bad',
      ({ snaps }) => {
        snaps.list = fail;
      },
    ],
    [
      'failed to get log at index 3: bad',
      ({ store }) => {
        store.onRead = (index) => (index === 3 ? fail() : undefined);
      },
    ],
    [
      'failed to snapshot FSM: bad',
      ({ node }) => {
        node.fsm.snapshot = fail;
      },
    ],
    [
      'failed to create snapshot: bad',
      ({ snaps }) => {
        snaps.create = fail;
      },
    ],
    [
      'failed to finalize snapshot: bad',
      ({ snaps }) => {
        const create = snaps.create.bind(snaps);
        snaps.create = async (...args) => {
          const sink = await create(...args);
          return Object.assign(Object.create(sink), {
            id: () => sink.id(),
            write: (chunk: Uint8Array) => sink.write(chunk),
            cancel: () => sink.cancel(),
            close: fail,
          });
        };
      },
    ],
    [
      'failed to persist snapshot: bad',
      ({ node }) => {
        if (node.fsm instanceof ListFSM) node.fsm.onPersist = fail;
      },
    ],
  ])('says which step failed, and changes nothing: %s (S21)', async (text, damage) => {
    const parts = await stopped();
    damage(parts);
    const { node, store, snaps } = parts;
    await expect(recover(node, voters('a'))).rejects.toThrow(text);
    expect(store.writes).toEqual([]);
    if (!text.includes('list snapshots')) expect(await snaps.list()).toEqual([]);
  });

  it('says that it could not find what to empty, and can be repeated (S21)', async () => {
    const { node, store } = await stopped();
    const { firstIndex } = store;
    let reads = 0;
    store.firstIndex = () => {
      reads += 1;
      return reads > 1 ? fail() : firstIndex.call(store);
    };
    await expect(recover(node, voters('a', 'c'))).rejects.toThrow(
      'failed to get first log index: bad',
    );
    store.firstIndex = firstIndex;
    node.renew();
    await recover(node, voters('a', 'c'));
    expect([node.applied.length, store.lastIndex()]).toEqual([3, 0]);
  });

  it('can be repeated when the log could not be emptied (S21)', async () => {
    const { node, store } = await stopped();
    store.onWrite = fail;
    await expect(recover(node, voters('a', 'c'))).rejects.toThrow('log compaction failed: bad');
    store.onWrite = () => {};
    node.renew();
    await recover(node, voters('a', 'c'));
    expect(node.applied).toHaveLength(3);
    expect(store.lastIndex()).toBe(0);
  });

  it('lets a leader of old go on with new servers out of a peers.json (S21, test 70)', async () => {
    const legacy = (id: string) => ({ config: { protocolVersion: 1, localID: `${id}:1` } });
    const ids = ['a', 'b', 'c', 'd', 'e'];
    const cluster = await new TestCluster().start(3, (i) => legacy(ids[i] ?? ''));
    await cluster.time.until(() => cluster.nodes.some(({ isLeader }) => isLeader));
    const old = cluster.nodes.find(({ isLeader }) => isLeader);
    if (old === undefined) throw new Error('nobody leads');
    await applyMany(cluster, old, 100);
    await cluster.time.result(old.raft.snapshot());
    await cluster.close();

    const added = [cluster.add(legacy('d')), cluster.add(legacy('e'))];
    const members = [old, ...added];
    const configuration = parsePeersJSON(JSON.stringify(members.map(({ address }) => address)));
    old.renew();
    await recover(old, configuration);
    old.renew();
    cluster.connect(members);
    for (const node of members) await node.start();
    await cluster.agree(100, members);
    await cluster.time.until(() => members.every(({ raft }) => raft.appliedIndex() === 103));
    for (const { raft } of members) {
      expect(raft.getConfiguration().configuration()).toEqual(configuration);
    }
    await cluster.close();
  });
});

function fail(): never {
  throw new Error('bad');
}
