import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../internal/random.ts';
import { ZERO_TIME } from '../../internal/timestamp.ts';
import { Configuration } from '../../raft/configuration.ts';
import { ErrLogNotFound } from '../../raft/errors.ts';
import { isTailReplacing, type Log, LogType } from '../../raft/log.ts';
import { silentLogger } from '../../raft/logger.ts';
import { isAtomicStable } from '../../raft/stable.ts';
import { FileSnapshotStore } from '../../snapshot/file-snapshot-store.ts';
import { SimDisk } from './disk.ts';
import { AtomicDiskStore, DiskStore } from './disk-log-store.ts';
import { SimNetwork } from './network.ts';
import { SimFileSystem } from './sim-file-system.ts';
import { SimTransport } from './sim-transport.ts';
import { Scheduler, SimProcess } from './virtual-clock.ts';

const SYNC_MS = 10;

function log(index: number, term = 1): Log {
  const data = Uint8Array.of(index);
  return { index, term, type: LogType.LogCommand, data, extensions: null, appendedAt: ZERO_TIME };
}

function setUp(seed = 1) {
  const scheduler = new Scheduler();
  const failures: string[] = [];
  const disk = new SimDisk(
    scheduler,
    seededRandom(seed),
    'd',
    { minSyncMs: SYNC_MS, maxSyncMs: SYNC_MS },
    { writeIssued() {}, writeSynced() {}, writeFailed: (name) => failures.push(name) },
  );
  const process = new SimProcess(scheduler, 'p');
  const run = (ms: number) =>
    scheduler.run(
      () => false,
      scheduler.nowMs + ms,
      () => {},
    );
  return { scheduler, disk, process, run, failures };
}

/** How a promise ended, so far. */
function fate(promise: Promise<unknown>): { now: string } {
  const box = { now: 'pending' };
  promise.then(
    () => {
      box.now = 'done';
    },
    (error: unknown) => {
      box.now = String(error);
    },
  );
  return box;
}

