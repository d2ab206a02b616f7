import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import type { Random } from '../../internal/random.ts';
import { descriptorOf, lastNumberOf, type SystemCall, stringsOf } from './system-calls.ts';

/** What becomes of all that was not synced when the power went. */
export type Loss = 'dropped' | 'kept' | 'torn';

const SECTOR_BYTES = 512;

/** Bytes that were written to a file, or its new length. */
interface Change {
  readonly offset: number;
  readonly bytes: Uint8Array;
  readonly truncates: boolean;
}

interface FileNode {
  readonly kind: 'file';
  durable: Buffer;
  changes: Change[];
}

/** A name that comes, goes, or moves within its directory. */
type NameChange = (names: Map<string, DiskNode>) => void;

interface DirectoryNode {
  readonly kind: 'directory';
  readonly durable: Map<string, DiskNode>;
  changes: NameChange[];
}

type DiskNode = FileNode | DirectoryNode;

interface Descriptor {
  readonly node: DiskNode;
  readonly isSynced: boolean;
  position: number;
}

function newDirectory(): DirectoryNode {
  return { kind: 'directory', durable: new Map(), changes: [] };
}

/** Changes `content` itself as long as its length stays the same. */
function applied(content: Buffer, { offset, bytes, truncates }: Change): Buffer {
  if (truncates) {
    const cut = Buffer.alloc(offset);
    content.copy(cut);
    return cut;
  }
  if (offset + bytes.length <= content.length) {
    content.set(bytes, offset);
    return content;
  }
  const longer = Buffer.alloc(Math.max(content.length, offset + bytes.length));
  content.copy(longer);
  longer.set(bytes, offset);
  return longer;
}

/** Every sector of a write reaches the disk or does not: a sector is never half written. */
function tear(change: Change, random: Random): Change[] {
  if (change.truncates) return random.next() < 0.5 ? [change] : [];
  const fate = random.next();
  if (fate < 0.25) return [];
  if (fate < 0.5) return [change];
  const kept: Change[] = [];
  for (let at = 0; at < change.bytes.length; ) {
    const offset = change.offset + at;
    const length = SECTOR_BYTES - (offset % SECTOR_BYTES);
    const bytes = change.bytes.subarray(at, at + length);
    if (random.next() < 0.5) kept.push({ offset, bytes, truncates: false });
    at += length;
  }
  return kept;
}

/**
 * A disk below one directory, as its system calls made it: what is on it for certain, and what a
 * power cut may still take. Data are certain after fsync or fdatasync of their file, or when they
 * were written through a descriptor with O_DSYNC; names after fsync of their directory.
 */
export class RecordedDisk {
  readonly #path: string;
  readonly #ignoresSyncs: boolean;
  readonly #root = newDirectory();
  readonly #live = new Map<string, DiskNode>();
  readonly #open = new Map<number, Descriptor>();
  /** What a sync that has begun will make durable. */
  readonly #syncing = new Map<string, () => void>();

  /** @param ignoresSyncs a disk that lies, to see that lies are noticed */
  constructor(path: string, ignoresSyncs = false) {
    this.#path = path;
    this.#ignoresSyncs = ignoresSyncs;
    this.#live.set(path, this.#root);
  }

  /** Performs a call that has begun or returned; true when it changed what a power cut leaves. */
  take(call: SystemCall): boolean {
    switch (call.name) {
      case 'openat':
        return this.#openFile(call);
      case 'close':
        if (call.result === null) this.#open.delete(descriptorOf(call));
        return false;
      case 'lseek':
        return this.#seek(call);
      case 'write':
      case 'writev':
      case 'pwrite64':
        return this.#write(call);
      case 'ftruncate':
        return this.#truncate(call);
      case 'fsync':
      case 'fdatasync':
        return this.#sync(call);
      case 'mkdir':
      case 'unlink':
      case 'rmdir':
      case 'rename':
        return this.#rename(call);
      default:
        return this.#refuse(call);
    }
  }

  /** Writes to `target` what a power cut now would leave. */
  async leave(target: string, loss: Loss, random: Random): Promise<void> {
    await this.#leave(this.#root, target, loss, random);
  }

