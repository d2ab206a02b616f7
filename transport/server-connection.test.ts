import { beforeEach, describe, expect, it } from 'vitest';
import { concatBytes, utf8 } from '../internal/bytes.ts';
import { systemClock } from '../internal/clock.ts';
import { Encoder } from '../internal/msgpack/encode.ts';
import type { LogFields } from '../raft/logger.ts';
import { silentLogger } from '../raft/logger.ts';
import {
  AppendEntriesRequest,
  AppendEntriesResponse,
  InstallSnapshotRequest,
  InstallSnapshotResponse,
  type RPCReply,
  TimeoutNowRequest,
  TimeoutNowResponse,
} from '../raft/messages.ts';
import type { RPC } from '../raft/transport.ts';
import { Inbox } from './inbox.ts';
import { silentNetInstruments } from './net-telemetry.ts';
import { ServerConnection } from './server-connection.ts';
import type { StreamConnection } from './stream-layer.ts';
import { encodeRequest, writeAnswer } from './wire.ts';

/** The far end of a connection, held by the test. */
class FakeStream implements StreamConnection {
  readonly localAddress = 'local:1';
  readonly remoteAddress = 'remote:1';
  readonly closed = Promise.resolve();
  readonly writes: Uint8Array[] = [];
  readonly events: string[] = [];
  hasRoom = true;
  start(): void {}
  write(chunk: Uint8Array): boolean {
    this.writes.push(chunk);
    return this.hasRoom;
  }
  pause(): void {
    this.events.push('pause');
  }
  resume(): void {
    this.events.push('resume');
  }
  end(): void {
    this.events.push('end');
  }
  destroy(): void {
    this.events.push('destroy');
  }
}

let stream: FakeStream;
let inbox: Inbox;
let errors: [LogFields, string][];
let heartbeats: ((rpc: RPC) => void) | null;
let connection: ServerConnection;

function serve(capacity = 1000): void {
  inbox = new Inbox(capacity);
  connection = new ServerConnection(stream, {
    inbox,
    clock: systemClock,
    logger: {
      ...silentLogger,
      error: (fields: LogFields, message: string) => errors.push([fields, message]),
    },
    timeFormat: 'binary',
    heartbeatHandler: () => heartbeats,
    instruments: () => silentNetInstruments,
  });
}

beforeEach(() => {
  stream = new FakeStream();
  errors = [];
  heartbeats = null;
  serve();
});

function append(term: number, prevLogEntry = 1): Uint8Array {
  return encodeRequest(new AppendEntriesRequest({ term, prevLogEntry }));
}

function snapshotOf(size: number): Uint8Array {
  return encodeRequest(new InstallSnapshotRequest({ size }));
}

/** The requests that have been handed over and not been taken. */
function taken(): RPC[] {
  const all: RPC[] = [];
  for (let next = inbox.tryReceive(); next !== undefined; next = inbox.tryReceive()) {
    all.push(next.value);
  }
  return all;
}

function one(): RPC {
  return taken()[0] ?? expect.fail('no request was handed over');
}

function terms(rpcs: readonly RPC[]): unknown[] {
  return rpcs.map(({ command }) => ('term' in command ? command.term : command.kind));
}

function answered(...replies: readonly (RPCReply | Error)[]): Uint8Array {
  const to = new Encoder();
  for (const reply of replies) {
    const isError = reply instanceof Error;
    writeAnswer(to, { error: isError ? reply : null, response: isError ? null : reply });
  }
  return to.finish();
}

const ok = (term: number) => new AppendEntriesResponse({ term });
const turn = () => new Promise((resolve) => setImmediate(() => setImmediate(resolve)));

