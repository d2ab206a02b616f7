import { newDeferred } from '../../internal/deferred.ts';
import { type Random, randomInteger } from '../../internal/random.ts';
import { DiskImage, type DiskWrite, type StoredSnapshot } from './disk-image.ts';
import { SimDirectory, SimFile, SimFiles } from './sim-files.ts';
import type { Scheduler, SimProcess } from './virtual-clock.ts';

/** How a process ends without being asked. */
export type CrashKind =
  /** kill -9: what the kernel had stays readable, though nothing more of it is synced. */
  | 'kill'
  /** The power fails: only what was synced is still there. */
  | 'power-loss';

/** What goes wrong with the next write. */
export type DiskFault =
  /** The write fails and leaves nothing behind. */
  | 'refuse'
  /** The sync fails: the write stays visible and will never be durable. */
  | 'sync-fails'
  /** The write takes very long. */
  | 'stall'
  /** The write never ends. */
  | 'hang';

/** What a disk tells those who watch it. `name` is the disk's. */
export interface DiskWatcher {
  /** A process asked for a write; nothing of it has happened yet. */
  writeIssued(name: string, write: DiskWrite): void;
  /** A write is about to be durable. */
  writeSynced(name: string, write: DiskWrite): void;
  /** A process learns that its write failed. */
  writeFailed(name: string): void;
}

/** How fast a disk is; milliseconds. */
export interface DiskSpeed {
  /** The shortest sync, in milliseconds. */
  readonly minSyncMs: number;
  /** The longest sync, in milliseconds. */
  readonly maxSyncMs: number;
}

const STALL_MS = 2_000;

interface PendingWrite {
  readonly write: DiskWrite;
  readonly process: SimProcess;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** What goes wrong with the files of snapshots; the node goes on, without the snapshot. */
export type FileFault = 'write-fails' | 'sync-fails';

/**
 * A node's disk. It outlives the process and knows three states of itself:
 *
 * - `issued`: as if everything that was asked for had happened, which is what the process believes;
 * - `visible`: what the kernel would show to a reader now;
 * - `durable`: what would be left after a power loss.
 *
 * A write becomes visible when the disk turns to it and durable when its sync, which takes a while,
 * is done. Writes happen one at a time in the order of the calls. Snapshots are files beside that
 * queue: see {@link SimFiles}.
 */
export class SimDisk {
  /** Whose it is. */
  readonly name: string;
  readonly #scheduler: Scheduler;
  readonly #random: Random;
  readonly #watcher: DiskWatcher;
  #speed: DiskSpeed;
  #issued = new DiskImage();
  #visible = new DiskImage();
  #durable = new DiskImage();
  #queue: PendingWrite[] = [];
  #active: PendingWrite | null = null;
  #unsynced: DiskWrite[] = [];
  /** Files, among them snapshots. */
  readonly files = new SimFiles();
  /** Snapshots that were renamed into place and whose name is not durable yet, by path. */
  readonly #fresh = new Map<string, StoredSnapshot>();
  #fault: DiskFault | null = null;
  #fileFault: FileFault | null = null;
  /** Nothing more can be written. */
  isFull = false;
  /** Something on it is no longer what was written. */
  isDamaged = false;
  /** When a checksum first told that to a process, in virtual time; `null` before. */
  damageSeenMs: number | null = null;
  /** A store that is not atomic may leave the first entries of a torn write. */
  readonly tears: boolean;
  #poisoned = false;
  #hangingSinceMs: number | null = null;
  #failed = false;
  #life = 0;

  constructor(
    scheduler: Scheduler,
    random: Random,
    name: string,
    speed: DiskSpeed,
    watcher: DiskWatcher,
    tears = false,
  ) {
    this.#scheduler = scheduler;
    this.#random = random;
    this.name = name;
    this.#speed = speed;
    this.#watcher = watcher;
    this.tears = tears;
  }

  /** With everything that was given to it. */
  get issued(): DiskImage {
    return this.#issued;
  }

  /** With everything that a process on the machine can read. */
  get visible(): DiskImage {
    return this.#visible;
  }

