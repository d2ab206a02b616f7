import { Packr } from 'msgpackr';
import { asError, RaftError } from '../../raft/errors.ts';

/** What the store takes; requests beyond it are refused before anything is proposed. */
export const limits = Object.freeze({
  /** Longest key, in bytes of UTF-8. */
  keyBytes: 512,
  /** Largest value: hashicorp's advice for one log entry. */
  valueBytes: 512 * 1024,
  /** Largest NDJSON batch as it is sent, in bytes. */
  batchBytes: 1024 * 1024,
  /** Most lines of one batch. */
  batchLines: 1000,
});

/** Stores a value under a key. */
export interface SetCommand {
  readonly op: 'set';
  readonly key: string;
  readonly value: Uint8Array;
}

/** Forgets a key. */
export interface DeleteCommand {
  readonly op: 'delete';
  readonly key: string;
}

/** Changes of one log entry: all take effect, or none. */
export interface BatchCommand {
  readonly op: 'batch';
  readonly commands: readonly (SetCommand | DeleteCommand)[];
}

/** Where a member serves HTTP, so that every node can redirect to it; `null` forgets the member. */
export interface MemberCommand {
  readonly op: 'member';
  readonly id: string;
  readonly http: string | null;
}

/** What the log of this store holds. */
export type Command = SetCommand | DeleteCommand | BatchCommand | MemberCommand;

/** The first element of an encoded command. The numbers are on disk: never change one. */
const opcodes = Object.freeze({ set: 0, delete: 1, batch: 2, member: 3 });

const packr = new Packr({ useRecords: false });

function toTuple(command: Command): readonly unknown[] {
  switch (command.op) {
    case 'set':
      return [opcodes.set, command.key, command.value];
    case 'delete':
      return [opcodes.delete, command.key];
    case 'batch':
      return [opcodes.batch, command.commands.map(toTuple)];
    case 'member':
      return [opcodes.member, command.id, command.http];
  }
}

/** The bytes of a log entry's data. */
export function encodeCommand(command: Command): Uint8Array {
  return packr.pack(toTuple(command));
}

function malformed(what: string, cause?: Error): RaftError {
  return new RaftError('ERR_KV_MALFORMED_COMMAND', `malformed command: ${what}`, { cause });
}

function changeOf(tuple: unknown): SetCommand | DeleteCommand | undefined {
  if (!Array.isArray(tuple)) return undefined;
  const [opcode, key, value]: unknown[] = tuple;
  if (typeof key !== 'string') return undefined;
  if (opcode === opcodes.delete) return { op: 'delete', key };
  if (opcode === opcodes.set && value instanceof Uint8Array) return { op: 'set', key, value };
  return undefined;
}

function changesOf(tuples: unknown): BatchCommand {
  if (!Array.isArray(tuples)) throw malformed('expected an array of changes in a batch');
  const commands = tuples.map((tuple, at) => {
    const change = changeOf(tuple);
    if (change === undefined) throw malformed(`expected a set or a delete as change ${at}`);
    return change;
  });
  return { op: 'batch', commands };
}

/**
 * Reads what {@link encodeCommand} wrote. A set's value is a view into memory shared with `bytes`.
 *
 * @throws RaftError `ERR_KV_MALFORMED_COMMAND` for anything else
 */
export function decodeCommand(bytes: Uint8Array): Command {
  let tuple: unknown;
  try {
    tuple = packr.unpack(bytes);
  } catch (error) {
    throw malformed('expected one MessagePack array', asError(error));
  }
  const change = changeOf(tuple);
  if (change !== undefined) return change;
  if (!Array.isArray(tuple)) throw malformed(`expected an array, got ${typeof tuple}`);
  const [opcode, first, second]: unknown[] = tuple;
  if (opcode === opcodes.batch) return changesOf(first);
  if (opcode === opcodes.member && typeof first === 'string') {
    if (second === null || typeof second === 'string') {
      return { op: 'member', id: first, http: second };
    }
  }
  throw malformed(`expected a set, delete, batch or member, got operation ${String(opcode)}`);
}

/** True for text without lone surrogates, which UTF-8 cannot carry. */
export function isWellFormed(text: string): boolean {
  return !/\p{Surrogate}/u.test(text);
}

/** Says what is wrong with a key, `undefined` when nothing is. */
export function keyProblem(key: string): string | undefined {
  if (!isWellFormed(key)) return 'expected a key of well-formed Unicode';
  const sizeBytes = Buffer.byteLength(key);
  if (sizeBytes >= 1 && sizeBytes <= limits.keyBytes) return undefined;
  return `expected a key of 1 to ${limits.keyBytes} bytes, got ${sizeBytes}`;
}

/** Says what is wrong with a value's size, `undefined` when nothing is. */
export function valueProblem(sizeBytes: number): string | undefined {
  if (sizeBytes <= limits.valueBytes) return undefined;
  return `expected a value of at most ${limits.valueBytes} bytes, got ${sizeBytes}`;
}
