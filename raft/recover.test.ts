import { describe, expect, it } from 'vitest';
import { utf8ToString } from '../internal/bytes.ts';
import { Timestamp } from '../internal/timestamp.ts';
import { server, voters } from '../testing/core-fixture.ts';
import { HookedStore, TestCluster, type TestNode } from '../testing/runtime-fixture.ts';
import { Configuration, ServerSuffrage } from './configuration.ts';
import { decodeConfiguration, decodePeers } from './configuration-codec.ts';
import { ErrCantBootstrap } from './errors.ts';
import { LogType } from './log.ts';
import { bootstrapCluster, hasExistingState } from './recover.ts';
import { KEY_CURRENT_TERM } from './stable.ts';

function bootstrap(node: TestNode, configuration = voters('a', 'b'), config = node.config) {
  const { store, snaps, transport } = node;
  return bootstrapCluster(config, store, store, snaps, transport, configuration);
}

function brandNew(): { readonly node: TestNode; readonly store: HookedStore } {
  const store = new HookedStore();
  return { node: new TestCluster().add({ store }), store };
}

describe('bootstrapping the stores of a node', () => {
  it('writes term 1, then the configuration as entry 1 of it (S18)', async () => {
    const { node, store } = brandNew();
    await bootstrap(node);
    expect(store.writes).toEqual(['CurrentTerm=1', 'store 1-1']);
    const entry = store.inner.getLog(1);
    expect([entry.index, entry.term, entry.type]).toEqual([1, 1, LogType.LogConfiguration]);
    expect(entry.extensions).toBeNull();
    expect(Timestamp.from(entry.appendedAt).isZero).toBe(true);
    expect(decodeConfiguration(entry.data ?? new Uint8Array())).toEqual(voters('a', 'b'));
  });

  it('is what a node can start from (S13, S18)', async () => {
    const cluster = new TestCluster();
    const node = cluster.add();
    await bootstrap(node, voters('a'));
    const raft = await node.start();
    expect(raft.getConfiguration().configuration()).toEqual(voters('a'));
    await cluster.leader();
    await cluster.close();
  });

  it('writes the legacy form for protocol versions below 3 (S18)', async () => {
    const { node, store } = brandNew();
    const config = { ...node.config, protocolVersion: 2, localID: 'a:1' };
    const configuration = new Configuration([{ ...server('a'), id: 'a:1' }]);
    await bootstrap(node, configuration, config);
    const entry = store.inner.getLog(1);
    expect(entry.type).toBe(LogType.LogRemovePeerDeprecated);
    const decodePeer = utf8ToString;
    expect(decodePeers(entry.data ?? new Uint8Array(), { decodePeer })).toEqual(configuration);
  });

  it('is refused when there is any state, and changes nothing (S18)', async () => {
    const { node, store } = brandNew();
    await bootstrap(node);
    const { writes } = store;
    await expect(bootstrap(node, voters('a'))).rejects.toBe(ErrCantBootstrap);
    expect(store.writes).toEqual(writes);
  });

  it.each([
    ['nobody', new Configuration(), 'need at least one voter'],
    ['no voter', new Configuration([server('a', ServerSuffrage.Nonvoter)]), 'at least one voter'],
    ['one name twice', voters('a', 'a'), 'duplicate ID'],
  ])('is refused for %s, before anything is written (S18)', async (_, configuration, text) => {
    const { node, store } = brandNew();
    await expect(bootstrap(node, configuration)).rejects.toThrow(text);
    expect(store.writes).toEqual([]);
  });

  it('is refused with a config that cannot work (S18)', async () => {
    const { node, store } = brandNew();
    const config = { ...node.config, localID: '' };
    await expect(bootstrap(node, voters('a', 'a'), config)).rejects.toThrow(
      'LocalID cannot be empty',
    );
    expect(store.writes).toEqual([]);
  });

  it.each([
    ['CurrentTerm=1', 'failed to save current term: disk is full'],
    ['store 1-1', 'failed to append configuration entry to log: disk is full'],
  ])('says which step failed: %s (S18)', async (step, text) => {
    const { node, store } = brandNew();
    store.onWrite = (what) => {
      if (what === step) throw new Error('disk is full');
    };
    await expect(bootstrap(node)).rejects.toThrow(text);
  });

  it('says so when it cannot find out whether there is any state (S18, S19)', async () => {
    const { node, store } = brandNew();
    store.getUint64 = () => {
      throw new Error('corrupt page');
    };
    await expect(bootstrap(node)).rejects.toThrow(
      'failed to check for existing state: failed to read current term: corrupt page',
    );
  });

  it('can be done again when a crash came between its two writes', async () => {
    const { node, store } = brandNew();
    store.onWrite = (what) =>
      what === 'store 1-1' ? Promise.reject(new Error('crash')) : undefined;
    await expect(bootstrap(node)).rejects.toThrow('crash');
    expect(store.inner.getUint64(KEY_CURRENT_TERM)).toBe(1);
    store.onWrite = () => {};
    await bootstrap(node);
    expect(store.inner.lastIndex()).toBe(1);
  });
});

it('state exists as soon as a node was bootstrapped', async () => {
  const { node } = brandNew();
  const exists = () => hasExistingState(node.store, node.store, node.snaps);
  expect(await exists()).toBe(false);
  await bootstrap(node);
  expect(await exists()).toBe(true);
});