  /** With everything that outlives the power. */
  get durable(): DiskImage {
    return this.#durable;
  }

  /** True when nothing is being written or waits to be. */
  get isIdle(): boolean {
    return this.#active === null;
  }

  /** True when a write is under way that never ends. */
  get isHanging(): boolean {
    return this.#hangingSinceMs !== null;
  }

  /** Since when a write is under way that never ends, in virtual time; `null` for none. */
  get hangingSinceMs(): number | null {
    return this.#hangingSinceMs;
  }

  /** True when a fault has met the process that uses the disk now. */
  get hasFailed(): boolean {
    return this.#failed;
  }

  /** Changes the speed from the next write on. */
  set speed(speed: DiskSpeed) {
    this.#speed = speed;
  }

  /** The next write meets `fault`; `null` takes it back. */
  set nextFault(fault: DiskFault | null) {
    this.#fault = fault;
  }

  /** Performs a write; resolves in `process` when it is durable. */
  write(process: SimProcess, write: DiskWrite): Promise<void> {
    const { promise, resolve, reject } = newDeferred<void>();
    this.#watcher.writeIssued(this.name, write);
    this.#issued.apply(write);
    this.#queue.push({ write, process, resolve: () => resolve(), reject });
    this.#turnToNext();
    return promise;
  }

  /** The next change of a file meets `fault`; `null` takes it back. */
  set nextFileFault(fault: FileFault | null) {
    this.#fileFault = fault;
  }

  /** How long a sync that begins now takes, in milliseconds. */
  nextSyncMs(): number {
    return this.#syncMs();
  }

  /** Throws when a file cannot be written now. */
  mayWriteFile(): void {
    const fails = this.#fileFault === 'write-fails';
    if (fails) this.#fileFault = null;
    if (!fails && !this.isFull) return;
    this.#failed = true;
    throw new Error('ENOSPC: no space left on device, write');
  }

