import { expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { seededRandom } from '../../internal/random.ts';
import { stranger } from '../../testing/behaviour-fixture.ts';
import { headerOf } from '../../testing/core-fixture.ts';
import { logOf, TestCluster } from '../../testing/runtime-fixture.ts';
import { SimDisk } from '../../testing/sim/disk.ts';
import { AtomicDiskStore } from '../../testing/sim/disk-log-store.ts';
import { SimProcess } from '../../testing/sim/virtual-clock.ts';
import { AppendEntriesRequest } from '../messages.ts';
import { newRaft } from '../raft.ts';

const SYNC_MS = 10;
const silent = { writeIssued() {}, writeSynced() {}, writeFailed() {} };

// A kill between a write and its sync leaves an entry that can be read and that a power loss would
// still take. Whoever starts on it must not acknowledge it before it is on the disk (rule 5).
it.each([
  ['one store for log and votes', true],
  ['a log store of its own', false],
])('what a kill left unsynced is on the disk before it is told, with %s', async (_, isOne) => {
  const nodes = new TestCluster();
  const { time } = nodes;
  const newDisk = (name: string) =>
    new SimDisk(
      time.scheduler,
      seededRandom(1),
      name,
      { minSyncMs: SYNC_MS, maxSyncMs: SYNC_MS },
      silent,
    );
  const logDisk = newDisk('log');
  const stableDisk = isOne ? logDisk : newDisk('stable');

  const killed = new SimProcess(time.scheduler, 'killed');
  const before = new AtomicDiskStore(logDisk, killed, 0);
  const terms = new AtomicDiskStore(stableDisk, killed, 0);
  await time.result(terms.setUint64(utf8('CurrentTerm'), 5));
  await time.result(before.storeLogs([logOf(1, 5), logOf(2, 5)]));
  void before.storeLogs([logOf(3, 5)]);
  await time.pass(SYNC_MS / 2);
  logDisk.crash('kill');
  killed.kill();
  expect([logDisk.visible.lastIndex, logDisk.durable.lastIndex]).toEqual([3, 2]);

  const { config, fsm, snaps, transport, clock } = nodes.add();
  const logs = new AtomicDiskStore(logDisk, clock, 0);
  const stable = isOne ? logs : new AtomicDiskStore(stableDisk, clock, 0);
  const raft = await time.result(newRaft(config, fsm, logs, stable, snaps, transport));
  const request = { term: 5, prevLogEntry: 2, prevLogTerm: 5, entries: [logOf(3, 5)] };
  const known = new AppendEntriesRequest({ rpcHeader: headerOf('b'), ...request });
  const answer = await time.result(stranger(nodes).appendEntries('a', 'a:1', known));
  expect(answer).toMatchObject({ success: true, lastLog: 3 });
  expect(logDisk.durable.lastIndex).toBe(3);
  await time.result(raft.shutdown());
});
