/**
 * The inner loop of CRC-64 as a WebAssembly module. JavaScript has no fast 64-bit integer, and a
 * snapshot is checksummed several times on its way from the disk of a leader into the state of a
 * follower.
 *
 * Eight bytes need the remainder of the eight before them, so one chain of them leaves most of a
 * processor idle. Here three lanes run beside each other, each with a remainder of its own, and are
 * joined at their ends: the remainder of a lane, moved on by the length of the next one, is what
 * that one would have begun with.
 *
 * The module is short enough to be written down by hand, byte by byte, in the order of the binary
 * format (https://webassembly.github.io/spec/core/binary/).
 */

/** Eight tables of 256 remainders of eight bytes, at the beginning of the module's memory. */
export const TABLE_BYTES = 8 * 256 * 8;
/** Eight more behind them: what a remainder becomes that is moved on by the length of a lane. */
export const MOVE_AT = TABLE_BYTES;
/** Three of them are 8 KiB, nearly: a multiple of eight. */
export const LANE_BYTES = 2728;

const LANES = 3;
const PAGES = 2;
const I32 = 0x7f;
const I64 = 0x7e;

// Parameters and variables of the function.
const crc = 0;
const at = 1;
const end = 2;
const laneEnd = 3;
/** Of each lane eight bytes, and the remainder, which the first has as the parameter. */
const words = [4, 5, 6] as const;
const remainders = [crc, 7, 8] as const;
const [word] = words;
const LOCALS = [2, 1, I32, 5, I64];

const get = (variable: number): number[] => [0x20, variable];
const set = (variable: number): number[] => [0x21, variable];
const i32 = (value: number): number[] => [0x41, ...signed(value)];
/** Below 64 the signed form of a constant is one byte. */
const i64 = (value: number): number[] => [0x42, value];
const loadWord = (offset: number): number[] => [0x29, 0, ...leb128(offset)];
const loadByte = [0x31, 0, 0];
/** Table k lies k * 2048 bytes behind the first of its eight. */
const loadRemainder = (table: number, firstAt: number): number[] => [
  ...[0x29, 3],
  ...leb128(firstAt + table * 2048),
];
const xor = 0x85;
const shiftLeft = 0x86;
const shiftRight = 0x88;
const addI32 = 0x6a;
const subtractI32 = 0x6b;
const isBelow = 0x49;
const isNotBelow = 0x4f;
const block = [0x02, 0x40];
const loop = [0x03, 0x40];
const leaveIf = [0x0d, 1];
const again = [0x0c, 0];
const againIf = [0x0d, 0];
const close = 0x0b;
/** The lowest byte of a word that was shifted by three less, as the offset of a remainder. */
const offsetOf = [0xa7, 0x41, 0xf8, 0x0f, 0x71];

/** What the byte `number` of a word contributes: seven others follow the first. */
function contribution(from: number, number: number, tablesAt: number): number[] {
  const shift = number === 0 ? [...i64(3), shiftLeft] : [...i64(8 * number - 3), shiftRight];
  return [...get(from), ...shift, ...offsetOf, ...loadRemainder(7 - number, tablesAt)];
}

/** Of `count` bytes: a tree, as a chain of additions would wait for each before the next. */
function sumOf(from: number, tablesAt: number, first = 0, count = 8): number[] {
  if (count === 1) return contribution(from, first, tablesAt);
  const half = count / 2;
  const left = sumOf(from, tablesAt, first, half);
  return [...left, ...sumOf(from, tablesAt, first + half, half), xor];
}

const advance = (count: number): number[] => [...get(at), ...i32(count), addI32, ...set(at)];

const eightBytesOfEachLane = [
  ...words.flatMap((one, lane) => [
    ...[...get(remainders[lane] ?? crc), ...get(at), ...loadWord(lane * LANE_BYTES), xor],
    ...set(one),
  ]),
  ...words.flatMap((one, lane) => [...sumOf(one, 0), ...set(remainders[lane] ?? crc)]),
];