describe('a simulated disk', () => {
  it('shows a write at once and keeps it only when the sync is done', async () => {
    const { disk, process, run } = setUp();
    const write = fate(new DiskStore(disk, process, 0).storeLogs([log(1), log(2)]));
    expect([disk.visible.lastIndex, disk.durable.lastIndex]).toEqual([2, 0]);
    await run(SYNC_MS - 1);
    expect([write.now, disk.durable.lastIndex]).toEqual(['pending', 0]);
    await run(1);
    expect([write.now, disk.durable.lastIndex]).toEqual(['done', 2]);
  });

  it('performs writes one at a time in the order of the calls', async () => {
    const { disk, process, run } = setUp();
    const store = new DiskStore(disk, process, 0);
    store.storeLogs([log(1), log(2), log(3)]);
    store.deleteRange(2, 3);
    store.storeLogs([log(2, 7)]);
    expect([disk.visible.lastIndex, disk.issued.termAt(2)]).toEqual([3, 7]);
    await run(3 * SYNC_MS);
    expect([disk.durable.firstIndex, disk.durable.lastIndex]).toEqual([1, 2]);
    expect(disk.durable.termAt(2)).toBe(7);
  });

  it('keeps what the kernel had at a kill, unsynced until the next sync', async () => {
    const { disk, process, run } = setUp();
    const first = fate(new DiskStore(disk, process, 0).storeLogs([log(1)]));
    process.kill();
    disk.crash('kill');
    await run(5 * SYNC_MS);
    expect([disk.visible.lastIndex, disk.durable.lastIndex]).toEqual([1, 0]);
    expect(first.now).toBe('pending');
    const { process: next } = { process: new SimProcess(new Scheduler(), 'q') };
    new DiskStore(disk, next, 0).setUint64(Uint8Array.of(65), 3);
    await run(SYNC_MS);
    expect([disk.durable.lastIndex, disk.durable.number('A')]).toEqual([1, 3]);
  });

  it('loses writes that had not begun when the process is killed', async () => {
    const { disk, process, run } = setUp();
    const store = new DiskStore(disk, process, 0);
    store.storeLogs([log(1)]);
    store.storeLogs([log(2)]);
    disk.crash('kill');
    await run(5 * SYNC_MS);
    expect([disk.visible.lastIndex, disk.issued.lastIndex]).toEqual([1, 1]);
  });

  it('loses or keeps a write as a whole when the power fails inside its sync', () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 40; seed += 1) {
      const { disk, process } = setUp(seed);
      new DiskStore(disk, process, 0).storeLogs([log(1), log(2)]);
      disk.crash('power-loss');
      seen.add(`${disk.visible.lastIndex} ${disk.durable.lastIndex}`);
    }
    expect([...seen].sort()).toEqual(['0 0', '2 2']);
  });

  it('may lose the second of two writes that belong together', () => {
    const seen = new Set<string>();
    for (let seed = 0; seed < 60; seed += 1) {
      const { disk, process, scheduler } = setUp(seed);
      const store = new DiskStore(disk, process, 0);
      store.setUint64(Uint8Array.of(65), 1);
      store.setUint64(Uint8Array.of(66), 1);
      disk.crash('kill');
      const again = new DiskStore(disk, new SimProcess(scheduler, 'q'), 0);
      again.setUint64(Uint8Array.of(66), 2);
      disk.crash('power-loss');
      seen.add(`${disk.durable.number('A')} ${disk.durable.number('B')}`);
    }
    expect([...seen].sort()).toEqual(['0 0', '1 0', '1 2']);
  });

  it('refuses a write and leaves nothing of it', async () => {
    const { disk, process, run, failures } = setUp();
    disk.nextFault = 'refuse';
    const refused = fate(new DiskStore(disk, process, 0).storeLogs([log(1)]));
    await run(SYNC_MS);
    expect(refused.now).toContain('ENOSPC');
    expect(failures).toEqual(['d']);
    expect([disk.issued.lastIndex, disk.visible.lastIndex]).toEqual([0, 0]);
    const next = fate(new DiskStore(disk, process, 0).storeLogs([log(1)]));
    await run(SYNC_MS);
    expect(next.now).toBe('done');
  });

  it('never writes what a failed sync held, and forgets it with the process', async () => {
    const { disk, process, run } = setUp();
    const store = new DiskStore(disk, process, 0);
    disk.nextFault = 'sync-fails';
    const failed = fate(store.storeLogs([log(1)]));
    store.setUint64(Uint8Array.of(65), 1);
    await run(2 * SYNC_MS);
    expect(failed.now).toContain('EIO');
    expect([disk.visible.lastIndex, disk.durable.lastIndex]).toEqual([1, 0]);
    disk.crash('kill');
    expect([disk.visible.lastIndex, disk.visible.number('A')]).toEqual([0, 1]);
  });

  it('hangs for ever, and everything behind it waits', async () => {
    const { disk, process, run } = setUp();
    const store = new DiskStore(disk, process, 0);
    disk.nextFault = 'hang';
    const first = fate(store.storeLogs([log(1)]));
    const second = fate(store.storeLogs([log(2)]));
    await run(1e7);
    expect([first.now, second.now, disk.isHanging]).toEqual(['pending', 'pending', true]);
    disk.crash('kill');
    expect(disk.isHanging).toBe(false);
  });
});

