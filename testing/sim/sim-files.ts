import { concatBytes, copyBytes } from '../../internal/bytes.ts';
import { type Random, randomInteger } from '../../internal/random.ts';

/** A file: what a reader sees of it, and what of it is left when the power fails. */
export class SimFile {
  /** What a reader finds in it. */
  visible: Uint8Array = new Uint8Array(0);
  /** What is left of it when the power fails. */
  durable: Uint8Array = new Uint8Array(0);

  /** Adds bytes at the end. */
  append(bytes: Uint8Array): void {
    this.visible = concatBytes([this.visible, bytes]);
  }

  /** Makes everything in it durable. */
  sync(): void {
    this.durable = this.visible;
  }

  /** What was not synced is gone, or torn: any first part of it may have been written. */
  losePower(random: Random): void {
    const fresh = this.visible.length - this.durable.length;
    const kept = random.next() < 0.5 ? 0 : randomInteger(random, 0, Math.max(fresh, 0));
    this.visible = this.visible.subarray(0, this.durable.length + kept);
    this.durable = this.visible;
  }

  /** Turns one bit round, as an old disk does. */
  rot(random: Random): void {
    if (this.durable.length === 0) return;
    const rotten = copyBytes(this.durable);
    const at = randomInteger(random, 0, rotten.length - 1);
    rotten[at] = (rotten[at] ?? 0) ^ (1 << randomInteger(random, 0, 7));
    this.durable = rotten;
    this.visible = rotten;
  }
}

/** A directory: the names in it, and those that are left when the power fails. */
export class SimDirectory {
  /** What stands in it, by name. */
  visible = new Map<string, SimFile | SimDirectory>();
  /** What is left in it when the power fails. */
  durable = new Map<string, SimFile | SimDirectory>();

  /** Makes the names in it durable. */
  sync(): void {
    this.durable = new Map(this.visible);
  }

  /** Names that were not synced are as they were before, or were written by luck. */
  losePower(random: Random): void {
    if (random.next() < 0.5) this.visible = this.durable;
    this.sync();
    for (const child of this.visible.values()) child.losePower(random);
  }
}

function absent(path: string): Error {
  return Object.assign(new Error(`ENOENT: no such file or directory, '${path}'`), {
    code: 'ENOENT',
    path,
  });
}

/** Where a path leads. */
export interface FilePlace {
  /** The directory that it lies in. */
  readonly parent: SimDirectory;
  /** Its name there. */
  readonly name: string;
}

/** The files of a disk, which outlive the processes that write them. */
export class SimFiles {
  readonly #root = new SimDirectory();

  /** What stands at a path, if anything does. */
  find(path: string): SimFile | SimDirectory | undefined {
    let node: SimFile | SimDirectory | undefined = this.#root;
    for (const name of path.split('/')) {
      node = node instanceof SimDirectory ? node.visible.get(name) : undefined;
    }
    return node;
  }

  /** The directory at a path; throws ENOENT when there is none. */
  directory(path: string): SimDirectory {
    const found = path === '' ? this.#root : this.find(path);
    if (found instanceof SimDirectory) return found;
    throw absent(path);
  }

  /** The file at a path; throws ENOENT when there is none. */
  file(path: string): SimFile {
    const found = this.find(path);
    if (found instanceof SimFile) return found;
    throw absent(path);
  }

  /** The directory that a path lies in, and its name there. */
  place(path: string): FilePlace {
    const end = path.lastIndexOf('/');
    return { parent: this.directory(path.slice(0, Math.max(end, 0))), name: path.slice(end + 1) };
  }

  /** Makes a directory and its missing parents, all durable. */
  makeDirectory(path: string): void {
    let directory = this.#root;
    for (const name of path.split('/')) {
      const known = directory.visible.get(name);
      const next = known instanceof SimDirectory ? known : new SimDirectory();
      if (next !== known) {
        directory.visible.set(name, next);
        directory.durable.set(name, next);
      }
      directory = next;
    }
  }

  /** The power fails: what was not synced may be gone. */
  losePower(random: Random): void {
    this.#root.losePower(random);
  }
}