  /** Throws when a file cannot be synced now. */
  maySyncFile(): void {
    if (this.#fileFault !== 'sync-fails') return;
    this.#fileFault = null;
    this.#failed = true;
    throw new Error('EIO: i/o error, fsync');
  }

  /** A complete snapshot was renamed into place. */
  snapshotAppeared(path: string, snapshot: StoredSnapshot): void {
    this.#fresh.set(path, snapshot);
    this.#issued.apply({ kind: 'snapshot', snapshot });
    this.#visible.apply({ kind: 'snapshot', snapshot });
  }

  /** A snapshot whose name never became durable is gone again. */
  snapshotWithdrawn(path: string): void {
    const snapshot = this.#fresh.get(path);
    if (snapshot === undefined) return;
    this.#fresh.delete(path);
    this.#issued.withdraw(snapshot);
    this.#visible.withdraw(snapshot);
  }

  /** The names in a directory are durable, and with them the snapshots that lie right in it. */
  namesSynced(path: string): void {
    for (const [name, snapshot] of this.#fresh) {
      if (name.slice(0, name.lastIndexOf('/')) !== path) continue;
      this.#fresh.delete(name);
      this.#sync({ kind: 'snapshot', snapshot });
    }
  }

  /** A process has read something damaged, and was told. */
  noteDamageSeen(): void {
    this.damageSeenMs ??= this.#scheduler.nowMs;
  }

  /** Turns a bit of a snapshot round; false when there is none. */
  rotSnapshot(): boolean {
    const snapshots = this.files.find('data/snapshots');
    if (!(snapshots instanceof SimDirectory)) return false;
    const states = [...snapshots.visible.values()]
      .map((node) => (node instanceof SimDirectory ? node.visible.get('state.bin') : undefined))
      .filter((file) => file instanceof SimFile);
    const file = states[randomInteger(this.#random, 0, Math.max(states.length - 1, 0))];
    if (file === undefined) return false;
    file.rot(this.#random);
    this.isDamaged = true;
    return true;
  }

  /** Turns a bit of one entry round; false when there is none, or it is being deleted. */
  rotEntry(): boolean {
    const { firstIndex, lastIndex } = this.#durable;
    if (lastIndex === 0) return false;
    const index = randomInteger(this.#random, firstIndex, lastIndex);
    if (this.#visible.entry(index) === undefined) return false;
    const bit = randomInteger(this.#random, 0, 1_000_000);
    for (const image of [this.#durable, this.#visible]) image.rot(index, bit);
    this.isDamaged ||= this.#visible.isRotten(index);
    return this.#visible.isRotten(index);
  }

  /** The process is gone. What was being written may or may not have made it. */
  crash(kind: CrashKind): void {
    this.#life += 1;
    // After a failed sync the kernel shows what it will never write: only a reboot tells the truth.
    if (kind === 'power-loss' || this.#poisoned) this.#losePower();
    this.#issued = this.#visible.clone();
    this.#queue = [];
    this.#active = null;
    this.#fault = null;
    this.#fileFault = null;
    this.#poisoned = false;
    this.#hangingSinceMs = null;
    this.#failed = false;
  }

  #losePower(): void {
    const survivors = randomInteger(this.#random, 0, this.#unsynced.length);
    const made = this.#random.next() < 0.5 ? 0 : survivors;
    for (const write of this.#unsynced.slice(0, made)) this.#sync(write);
    const torn = this.#unsynced[made];
    if (this.tears && torn?.kind === 'store' && torn.logs.length > 1) {
      const logs = torn.logs.slice(0, randomInteger(this.#random, 0, torn.logs.length - 1));
      this.#sync({ kind: 'store', logs });
    }
    this.#unsynced = [];
    this.files.losePower(this.#random);
    for (const [path, snapshot] of this.#fresh) {
      if (this.files.find(path) !== undefined) this.#sync({ kind: 'snapshot', snapshot });
    }
    this.#fresh.clear();
    this.#visible = this.#durable.clone();
  }

  #turnToNext(): void {
    if (this.#active !== null) return;
    const next = this.#queue.shift();
    if (next === undefined) return;
    this.#active = next;
    const fault = this.isFull ? 'refuse' : this.#fault;
    this.#fault = null;
    if (fault !== null) this.#failed = true;
    const life = this.#life;
    const then = (delayMs: number, run: () => void): void => {
      this.#scheduler.schedule(delayMs, () => {
        if (this.#life !== life) return;
        this.#active = null;
        run();
        this.#turnToNext();
      });
    };
    if (fault === 'refuse') {
      then(this.#syncMs(), () => this.#refuse(next));
      return;
    }
    this.#visible.apply(next.write);
    if (fault === 'hang') {
      this.#hangingSinceMs = this.#scheduler.nowMs;
      this.#unsynced.push(next.write);
    } else if (fault === 'sync-fails') {
      this.#poisoned = true;
      then(this.#syncMs(), () => this.#fail(next, 'EIO: i/o error, fdatasync'));
    } else {
      this.#unsynced.push(next.write);
      then(this.#syncMs() + (fault === 'stall' ? STALL_MS : 0), () => this.#finish(next));
    }
  }

  #finish(done: PendingWrite): void {
    for (const write of this.#unsynced) this.#sync(write);
    this.#unsynced = [];
    done.process.deliver(0, done.resolve);
  }

  #refuse(refused: PendingWrite): void {
    this.#issued = this.#visible.clone();
    for (const { write } of this.#queue) this.#issued.apply(write);
    this.#fail(refused, 'ENOSPC: no space left on device, write');
  }

  #fail(failed: PendingWrite, message: string): void {
    failed.process.deliver(0, () => {
      this.#watcher.writeFailed(this.name);
      failed.reject(new Error(message));
    });
  }

  #sync(write: DiskWrite): void {
    this.#watcher.writeSynced(this.name, write);
    this.#durable.apply(write);
  }

  #syncMs(): number {
    const { minSyncMs, maxSyncMs } = this.#speed;
    return minSyncMs + this.#random.next() * (maxSyncMs - minSyncMs);
  }
}