describe('requests', () => {
  it('are handed over before answers are there, which leave in their order (S184)', async () => {
    connection.received(concatBytes([append(1), append(2), append(3)]));
    const [first, second, third] = taken();
    third?.respond(ok(3), null);
    second?.respond(ok(2), null);
    await turn();
    expect(stream.writes).toEqual([]);
    first?.respond(ok(1), null);
    await turn();
    expect(stream.writes).toEqual([answered(ok(1), ok(2), ok(3))]);
  });

  it('are read ahead up to 64', async () => {
    connection.received(concatBytes(Array.from({ length: 70 }, (_, i) => append(i))));
    const requests = taken();
    expect(requests).toHaveLength(64);
    requests[1]?.respond(ok(1), null);
    await turn();
    expect(taken()).toHaveLength(0);
    requests[0]?.respond(ok(0), null);
    await turn();
    expect(terms(taken())).toEqual([64, 65]);
  });

  it('are read ahead up to 4 MiB, and the peer is made to wait', async () => {
    const data = new Uint8Array(1_500_000);
    const entry = { index: 1, term: 1, type: 0, extensions: null } as const;
    const appendedAt = systemClock.wallTime();
    const request = (term: number) =>
      encodeRequest(new AppendEntriesRequest({ term, entries: [{ ...entry, data, appendedAt }] }));
    for (let term = 1; term <= 4; term += 1) connection.received(request(term));
    const requests = taken();
    expect(terms(requests)).toEqual([1, 2, 3]);
    expect(stream.events).toEqual(['pause']);
    requests[0]?.respond(ok(1), null);
    await turn();
    expect(terms(taken())).toEqual([4]);
    expect(stream.events).toEqual(['pause', 'resume']);
  });

  it('wait while the peer takes no answers', async () => {
    stream.hasRoom = false;
    connection.received(append(1));
    one().respond(ok(1), null);
    await turn();
    connection.received(append(2));
    expect(taken()).toEqual([]);
    connection.drained();
    expect(terms(taken())).toEqual([2]);
  });

  it('may be answered with an error, or with both', async () => {
    connection.received(append(1));
    one().respond(null, new Error('no'));
    await turn();
    expect(stream.writes).toEqual([answered(new Error('no'))]);
  });

  it('with an answer that has no encoding end the connection', async () => {
    connection.received(append(1));
    one().respond(ok(-1), null);
    await turn();
    expect(errors.map(([, message]) => message)).toEqual(['failed to flush response']);
    expect(stream.events).toContain('destroy');
  });
});

describe('heartbeats', () => {
  const beat = encodeRequest(new AppendEntriesRequest({ term: 1, leader: utf8('leader') }));

  it('go to the handler beside all others', async () => {
    heartbeats = (rpc) => rpc.respond(ok(9), null);
    connection.received(concatBytes([beat, append(2)]));
    await turn();
    expect(stream.writes).toEqual([answered(ok(9))]);
    expect(terms(taken())).toEqual([2]);
  });

  it('go the way of all requests without one', () => {
    connection.received(beat);
    expect(terms(taken())).toEqual([1]);
  });

  it('whose handler throws are answered with the error', async () => {
    heartbeats = () => {
      throw new Error('handler');
    };
    connection.received(beat);
    await turn();
    expect(stream.writes).toEqual([answered(new Error('handler'))]);
    expect(errors).toEqual([]);
  });
});

describe('a snapshot', () => {
  const done = new InstallSnapshotResponse({ success: true });

  async function read(rpc: RPC): Promise<string> {
    const parts: Uint8Array[] = [];
    for await (const part of rpc.reader ?? expect.fail('no reader')) parts.push(part);
    return Buffer.from(concatBytes(parts)).toString();
  }

  it('stops the reading ahead; what follows it is the next request', async () => {
    connection.received(concatBytes([append(1), snapshotOf(5), utf8('sta')]));
    const [first, snapshot] = taken();
    const state = read(snapshot ?? expect.fail('no snapshot'));
    connection.received(concatBytes([utf8('te'), append(2)]));
    expect(await state).toBe('state');
    expect(taken()).toEqual([]);
    snapshot?.respond(done, null);
    first?.respond(ok(1), null);
    await turn();
    expect(stream.writes).toEqual([answered(ok(1), done)]);
    expect(terms(taken())).toEqual([2]);
  });

  it('that is answered early is read to its end before the answer leaves (S119)', async () => {
    connection.received(concatBytes([snapshotOf(10), utf8('12345')]));
    const rpc = one();
    rpc.respond(done, null);
    await turn();
    expect(stream.writes).toEqual([]);
    connection.received(concatBytes([utf8('67890'), append(2)]));
    await turn();
    expect(stream.writes).toEqual([answered(done)]);
    expect(terms(taken())).toEqual([2]);
    await expect(read(rpc)).rejects.toMatchObject({ code: 'ERR_SNAPSHOT_ABANDONED' });
  });

  it('that nobody reads makes the peer wait', async () => {
    connection.received(snapshotOf(3_000_000));
    const rpc = one();
    connection.received(new Uint8Array(1_200_000));
    expect(stream.events).toEqual(['pause']);
    const reader = (rpc.reader ?? expect.fail('no reader'))[Symbol.asyncIterator]();
    expect((await reader.next()).value).toHaveLength(1_200_000);
    expect(stream.events).toEqual(['pause', 'resume']);
  });

  it('is given in the chunks in which it came, however many wait', async () => {
    const chunks = [1, 2, 3].map((byte) => new Uint8Array(1000).fill(byte));
    connection.received(snapshotOf(2500));
    for (const chunk of chunks) connection.received(chunk);
    const { reader } = one();
    const read: Uint8Array[] = [];
    for await (const chunk of reader ?? []) read.push(chunk);
    expect(read.map(({ length }) => length)).toEqual([1000, 1000, 500]);
    expect(read.every(({ buffer }, at) => buffer === chunks[at]?.buffer)).toBe(true);
  });

  it('in crumbs makes the peer wait sooner: each takes more memory than it has bytes', () => {
    connection.received(snapshotOf(1024 * 1024));
    for (let i = 0; i < 2000; i += 1) connection.received(Uint8Array.of(i));
    expect(stream.events).toEqual([]);
    for (let i = 0; i < 100; i += 1) connection.received(Uint8Array.of(i));
    expect(stream.events).toEqual(['pause']);
  });

  it('that ends early fails its reader, and closes the connection when answered', async () => {
    connection.received(concatBytes([snapshotOf(10), utf8('1234')]));
    const rpc = one();
    const state = read(rpc);
    connection.ended();
    await expect(state).rejects.toThrow('unexpected EOF: expected a snapshot of 10 bytes, got 4');
    rpc.respond(null, new Error('short'));
    await turn();
    expect(stream.events).toContain('end');
    expect(errors).toEqual([]);
  });

  it('cannot be read any more once it was answered', async () => {
    connection.received(snapshotOf(10));
    const rpc = one();
    const state = read(rpc);
    rpc.respond(done, null);
    await expect(state).rejects.toThrow('the snapshot was answered before it was read');
  });

  it('of no bytes is over at once', async () => {
    connection.received(concatBytes([snapshotOf(0), append(2)]));
    const rpc = one();
    expect(await read(rpc)).toBe('');
    rpc.respond(done, null);
    await turn();
    expect(terms(taken())).toEqual([2]);
  });
});