const joinLanes = remainders
  .slice(1)
  .flatMap((next) => [...[...sumOf(crc, MOVE_AT), ...get(next), xor, ...set(crc)]]);

const threeLanesAtATime = [
  ...[...block, ...loop],
  ...[...get(end), ...get(at), subtractI32, ...i32(LANES * LANE_BYTES), isBelow, ...leaveIf],
  ...remainders.slice(1).flatMap((one) => [...i64(0), ...set(one)]),
  ...[...get(at), ...i32(LANE_BYTES), addI32, ...set(laneEnd)],
  ...[...loop, ...eightBytesOfEachLane, ...advance(8)],
  ...[...get(at), ...get(laneEnd), isBelow, ...againIf, close],
  ...joinLanes,
  ...advance((LANES - 1) * LANE_BYTES),
  ...[...again, close, close],
];

const eightBytesAtATime = [
  ...[...block, ...loop],
  ...[...get(end), ...get(at), subtractI32, ...i32(8), isBelow, ...leaveIf],
  ...[...get(crc), ...get(at), ...loadWord(0), xor, ...set(word)],
  ...[...sumOf(word, 0), ...set(crc)],
  ...advance(8),
  ...[...again, close, close],
];

const theRestByteByByte = [
  ...[...block, ...loop],
  ...[...get(at), ...get(end), isNotBelow, ...leaveIf],
  ...[...get(crc), ...get(at), ...loadByte, xor, ...i64(3), shiftLeft],
  ...[...offsetOf, ...loadRemainder(0, 0)],
  ...[...get(crc), ...i64(8), shiftRight, xor, ...set(crc)],
  ...advance(1),
  ...[...again, close, close],
];

/** A number in as few bytes as it takes, seven bits each, the lowest first. */
function leb128(value: number): number[] {
  return value < 128 ? [value] : [(value & 127) | 128, ...leb128(value >> 7)];
}

/** The same where numbers have a sign, which is bit 6 of the last byte. */
function signed(value: number): number[] {
  return value < 64 ? [value] : [(value & 127) | 128, ...signed(value >> 7)];
}

const sized = (bytes: readonly number[]): number[] => [...leb128(bytes.length), ...bytes];
const name = (text: string): number[] => sized([...text].map((letter) => letter.charCodeAt(0)));

function moduleBytes(): Uint8Array<ArrayBuffer> {
  const loops = [...threeLanesAtATime, ...eightBytesAtATime, ...theRestByteByByte];
  const body = [...LOCALS, ...loops, ...get(crc), close];
  const sections: readonly (readonly [id: number, content: number[]])[] = [
    [1, [1, 0x60, 3, I64, I32, I32, 1, I64]],
    [3, [1, 0]],
    [5, [1, 0, PAGES]],
    [7, [2, ...name('memory'), 2, 0, ...name('update'), 0, 0]],
    [10, [1, ...sized(body)]],
  ];
  const magicAndVersion = [0, 0x61, 0x73, 0x6d, 1, 0, 0, 0];
  const content = sections.flatMap(([id, bytes]) => [id, ...sized(bytes)]);
  return Uint8Array.from([...magicAndVersion, ...content]);
}

/** As much of it as is used here: the types of Node name no values of it. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: Record<string, unknown> };
  readonly Memory: abstract new () => { readonly buffer: ArrayBuffer };
};

/** Its memory, and the remainder after the bytes from `at` to `end` of it. */
export interface Crc64Module {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly update: (crc: bigint, at: number, end: number) => bigint;
}

/** A new instance, whose tables are still empty. */
export function crc64Module(): Crc64Module {
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(moduleBytes()));
  const { memory, update } = exports;
  if (!(memory instanceof WebAssembly.Memory) || typeof update !== 'function') {
    throw new TypeError('expected a module that exports its memory and a function');
  }
  return {
    memory,
    update(before, from, to) {
      const after: unknown = update(before, from, to);
      if (typeof after !== 'bigint') throw new TypeError(`expected 64 bits, got ${typeof after}`);
      return after;
    },
  };
}