describe('the store on a simulated disk', () => {
  it('reads late and sees what is there at the end of the read', async () => {
    const { disk, process, run } = setUp();
    const store = new AtomicDiskStore(disk, process, 2);
    store.storeLogs([log(1), log(2)]);
    const kept = fate(Promise.resolve(store.getLog(1)));
    const whole = store.getLogRange(1, 2, 1000);
    const lost = Promise.resolve(store.getLog(2));
    const refusal = expect(lost).rejects.toBe(ErrLogNotFound);
    const gone = expect(whole).rejects.toBe(ErrLogNotFound);
    disk.crash('kill');
    disk.visible.apply({ kind: 'delete', min: 2, max: 2 });
    await run(2);
    await refusal;
    await gone;
    expect(kept.now).toBe('done');
  });

  it('has the optional abilities in one variant only, and copies what it is given', async () => {
    const { disk, process, run } = setUp();
    const plain = new DiskStore(disk, process, 0);
    expect([isTailReplacing(plain), isAtomicStable(plain)]).toEqual([false, false]);
    const store = new AtomicDiskStore(disk, process, 0);
    expect([isTailReplacing(store), isAtomicStable(store)]).toEqual([true, true]);
    const entry = log(1);
    store.storeLogs([entry, log(2), log(3)]);
    entry.data?.fill(99);
    store.replaceTail(2, [log(2, 5)]);
    await run(2 * SYNC_MS);
    expect(disk.durable.entry(1)?.data).toEqual(Uint8Array.of(1));
    expect([disk.durable.lastIndex, disk.durable.termAt(2)]).toEqual([2, 5]);
    expect(await store.getLogRange(1, 2, 0)).toHaveLength(1);
  });
});

describe('snapshots on a simulated disk', () => {
  async function open(seed = 1) {
    const parts = setUp(seed);
    const { scheduler, disk, process, run } = parts;
    const watcher = { requestSent() {}, replySent() {} };
    const network = new SimNetwork(scheduler, seededRandom(1), watcher);
    const transport = new SimTransport(network, process, 'sim:p', 100);
    const fileSystem = new SimFileSystem(disk, process);
    const opening = FileSnapshotStore.open('data', 2, {
      fileSystem,
      logger: silentLogger,
      clock: process,
    });
    await run(3 * SYNC_MS);
    const store = await opening;
    const write = async () => {
      const sink = await store.create(1, 7, 2, new Configuration(), 1, transport);
      await sink.write(Uint8Array.of(1, 2, 3));
      return sink;
    };
    const read = async (id: string) => {
      const opened = store.open(id);
      const failed = fate(opened);
      await run(SYNC_MS);
      if (failed.now !== 'done') return failed.now;
      const bytes: number[] = [];
      for await (const chunk of (await opened).reader) bytes.push(...chunk);
      return bytes;
    };
    return { ...parts, fileSystem, write, read };
  }

  it('are nothing before they are closed and whole after it', async () => {
    const { disk, run, write, read } = await open();
    const sink = await write();
    const closed = fate(sink.close());
    await run(2 * SYNC_MS);
    expect(disk.visible.snapshotIndex).toBe(0);
    await run(3 * SYNC_MS);
    expect(closed.now).toBe('done');
    expect(disk.durable.snapshotIndex).toBe(7);
    expect(await read(sink.id())).toEqual([1, 2, 3]);
  });

  it('may be gone after a power loss whose name was not synced', async () => {
    const left = new Set<number>();
    for (let seed = 1; seed <= 20; seed += 1) {
      const { disk, run, write } = await open(seed);
      void (await write()).close();
      await run(3.5 * SYNC_MS);
      expect([disk.visible.snapshotIndex, disk.durable.snapshotIndex]).toEqual([7, 0]);
      disk.crash('power-loss');
      expect(disk.visible.snapshotIndex).toBe(disk.durable.snapshotIndex);
      left.add(disk.durable.snapshotIndex);
    }
    expect(left).toEqual(new Set([0, 7]));
  });

  it('are not made durable by the sync of a directory that theirs lies in', async () => {
    const { disk, fileSystem, run, write } = await open();
    void (await write()).close();
    await run(3.5 * SYNC_MS);
    expect(disk.visible.snapshotIndex).toBe(7);
    disk.namesSynced('data');
    expect(disk.durable.snapshotIndex).toBe(0);
    void fileSystem.syncDirectory('data/snapshots');
    await run(SYNC_MS);
    expect(disk.durable.snapshotIndex).toBe(7);
  });

  it('that a killed process left are durable once a store is open on them', async () => {
    for (let seed = 1; seed <= 10; seed += 1) {
      const { scheduler, disk, process, run, write } = await open(seed);
      void (await write()).close();
      await run(3.5 * SYNC_MS);
      process.kill();
      disk.crash('kill');
      expect([disk.visible.snapshotIndex, disk.durable.snapshotIndex]).toEqual([7, 0]);
      const next = new SimProcess(scheduler, 'q');
      const fileSystem = new SimFileSystem(disk, next);
      const opened = FileSnapshotStore.open('data', 2, { fileSystem, logger: silentLogger });
      await run(5 * SYNC_MS);
      await opened;
      disk.crash('power-loss');
      expect(disk.visible.snapshotIndex).toBe(7);
    }
  });

  it('are gone again when the last sync of their closing fails', async () => {
    const { disk, fileSystem, run, write } = await open();
    const closed = fate((await write()).close());
    await run(3.5 * SYNC_MS);
    expect([disk.visible.snapshotIndex, disk.issued.snapshotIndex]).toEqual([7, 7]);
    disk.nextFileFault = 'sync-fails';
    await run(2 * SYNC_MS);
    expect(closed.now).toContain('EIO');
    void fileSystem.syncDirectory('data/snapshots');
    await run(SYNC_MS);
    const { issued, visible, durable } = disk;
    expect([issued, visible, durable].map(({ snapshotIndex }) => snapshotIndex)).toEqual([0, 0, 0]);
  });

  it('leave nothing when they are cancelled or cannot be written', async () => {
    const { disk, run, write } = await open();
    await (await write()).cancel();
    const sink = await write();
    disk.nextFileFault = 'sync-fails';
    const closed = fate(sink.close());
    await run(100);
    expect(closed.now).toContain('EIO');
    disk.isFull = true;
    await expect(write()).rejects.toThrow('ENOSPC');
    expect(disk.visible.snapshots).toEqual([]);
  });

  it('are found out when a bit of them has turned', async () => {
    const { disk, run, write, read } = await open();
    const sink = await write();
    void sink.close();
    await run(5 * SYNC_MS);
    expect(disk.rotSnapshot()).toBe(true);
    expect(await read(sink.id())).toContain('CRC mismatch');
  });
});