describe('the end', () => {
  const lines = () => errors.map(([{ error }, message]) => [message, String(error)]);

  it.each([
    ['an unknown type', [9, 0x80], 'unknown rpc type 9'],
    ['no struct', [0, 0xa1], 'expected a struct as a map or an array, got 0xa1'],
    ['a byte that starts nothing', [0, 0x81, 0xc1], 'expected the first byte of a value, got 0xc1'],
    ['a lying length', [0, 0xdd, 255, 255, 255, 255], 'expected a message of at most'],
    ['a field of the wrong kind', [0, 0x81, 0xa4, 84, 101, 114, 109, 0xa0], 'Term: expected a'],
  ])('comes with one line for %s (S184)', (_what, garbage, text) => {
    connection.received(new Uint8Array([...garbage, ...append(1)]));
    connection.received(append(2));
    expect(lines()).toEqual([['failed to decode incoming command', expect.stringContaining(text)]]);
    expect(stream.events).toEqual(['destroy']);
    expect(taken()).toEqual([]);
  });

  it('is silent between requests (S184)', () => {
    connection.ended();
    expect(stream.events).toEqual(['end']);
    expect(errors).toEqual([]);
  });

  it('within a request has one line (S184)', () => {
    connection.received(append(1).slice(0, -1));
    connection.ended();
    expect(lines()).toEqual([
      ['failed to decode incoming command', expect.stringContaining('unexpected EOF')],
    ]);
  });

  it('of what the peer sends still lets it have its answers', async () => {
    connection.received(append(1));
    connection.ended();
    expect(stream.events).toEqual([]);
    one().respond(ok(1), null);
    await turn();
    expect(stream.writes).toEqual([answered(ok(1))]);
    expect(stream.events).toEqual(['end']);
  });

  it('takes back a request that the node had no room for', () => {
    serve(1);
    connection.received(concatBytes([append(1), append(2), append(3)]));
    connection.ended();
    expect(terms(taken())).toEqual([1]);
  });

  it('leaves nobody waiting at a node that reads nothing', () => {
    serve(0);
    connection.received(append(1));
    connection.destroy();
    expect(taken()).toEqual([]);
    expect(stream.events).toEqual(['destroy']);
  });

  it('by drain comes after the answers that are due, takes nothing new (S187)', async () => {
    connection.received(encodeRequest(new TimeoutNowRequest({})));
    connection.drain();
    connection.received(append(2));
    const rpc = one();
    expect(stream.events).toEqual([]);
    rpc.respond(new TimeoutNowResponse(), null);
    await turn();
    expect(stream.writes).toEqual([answered(new TimeoutNowResponse())]);
    expect(stream.events).toEqual(['end']);
    expect(taken()).toEqual([]);
  });

  it('makes later answers go nowhere', async () => {
    connection.received(append(1));
    const rpc = one();
    connection.destroy();
    rpc.respond(ok(1), null);
    await turn();
    expect(stream.writes).toEqual([]);
  });

  it('by a broken connection has one line', () => {
    connection.failed(new Error('read ECONNRESET'));
    connection.failed(new Error('again'));
    expect(lines()).toEqual([['failed to decode incoming command', 'Error: read ECONNRESET']]);
  });
});
