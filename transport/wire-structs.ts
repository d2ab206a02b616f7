import type { Decoder } from '../internal/msgpack/decode.ts';
import { Encoder, type TimeFormat } from '../internal/msgpack/encode.ts';
import { MsgpackError } from '../internal/msgpack/error.ts';
import { bool, bytes, type Field, int, Struct, uint } from '../internal/msgpack/struct.ts';
import { type Timestamp, ZERO_TIME } from '../internal/timestamp.ts';
import { isLogType, type Log, LogType } from '../raft/log.ts';
import type {
  AppendEntriesRequest,
  AppendEntriesResponse,
  InstallSnapshotRequest,
  InstallSnapshotResponse,
  RequestPreVoteRequest,
  RequestPreVoteResponse,
  RequestVoteRequest,
  RequestVoteResponse,
  TimeoutNowRequest,
} from '../raft/messages.ts';

/** More entries than this in one message are taken for damage; Go sends 1024 at most. */
export const MAX_ENTRIES = 65_536;

/** A message while its fields come in. */
export type Draft<T> = {
  -readonly [K in keyof T as K extends 'kind' | 'getRPCHeader' | 'rpcHeader' ? never : K]: T[K];
} & { rpcHeader: HeaderDraft };

interface HeaderDraft {
  protocolVersion: number;
  id: Uint8Array | null;
  addr: Uint8Array | null;
}

interface LogDraft {
  index: number;
  term: number;
  type: LogType;
  data: Uint8Array | null;
  extensions: Uint8Array | null;
  appendedAt: Timestamp;
}

/**
 * The fields of an entry name their property in code: thousands of entries a second go through
 * them, and a property that is only known by its name is looked up each time.
 */
const logFields: readonly Field<LogDraft>[] = [
  {
    key: 'Index',
    write: (to, from) => to.uint(from.index),
    read: (from, into) => {
      into.index = from.uint();
    },
  },
  {
    key: 'Term',
    write: (to, from) => to.uint(from.term),
    read: (from, into) => {
      into.term = from.uint();
    },
  },
  {
    key: 'Type',
    write: (to, from) => to.uint(from.type),
    read: (from, into) => {
      const value = from.uint();
      if (!isLogType(value)) throw new MsgpackError(`expected a log type of 0 to 5, got ${value}`);
      into.type = value;
    },
  },
  {
    key: 'Data',
    write: (to, from) => to.bytes(from.data),
    read: (from, into) => {
      into.data = from.bytes();
    },
  },
  {
    key: 'Extensions',
    write: (to, from) => to.bytes(from.extensions),
    read: (from, into) => {
      into.extensions = from.bytes();
    },
  },
  {
    key: 'AppendedAt',
    write: (to, from) => to.time(from.appendedAt),
    read: (from, into) => {
      into.appendedAt = from.time();
    },
  },
];

const logStruct = new Struct<LogDraft>(logFields);

/** The bytes of a key and all before it that every entry without extensions has in common. */
function keys(write: (to: Encoder) => void): Uint8Array {
  const to = new Encoder(64);
  write(to);
  return to.finish();
}

const BEFORE_TIME = keys((to) => {
  to.mapHeader(logFields.length);
  to.string('AppendedAt');
});
const BEFORE_DATA = keys((to) => to.string('Data'));
const BEFORE_INDEX = keys((to) => {
  to.string('Extensions');
  to.nil();
  to.string('Index');
});
const BEFORE_TERM = keys((to) => to.string('Term'));
const BEFORE_TYPE = keys((to) => to.string('Type'));

/** Writes just what {@link logStruct} writes, in fewer steps: most entries have no extensions. */
function writeLog(to: Encoder, log: Log): void {
  if (log.extensions !== null) {
    logStruct.write(to, log);
    return;
  }
  to.verbatim(BEFORE_TIME);
  to.time(log.appendedAt);
  to.verbatim(BEFORE_DATA);
  to.bytes(log.data);
  to.verbatim(BEFORE_INDEX);
  to.uint(log.index);
  to.verbatim(BEFORE_TERM);
  to.uint(log.term);
  to.verbatim(BEFORE_TYPE);
  to.uint(log.type);
}

function readLog(from: Decoder): Log {
  return logStruct.read(from, {
    index: 0,
    term: 0,
    type: LogType.LogCommand,
    data: null,
    extensions: null,
    appendedAt: ZERO_TIME,
  });
}

interface Headed {
  rpcHeader: HeaderDraft;
}

/** Go embeds the header: its fields stand beside the message's own. */
const header: readonly Field<Headed>[] = [
  int('ProtocolVersion', 'protocolVersion'),
  bytes('ID', 'id'),
  bytes('Addr', 'addr'),
].map(
  (field: Field<HeaderDraft>): Field<Headed> => ({
    key: field.key,
    write: (to, from) => field.write(to, from.rpcHeader),
    read: (from, into) => field.read(from, into.rpcHeader),
  }),
);

