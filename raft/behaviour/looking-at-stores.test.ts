import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { configurationEntry, voters } from '../../testing/core-fixture.ts';
import { keep, stopped } from '../../testing/recovery-fixture.ts';
import { ListFSM, TestCluster } from '../../testing/runtime-fixture.ts';
import { Configuration } from '../configuration.ts';
import { getConfiguration } from '../read-configuration.ts';
import { hasExistingState } from '../recover.ts';

describe('getConfiguration of stores', () => {
  it('is what the node that runs on them would say (test 8)', async () => {
    const cluster = await new TestCluster().start(3);
    const leader = await cluster.leader();
    await cluster.time.result(leader.raft.apply(utf8('x')));
    const { config, store, snaps, transport, raft } = leader;
    const live = raft.getConfiguration().configuration();
    const read = await getConfiguration(config, new ListFSM(), store, store, snaps, transport);
    expect(read).toEqual(live);
    await cluster.close();
  });

  it('finds it in the log behind the snapshot, or in the snapshot', async () => {
    const { node, store, snaps } = await stopped();
    const { config, transport } = node;
    const read = () => getConfiguration(config, new ListFSM(), store, store, snaps, transport);
    expect(await read()).toEqual(voters('a', 'b'));
    await keep(snaps, 4, 2, []);
    expect(await read()).toEqual(voters('a'));
    store.inner.storeLogs([configurationEntry(5, 2, voters('a', 'd'))]);
    expect(await read()).toEqual(voters('a', 'd'));
    expect(await getConfiguration(config, node.fsm, ...(await empty()))).toEqual(
      new Configuration(),
    );
  });

  it('changes neither config nor stores, FSM nor transport (S23)', async () => {
    const { node, store, snaps } = await stopped();
    await keep(snaps, 3, 2, ['three']);
    const { config, transport } = node;
    const before = { ...config };
    const fsm = new ListFSM();
    let handlers = 0;
    transport.setHeartbeatHandler = () => {
      handlers += 1;
    };
    await getConfiguration(config, fsm, store, store, snaps, transport);
    expect(config).toEqual(before);
    expect([store.writes, fsm.restores, handlers]).toEqual([[], 0, 0]);
  });

  it('needs a config that can work (S23)', async () => {
    const { node } = await stopped();
    const config = { ...node.config, localID: '' };
    const reading = getConfiguration(config, node.fsm, ...(await empty()));
    await expect(reading).rejects.toThrow('LocalID cannot be empty');
  });
});

async function empty() {
  const { store, snaps, transport } = new TestCluster().add();
  return [store, store, snaps, transport] as const;
}

describe('hasExistingState', () => {
  it('is true of a node that was added and has caught up (S19, test 7)', async () => {
    const cluster = await new TestCluster().start(1);
    const leader = await cluster.leader();
    const added = cluster.add();
    const exists = () => hasExistingState(added.store, added.store, added.snaps);
    expect(await exists()).toBe(false);
    await added.start();
    cluster.connect();
    await cluster.time.result(leader.raft.addVoter(added.id, added.address));
    await cluster.time.result(leader.raft.apply(utf8('x')));
    await cluster.agree(1);
    expect(await exists()).toBe(true);
    await cluster.close();
  });
});
