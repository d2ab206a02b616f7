/** A file that is being written from its beginning. */
export interface WritableFile {
  /** Appends all bytes. The caller may reuse them once this has resolved. */
  write(bytes: Uint8Array): Promise<void>;
  /** Resolves when everything written is on the disk. */
  sync(): Promise<void>;
  /** Releases the file. A second time it does nothing. */
  close(): Promise<void>;
}

/** A file that is being read. It stays readable when its name is removed meanwhile. */
export interface ReadableFile {
  /** Its length in bytes. */
  size(): Promise<number>;
  /** Fills `into` from `position` on; resolves with the bytes read, 0 at the end. */
  read(into: Uint8Array, position: number): Promise<number>;
  /** Releases the file. A second time it does nothing. */
  close(): Promise<void>;
}

/** One name in a directory. */
export interface DirectoryEntry {
  /** Without the directory. */
  readonly name: string;
  /** False for a file, and for anything else. */
  readonly isDirectory: boolean;
}

/**
 * The part of a disk that the file snapshot store needs, as a port, so that a simulation can take
 * the power away between any two calls. What is not synced may be lost with it. Every method
 * rejects with the platform's own error.
 */
export interface FileSystem {
  /** One path out of its parts. */
  join(...parts: string[]): string;
  /** Makes a directory and its missing parents, all durable; one that exists is no error. */
  makeDirectory(path: string): Promise<void>;
  /** What is in a directory, in any order. */
  list(path: string): Promise<DirectoryEntry[]>;
  /** Creates a file, or empties the one that exists. */
  create(path: string): Promise<WritableFile>;
  /** Opens a file that exists. */
  open(path: string): Promise<ReadableFile>;
  /** Gives a file or directory another name, at once or not at all. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file, or a directory with all it holds; one that does not exist is no error. */
  remove(path: string): Promise<void>;
  /** Resolves when the names in a directory are on the disk. */
  syncDirectory(path: string): Promise<void>;
}
