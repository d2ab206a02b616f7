import { type FileHandle, open } from 'node:fs/promises';
import { endianness } from 'node:os';
import { utf8ToString } from '../internal/bytes.ts';
import { RaftError } from '../raft/errors.ts';

const MAGIC = 0xbeef_c0de;
const DATA_VERSION = 2;
const META_BYTES = 168;
const HEADER_BYTES = 24;
const NODE_HEADER_BYTES = 8;
const ROOT_OF_MAIN = 136;
const DEPTH_OF_MAIN = 102;
const PAGE_BRANCH = 1;
const PAGE_LEAF = 2;
const PAGE_OVERFLOW = 4;
const NODE_BIG = 1;
const NODE_TREE = 2;
const NO_PAGE = 0xffff_ffff_ffff_ffffn;
const TREE_BYTES = 48;
const MAX_DEPTH = 32;

const isLittle = endianness() === 'LE';

/** A key and its value. */
export interface Record {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Where a tree begins. */
interface Tree {
  readonly root: bigint;
  readonly depth: number;
}

/** What the newest of the two meta pages says. */
interface Meta {
  readonly main: Tree;
  readonly transaction: bigint;
  readonly pageBytes: number;
}

interface Node {
  readonly key: Uint8Array;
  readonly flags: number;
  /** The low 32 bits: a size on leaves, of a page number on branches. */
  readonly low: number;
  readonly dataAt: number;
}

function damaged(text: string): RaftError {
  return new RaftError('ERR_STORE_CORRUPT', text);
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

function treeAt(view: DataView, offset: number): Tree {
  return {
    depth: view.getUint16(offset + 6, isLittle),
    root: view.getBigUint64(offset + 40, isLittle),
  };
}

/**
 * Reads the data file of LMDB with eyes of its own: never writes, takes no lock, and a damaged page
 * is an error that names it instead of the end of the process.
 */
export class LMDBFile {
  readonly #file: FileHandle;
  readonly #meta: Meta;

  private constructor(file: FileHandle, meta: Meta) {
    this.#file = file;
    this.#meta = meta;
  }

  /** Opens a data file. @throws RaftError when it is none, or the disk's error */
  static async open(path: string): Promise<LMDBFile> {
    const file = await open(path, 'r');
    try {
      return new LMDBFile(file, await readMeta(file));
    } catch (error) {
      await file.close();
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#file.close();
  }

  /** True when somebody has written to the file since it was opened. */
  async hasChanged(): Promise<boolean> {
    return (await readMeta(this.#file)).transaction !== this.#meta.transaction;
  }

  /** The records of the root database, named databases left out. */
  root(report: (text: string) => void): AsyncGenerator<Record, void> {
    return this.#walk(this.#meta.main, report);
  }

  /** The records of a named database in the order of keys, none when there is no such database. */
  async *database(name: string, report: (text: string) => void): AsyncGenerator<Record, void> {
    const trees = new Map<string, Tree>();
    for await (const _ of this.#walk(this.#meta.main, report, trees));
    const tree = trees.get(name);
    if (tree !== undefined) yield* this.#walk(tree, report);
  }

  /** Goes through a tree; what cannot be read is reported and left out. */
  async *#walk(
    tree: Tree,
    report: (text: string) => void,
    trees = new Map<string, Tree>(),
    depth = 1,
  ): AsyncGenerator<Record, void> {
    if (tree.root === NO_PAGE || tree.depth === 0) return;
    let page: Uint8Array;
    let nodes: Node[];
    try {
      page = await this.#page(tree.root, depth === tree.depth ? PAGE_LEAF : PAGE_BRANCH);
      nodes = nodesOf(page, tree.root);
    } catch (error) {
      report(error instanceof Error ? error.message : String(error));
      return;
    }
    const view = viewOf(page);
    for (const { key, flags, low, dataAt } of nodes) {
      if (depth < tree.depth) {
        const child = { depth: tree.depth, root: (BigInt(flags) << 32n) | BigInt(low) };
        yield* this.#walk(child, report, trees, depth + 1);
      } else if ((flags & NODE_TREE) !== 0) {
        // lmdb-js ends names with a zero.
        const name = utf8ToString(key).replace(/\0$/, '');
        if (dataAt + TREE_BYTES <= page.length) trees.set(name, treeAt(view, dataAt));
        else report(`page ${tree.root} is damaged: database ${name} reaches beyond its end`);
      } else {
        try {
          const value =
            (flags & NODE_BIG) === 0
              ? page.subarray(dataAt, dataAt + low)
              : await this.#overflow(view.getBigUint64(dataAt, isLittle), low);
          if (value.length < low) throw damaged(`page ${tree.root} is damaged: a value is cut off`);
          yield { key, value };
        } catch (error) {
          report(error instanceof Error ? error.message : String(error));
        }
      }
    }
  }

  async #page(number: bigint, kind: number): Promise<Uint8Array> {
    const page = await this.#read(number, this.#meta.pageBytes);
    const view = viewOf(page);
    const [found, flags] = [view.getBigUint64(0, isLittle), view.getUint16(18, isLittle)];
    if (found === number && (flags & 0x7f) === kind) return page;
    throw damaged(`page ${number} is damaged: it says that it is page ${found} of kind ${flags}`);
  }

  async #overflow(number: bigint, sizeBytes: number): Promise<Uint8Array> {
    await this.#page(number, PAGE_OVERFLOW);
    return (await this.#read(number, HEADER_BYTES + sizeBytes)).subarray(HEADER_BYTES);
  }

  async #read(number: bigint, sizeBytes: number): Promise<Uint8Array> {
    const position = Number(number) * this.#meta.pageBytes;
    const { size } = await this.#file.stat();
    if (position + sizeBytes > size) {
      throw damaged(`page ${number} is missing: the file ends at ${size} bytes`);
    }
    const bytes = new Uint8Array(sizeBytes);
    await this.#file.read(bytes, 0, sizeBytes, position);
    return bytes;
  }
}

function nodesOf(page: Uint8Array, number: bigint): Node[] {
  const view = viewOf(page);
  const count = view.getUint16(20, isLittle) >> 1;
  const nodes: Node[] = [];
  for (let at = 0; at < count; at += 1) {
    const slot = HEADER_BYTES + at * 2;
    const start = slot + 2 > page.length ? page.length : nodeStart(view, slot);
    if (start + NODE_HEADER_BYTES > page.length) {
      throw damaged(`page ${number} is damaged: entry ${at} of ${count} lies outside`);
    }
    const flags = view.getUint16(start + 4, isLittle);
    const keyAt = start + NODE_HEADER_BYTES;
    const dataAt = keyAt + view.getUint16(start + 6, isLittle);
    // What a node holds itself is eight bytes at least where it points to other pages.
    const leastEnd = dataAt + ((flags & NODE_BIG) !== 0 ? 8 : 0);
    if (leastEnd > page.length) {
      throw damaged(`page ${number} is damaged: entry ${at} of ${count} reaches beyond its end`);
    }
    const low = view.getUint32(start, isLittle);
    nodes.push({ key: page.slice(keyAt, dataAt), flags, low, dataAt });
  }
  return nodes;
}

function nodeStart(view: DataView, slot: number): number {
  return HEADER_BYTES + view.getUint16(slot, isLittle);
}

async function readMeta(file: FileHandle): Promise<Meta> {
  const found: Meta[] = [];
  let offset = 0;
  for (const page of [0, 1]) {
    const view = new DataView(new ArrayBuffer(META_BYTES));
    const { bytesRead } = await file.read(view, 0, META_BYTES, offset);
    if (bytesRead < META_BYTES) throw damaged('it is too short for a data file of LMDB');
    const [magic, version] = [view.getUint32(24, isLittle), view.getUint32(28, isLittle)];
    const pageBytes = view.getUint32(48, isLittle);
    if (magic !== MAGIC || version !== DATA_VERSION || pageBytes < 512 || pageBytes > 65_536) {
      throw damaged(`meta page ${page} is damaged, or of another program`);
    }
    const main = {
      root: view.getBigUint64(ROOT_OF_MAIN, isLittle),
      depth: Math.min(view.getUint16(DEPTH_OF_MAIN, isLittle), MAX_DEPTH),
    };
    found.push({ main, transaction: view.getBigUint64(152, isLittle), pageBytes });
    offset = pageBytes;
  }
  const [a, b] = found;
  if (a === undefined || b === undefined) throw damaged('it has no meta pages');
  return a.transaction > b.transaction ? a : b;
}
