import { concatBytes, copyBytes } from '../../internal/bytes.ts';
import type {
  DirectoryEntry,
  FileSystem,
  ReadableFile,
  WritableFile,
} from '../../snapshot/file-system.ts';

const DIRECTORY = Symbol('directory');

function absent(path: string): Error {
  return Object.assign(new Error(`ENOENT: no such file or directory, '${path}'`), {
    code: 'ENOENT',
    path,
  });
}

/**
 * A disk in memory, for file snapshots in tests on virtual time: it answers at once, so that no
 * time passes while it works.
 */
export class MemoryFileSystem implements FileSystem {
  readonly #entries = new Map<string, Uint8Array | typeof DIRECTORY>();

  join(...parts: string[]): string {
    return parts.join('/');
  }

  async makeDirectory(path: string): Promise<void> {
    const parts = path.split('/');
    for (let i = 1; i <= parts.length; i += 1) {
      this.#entries.set(parts.slice(0, i).join('/'), DIRECTORY);
    }
  }

  async list(path: string): Promise<DirectoryEntry[]> {
    if (this.#entries.get(path) !== DIRECTORY) throw absent(path);
    return [...this.#entries]
      .filter(([entry]) => entry.slice(0, entry.lastIndexOf('/')) === path)
      .map(([entry, content]) => ({
        name: entry.slice(path.length + 1),
        isDirectory: content === DIRECTORY,
      }));
  }

  async create(path: string): Promise<WritableFile> {
    const parent = path.slice(0, path.lastIndexOf('/'));
    if (this.#entries.get(parent) !== DIRECTORY) throw absent(path);
    const chunks: Uint8Array[] = [];
    const publish = (): void => {
      this.#entries.set(path, concatBytes(chunks));
    };
    publish();
    return {
      write: async (bytes) => {
        chunks.push(copyBytes(bytes));
      },
      sync: async () => publish(),
      close: async () => {
        if (this.#entries.has(path)) publish();
      },
    };
  }

  async open(path: string): Promise<ReadableFile> {
    const content = this.#entries.get(path);
    if (content === undefined || content === DIRECTORY) throw absent(path);
    return {
      size: async () => content.length,
      read: async (into, position) => {
        const part = content.subarray(position, position + into.length);
        into.set(part);
        return part.length;
      },
      close: async () => {},
    };
  }

  async rename(from: string, to: string): Promise<void> {
    if (!this.#entries.has(from)) throw absent(from);
    for (const [path, content] of [...this.#within(from)]) {
      this.#entries.delete(path);
      this.#entries.set(to + path.slice(from.length), content);
    }
  }

  async remove(path: string): Promise<void> {
    for (const [entry] of [...this.#within(path)]) this.#entries.delete(entry);
  }

  async syncDirectory(): Promise<void> {}

  #within(path: string) {
    return [...this.#entries].filter(([entry]) => entry === path || entry.startsWith(`${path}/`));
  }
}
