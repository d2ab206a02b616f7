import { utf8 } from '../internal/bytes.ts';
import { silentLogger } from '../raft/logger.ts';
import type { SnapshotStore } from '../raft/snapshot.ts';
import { KEY_CURRENT_TERM } from '../raft/stable.ts';
import { FileSnapshotStore } from '../snapshot/file-snapshot-store.ts';
import { configurationEntry, voters } from './core-fixture.ts';
import { MemoryFileSystem } from './kit/memory-file-system.ts';
import { HookedStore, logOf, TestCluster } from './runtime-fixture.ts';

/** Snapshots as they are on a disk: several are kept, and each can be damaged. */
export function diskSnapshots(): Promise<FileSnapshotStore> {
  const init = { fileSystem: new MemoryFileSystem(), logger: silentLogger };
  return FileSnapshotStore.open('base', 3, init);
}

/** Writes a snapshot with these words in it. */
export async function keep(
  snaps: SnapshotStore,
  index: number,
  term: number,
  words: readonly string[],
) {
  const { transport } = new TestCluster().add();
  const sink = await snaps.create(1, index, term, voters('a'), 1, transport);
  await sink.write(utf8(JSON.stringify(words)));
  await sink.close();
}

/** A node that does not run and has a few entries: a membership, then commands. */
export async function stopped(commands = 3) {
  const store = new HookedStore();
  store.inner.setUint64(KEY_CURRENT_TERM, 2);
  const entries = Array.from({ length: commands }, (_, i) => logOf(i + 2, 2));
  store.inner.storeLogs([configurationEntry(1, 1, voters('a', 'b')), ...entries]);
  const snaps = await diskSnapshots();
  const node = new TestCluster().add({ store, snaps });
  return { node, store, snaps };
}
