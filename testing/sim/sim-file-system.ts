import { utf8ToString } from '../../internal/bytes.ts';
import type {
  DirectoryEntry,
  FileSystem,
  ReadableFile,
  WritableFile,
} from '../../snapshot/file-system.ts';
import { decodeSnapshotMeta } from '../../snapshot/snapshot-meta-codec.ts';
import type { SimDisk } from './disk.ts';
import type { StoredSnapshot } from './disk-image.ts';
import { SimDirectory, SimFile, type SimFiles } from './sim-files.ts';
import type { SimProcess } from './virtual-clock.ts';

/** Reading, and naming, costs a little. */
const READ_MS = 0.2;

/** The complete snapshot in a directory, `null` when it holds something else. */
export function snapshotIn(directory: SimDirectory): StoredSnapshot | null {
  const meta = directory.visible.get('meta.json');
  const state = directory.visible.get('state.bin');
  if (!(meta instanceof SimFile) || !(state instanceof SimFile)) return null;
  try {
    return { meta: decodeSnapshotMeta(utf8ToString(meta.visible)).meta, bytes: state.visible };
  } catch {
    return null;
  }
}

/**
 * The file system of one process: a renamed directory that holds a snapshot is one the disk knows.
 */
export class SimFileSystem implements FileSystem {
  readonly #disk: SimDisk;
  readonly #process: SimProcess;

  constructor(disk: SimDisk, process: SimProcess) {
    this.#disk = disk;
    this.#process = process;
  }

  get #files(): SimFiles {
    return this.#disk.files;
  }

  join(...parts: string[]): string {
    return parts.join('/');
  }

  async makeDirectory(path: string): Promise<void> {
    if (this.#files.find(path) instanceof SimDirectory) return;
    this.#disk.mayWriteFile();
    this.#files.makeDirectory(path);
  }

  async list(path: string): Promise<DirectoryEntry[]> {
    return [...this.#files.directory(path).visible].map(([name, node]) => ({
      name,
      isDirectory: node instanceof SimDirectory,
    }));
  }

  async create(path: string): Promise<WritableFile> {
    this.#disk.mayWriteFile();
    const { parent, name } = this.#files.place(path);
    const file = new SimFile();
    parent.visible.set(name, file);
    return {
      write: async (bytes) => {
        this.#disk.mayWriteFile();
        file.append(bytes);
      },
      sync: async () => {
        await this.#sync();
        file.sync();
      },
      close: async () => {},
    };
  }

  async open(path: string): Promise<ReadableFile> {
    const file = this.#files.file(path);
    await this.#process.sleep(READ_MS);
    return {
      size: async () => file.visible.length,
      read: async (into, position) => {
        const part = file.visible.subarray(position, position + into.length);
        into.set(part);
        return part.length;
      },
      close: async () => {},
    };
  }

  async rename(from: string, to: string): Promise<void> {
    const source = this.#files.place(from);
    const node = source.parent.visible.get(source.name);
    if (node === undefined) throw new Error(`ENOENT: no such file or directory, '${from}'`);
    const target = this.#files.place(to);
    source.parent.visible.delete(source.name);
    target.parent.visible.set(target.name, node);
    const snapshot = node instanceof SimDirectory ? snapshotIn(node) : null;
    if (snapshot !== null) this.#disk.snapshotAppeared(to, snapshot);
  }

  async remove(path: string): Promise<void> {
    const { parent, name } = this.#files.place(path);
    parent.visible.delete(name);
    this.#disk.snapshotWithdrawn(path);
  }

  async syncDirectory(path: string): Promise<void> {
    const directory = this.#files.directory(path);
    await this.#sync();
    directory.sync();
    this.#disk.namesSynced(path);
  }

  async #sync(): Promise<void> {
    await this.#process.sleep(this.#disk.nextSyncMs());
    this.#disk.maySyncFile();
  }
}