describe('an entry of which a bit has turned', () => {
  it('is none that is deleted, though a power loss may bring it back', async () => {
    const { disk, process, run } = setUp();
    const store = new DiskStore(disk, process, 0);
    store.storeLogs([log(1)]);
    await run(SYNC_MS);
    disk.nextFault = 'sync-fails';
    store.deleteRange(1, 1).catch(() => {});
    await run(SYNC_MS);
    expect([disk.visible.lastIndex, disk.durable.lastIndex]).toEqual([0, 1]);
    expect([disk.rotEntry(), disk.isDamaged, disk.durable.isRotten(1)]).toEqual(
      Array(3).fill(false),
    );
  });

  it('is found out, until it is written again', async () => {
    const { disk, process, run } = setUp();
    const store = new DiskStore(disk, process, 0);
    store.storeLogs([log(1)]);
    await run(SYNC_MS);
    expect([disk.rotEntry(), disk.damageSeenMs]).toEqual([true, null]);
    expect(() => store.getLog(1)).toThrow('log 1 is damaged');
    expect(disk.damageSeenMs).toBe(SYNC_MS);
    store.storeLogs([log(1)]);
    await run(SYNC_MS);
    expect(store.getLog(1)).toMatchObject({ index: 1 });
  });
});

describe('a power loss in the middle of a write', () => {
  it('tears it in a store that is not atomic, and not in others', async () => {
    for (const tears of [false, true]) {
      const left = new Set<number>();
      for (let seed = 1; seed <= 40; seed += 1) {
        const { scheduler, process } = setUp();
        const speed = { minSyncMs: SYNC_MS, maxSyncMs: SYNC_MS };
        const watcher = { writeIssued() {}, writeSynced() {}, writeFailed() {} };
        const disk = new SimDisk(scheduler, seededRandom(seed), 'd', speed, watcher, tears);
        void new DiskStore(disk, process, 0).storeLogs([log(1), log(2), log(3)]);
        disk.crash('power-loss');
        left.add(disk.durable.lastIndex);
      }
      expect([...left].sort()).toEqual(tears ? [0, 1, 2, 3] : [0, 3]);
    }
  });
});