/** A header with nothing in it yet. */
export function headerDraft(): HeaderDraft {
  return { protocolVersion: 0, id: null, addr: null };
}

interface Entries {
  entries: readonly Log[] | null;
}

const entries: Field<Entries> = {
  key: 'Entries',
  write: writeEntries,
  read: (from, into) => {
    const count = from.arrayHeader(MAX_ENTRIES);
    const logs: Log[] = [];
    for (let i = 0; i < count; i += 1) logs.push(readLog(from));
    into.entries = count < 0 ? null : logs;
  },
};

/**
 * The entries that were written last: a leader sends the same ones to each follower, and gives the
 * second what it wrote for the first, as it is when it is large. Entries are never changed.
 */
class NewestEntries {
  #bytes: Uint8Array = new Uint8Array(0);
  #logs: readonly Log[] = [];
  #timeFormat: TimeFormat = 'binary';

  /** What was written of just these entries, if they were the last. */
  find(logs: readonly Log[], timeFormat: TimeFormat): Uint8Array | null {
    if (logs.length !== this.#logs.length || timeFormat !== this.#timeFormat) return null;
    for (let i = 0; i < logs.length; i += 1) if (logs[i] !== this.#logs[i]) return null;
    return this.#bytes;
  }

  keep(logs: readonly Log[], to: Encoder, start: number): void {
    this.#logs = logs;
    this.#timeFormat = to.timeFormat;
    this.#bytes = to.since(start);
  }
}

const newest = new NewestEntries();

/** True when just these entries were written last: they take no room a second time. */
export function areNewest(logs: readonly Log[], timeFormat: TimeFormat): boolean {
  return newest.find(logs, timeFormat) !== null;
}

function writeEntries(to: Encoder, from: Entries): void {
  if (from.entries === null) {
    to.nil();
    return;
  }
  if (from.entries.length === 0) {
    to.arrayHeader(0);
    return;
  }
  const before = newest.find(from.entries, to.timeFormat);
  if (before !== null) {
    to.encoded(before);
    return;
  }
  const start = to.length;
  to.arrayHeader(from.entries.length);
  for (const log of from.entries) writeLog(to, log);
  if (to.hasCopiedAll) newest.keep([...from.entries], to, start);
}

/** Each message with its fields in the order of Go's declaration. */
export const structs = {
  log: logStruct,
  appendEntriesRequest: new Struct<Draft<AppendEntriesRequest>>([
    ...header,
    uint('Term', 'term'),
    bytes('Leader', 'leader'),
    uint('PrevLogEntry', 'prevLogEntry'),
    uint('PrevLogTerm', 'prevLogTerm'),
    entries,
    uint('LeaderCommitIndex', 'leaderCommitIndex'),
  ]),
  appendEntriesResponse: new Struct<Draft<AppendEntriesResponse>>([
    ...header,
    uint('Term', 'term'),
    uint('LastLog', 'lastLog'),
    bool('Success', 'success'),
    bool('NoRetryBackoff', 'noRetryBackoff'),
  ]),
  requestVoteRequest: new Struct<Draft<RequestVoteRequest>>([
    ...header,
    uint('Term', 'term'),
    bytes('Candidate', 'candidate'),
    uint('LastLogIndex', 'lastLogIndex'),
    uint('LastLogTerm', 'lastLogTerm'),
    bool('LeadershipTransfer', 'leadershipTransfer'),
  ]),
  requestVoteResponse: new Struct<Draft<RequestVoteResponse>>([
    ...header,
    uint('Term', 'term'),
    bytes('Peers', 'peers'),
    bool('Granted', 'granted'),
  ]),
  requestPreVoteRequest: new Struct<Draft<RequestPreVoteRequest>>([
    ...header,
    uint('Term', 'term'),
    uint('LastLogIndex', 'lastLogIndex'),
    uint('LastLogTerm', 'lastLogTerm'),
  ]),
  requestPreVoteResponse: new Struct<Draft<RequestPreVoteResponse>>([
    ...header,
    uint('Term', 'term'),
    bool('Granted', 'granted'),
  ]),
  installSnapshotRequest: new Struct<Draft<InstallSnapshotRequest>>([
    ...header,
    int('SnapshotVersion', 'snapshotVersion'),
    uint('Term', 'term'),
    bytes('Leader', 'leader'),
    uint('LastLogIndex', 'lastLogIndex'),
    uint('LastLogTerm', 'lastLogTerm'),
    bytes('Peers', 'peers'),
    bytes('Configuration', 'configuration'),
    uint('ConfigurationIndex', 'configurationIndex'),
    int('Size', 'size'),
  ]),
  installSnapshotResponse: new Struct<Draft<InstallSnapshotResponse>>([
    ...header,
    uint('Term', 'term'),
    bool('Success', 'success'),
  ]),
  /** The request and the response of TimeoutNow: a header and nothing else. */
  timeoutNow: new Struct<Draft<TimeoutNowRequest>>(header),
};