  async #leave(
    directory: DirectoryNode,
    target: string,
    loss: Loss,
    random: Random,
  ): Promise<void> {
    await mkdir(target, { recursive: true });
    const names = new Map(directory.durable);
    // A file system keeps the order of its names, as its journal has them.
    const kept = { dropped: 0, kept: 1, torn: random.next() }[loss] * directory.changes.length;
    for (const change of directory.changes.slice(0, Math.round(kept))) change(names);
    for (const [name, node] of names) {
      const path = join(target, name);
      if (node.kind === 'directory') await this.#leave(node, path, loss, random);
      else if (name !== 'lock.mdb') await writeFile(path, contentOf(node, loss, random));
    }
  }

  #refuse(call: SystemCall): boolean {
    const paths = stringsOf(call).map(String);
    const isOurs = this.#open.has(descriptorOf(call)) || paths.some((path) => this.#isBelow(path));
    if (isOurs) throw new Error(`${call.name} is not understood`);
    return false;
  }

  #isBelow(path: string): boolean {
    return path === this.#path || path.startsWith(`${this.#path}/`);
  }

  #parentOf(path: string): DirectoryNode {
    const parent = this.#live.get(dirname(path));
    if (parent?.kind !== 'directory') throw new Error(`${path} is in no directory`);
    return parent;
  }

  #openFile(call: SystemCall): boolean {
    if (call.result === null || call.result < 0) return false;
    const path = String(stringsOf(call)[0] ?? '');
    if (!this.#isBelow(path)) return false;
    let node = this.#live.get(path);
    const isNew = node === undefined;
    if (node === undefined) {
      const file: FileNode = { kind: 'file', durable: Buffer.alloc(0), changes: [] };
      this.#parentOf(path).changes.push((names) => names.set(basename(path), file));
      this.#live.set(path, file);
      node = file;
    } else if (node.kind === 'file' && call.args.includes('O_TRUNC')) {
      node.changes.push({ offset: 0, bytes: new Uint8Array(), truncates: true });
    }
    const isSynced = call.args.includes('O_DSYNC') || call.args.includes('O_SYNC');
    this.#open.set(call.result, { node, isSynced, position: 0 });
    return isNew;
  }

  #seek(call: SystemCall): boolean {
    const descriptor = this.#open.get(descriptorOf(call));
    if (descriptor !== undefined && call.result !== null) descriptor.position = call.result;
    return false;
  }

  #write(call: SystemCall): boolean {
    const descriptor = this.#open.get(descriptorOf(call));
    if (descriptor === undefined || descriptor.node.kind !== 'file') return false;
    const { node } = descriptor;
    if (call.result === null) {
      const bytes = Buffer.concat(stringsOf(call));
      const isAt = call.name === 'pwrite64';
      const offset = isAt ? lastNumberOf(call) : descriptor.position;
      if (!isAt) descriptor.position += bytes.length;
      const change = { offset, bytes, truncates: false };
      node.changes.push(change);
      if (descriptor.isSynced) this.#syncing.set(call.args, () => settle(node, [change]));
      return true;
    }
    if (descriptor.isSynced) this.#finishSync(call);
    return descriptor.isSynced;
  }

  #truncate(call: SystemCall): boolean {
    const node = this.#open.get(descriptorOf(call))?.node;
    if (node?.kind !== 'file' || call.result !== null) return false;
    node.changes.push({ offset: lastNumberOf(call), bytes: new Uint8Array(), truncates: true });
    return true;
  }

  #sync(call: SystemCall): boolean {
    const node = this.#open.get(descriptorOf(call))?.node;
    if (node === undefined) return false;
    if (call.result === null) {
      const count = node.changes.length;
      if (node.kind === 'file') {
        const changes = [...node.changes];
        this.#syncing.set(call.args, () => settle(node, changes));
      } else {
        this.#syncing.set(call.args, () => {
          for (const change of node.changes.splice(0, count)) change(node.durable);
        });
      }
      return false;
    }
    if (call.result !== 0) throw new Error(`${call.name} failed while it was recorded`);
    this.#finishSync(call);
    return true;
  }

  #finishSync({ args }: SystemCall): void {
    if (!this.#ignoresSyncs) this.#syncing.get(args)?.();
    this.#syncing.delete(args);
  }

  /** Names come, go and move when the call has returned: one that fails changes nothing. */
  #rename(call: SystemCall): boolean {
    const [path = '', other = ''] = stringsOf(call).map(String);
    if (call.result !== 0 || !this.#isBelow(path)) return false;
    const parent = this.#parentOf(path);
    const [name, newName] = [basename(path), basename(other)];
    if (call.name === 'mkdir') {
      const directory = newDirectory();
      this.#live.set(path, directory);
      parent.changes.push((names) => names.set(name, directory));
      return true;
    }
    if (call.name === 'rename') {
      if (dirname(other) !== dirname(path)) throw new Error(`${path} leaves its directory`);
      parent.changes.push((names) => {
        const node = names.get(name);
        names.delete(name);
        if (node !== undefined) names.set(newName, node);
      });
      for (const [below, node] of [...this.#live]) {
        if (below !== path && !below.startsWith(`${path}/`)) continue;
        this.#live.delete(below);
        this.#live.set(other + below.slice(path.length), node);
      }
      return true;
    }
    this.#live.delete(path);
    parent.changes.push((names) => names.delete(name));
    return true;
  }
}

function settle(node: FileNode, changes: readonly Change[]): void {
  for (const change of changes) {
    if (!node.changes.includes(change)) continue;
    node.durable = applied(node.durable, change);
  }
  node.changes = node.changes.filter((change) => !changes.includes(change));
}

function contentOf({ durable, changes }: FileNode, loss: Loss, random: Random): Buffer {
  if (loss === 'dropped') return durable;
  let content: Buffer = Buffer.from(durable);
  for (const change of changes) {
    const kept = loss === 'kept' ? [change] : tear(change, random);
    for (const one of kept) content = applied(content, one);
  }
  return content;
}
