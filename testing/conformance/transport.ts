import { assert } from '../../internal/assert.ts';
import { bytesEqual, concatBytes, utf8 } from '../../internal/bytes.ts';
import { Timestamp } from '../../internal/timestamp.ts';
import { ErrPipelineShutdown, ErrTransportShutdown } from '../../raft/errors.ts';
import type { Log, MaybePromise } from '../../raft/log.ts';
import {
  AppendEntriesRequest,
  AppendEntriesResponse,
  InstallSnapshotRequest,
  InstallSnapshotResponse,
  RequestPreVoteRequest,
  RequestPreVoteResponse,
  RequestVoteRequest,
  RequestVoteResponse,
  type RPCReply,
  TimeoutNowRequest,
  TimeoutNowResponse,
} from '../../raft/messages.ts';
import { type RPC, supportsClose, supportsPreVote, type Transport } from '../../raft/transport.ts';
import { assertSame, type ConformanceCase, failureOf } from './conformance.ts';

/** Two transports, the first of which can reach the second by its `localAddr()`. */
export interface TransportPair {
  /** Sends requests. */
  readonly caller: Transport;
  /** Receives them. */
  readonly server: Transport;
}

/** How the suite gets at the transports under test. Each case opens a pair of its own. */
export interface TransportFactory {
  /** Two new transports. */
  open(): MaybePromise<TransportPair>;
  /** Ends both; they may have been closed already. */
  close(pair: TransportPair): MaybePromise<void>;
}

type Check = (pair: TransportPair) => Promise<void>;

const rpcHeader = { protocolVersion: 3, id: utf8('caller'), addr: utf8('cartman') };
const appendedAt = new Timestamp(1_700_000_000, 123_456_789, 3600);

function entry(index: number, data: Uint8Array): Log {
  return { index, term: 4, type: 0, data, extensions: null, appendedAt };
}

function appendRequest(prevLogEntry = 100): AppendEntriesRequest {
  const entries = [
    entry(prevLogEntry + 1, utf8('first')),
    entry(prevLogEntry + 2, new Uint8Array(0)),
  ];
  return new AppendEntriesRequest({
    rpcHeader,
    term: 10,
    prevLogEntry,
    prevLogTerm: 4,
    entries,
    leaderCommitIndex: 90,
  });
}

function appendResponse(lastLog: number): AppendEntriesResponse {
  return new AppendEntriesResponse({ rpcHeader, term: 4, lastLog, success: true });
}

/** A value as text that is the same for equal values only. */
function textOf(value: unknown): string {
  return JSON.stringify(value, (_key, part: unknown) =>
    part instanceof Uint8Array ? [...part] : part,
  );
}

function assertEqual(what: string, actual: unknown, expected: unknown): void {
  assertSame(what, textOf(actual), textOf(expected));
}

async function nextRequest(server: Transport): Promise<RPC> {
  const next = await server.consumer().receive();
  assert(next.done !== true, 'expected a request, got the end of the consumer');
  return next.value;
}

/** Answers the next request and gives back what it was. */
async function answerNext(server: Transport, reply: RPCReply): Promise<unknown> {
  const rpc = await nextRequest(server);
  rpc.respond(reply, null);
  return rpc.command;
}

/** A call whose request must arrive, and whose reply must come back, as they were sent. */
async function exchange<Q, A extends RPCReply>(
  server: Transport,
  request: Q,
  reply: A,
  call: (request: Q) => Promise<A>,
): Promise<void> {
  const answering = answerNext(server, reply);
  const answer = await call(request);
  assertEqual('request', await answering, request);
  assertEqual('reply', answer, reply);
}

async function* chunks(...parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}

const calls: Readonly<Record<string, Check>> = {
  'AppendEntries arrives and is answered': ({ caller, server }) =>
    exchange(server, appendRequest(), appendResponse(90), (request) =>
      caller.appendEntries('id', server.localAddr(), request),
    ),

  'no entries and nil entries stay apart': async ({ caller, server }) => {
    for (const entries of [[], null]) {
      const request = new AppendEntriesRequest({ rpcHeader, term: 1, prevLogEntry: 1, entries });
      await exchange(server, request, appendResponse(1), (args) =>
        caller.appendEntries('id', server.localAddr(), args),
      );
    }
  },

  'RequestVote arrives and is answered': ({ caller, server }) => {
    const request = new RequestVoteRequest({
      rpcHeader,
      term: 20,
      candidate: utf8('butters'),
      lastLogIndex: 100,
      lastLogTerm: 19,
      leadershipTransfer: true,
    });
    const reply = new RequestVoteResponse({ rpcHeader, term: 100, granted: true });
    return exchange(server, request, reply, (args) =>
      caller.requestVote('id', server.localAddr(), args),
    );
  },

  'RequestPreVote arrives and is answered': async ({ caller, server }) => {
    if (!supportsPreVote(caller)) return;
    const request = new RequestPreVoteRequest({ rpcHeader, term: 20, lastLogIndex: 1 });
    const reply = new RequestPreVoteResponse({ rpcHeader, term: 100, granted: true });
    await exchange(server, request, reply, (args) =>
      caller.requestPreVote('id', server.localAddr(), args),
    );
  },

  'TimeoutNow arrives and is answered': ({ caller, server }) =>
    exchange(
      server,
      new TimeoutNowRequest({ rpcHeader }),
      new TimeoutNowResponse({ rpcHeader }),
      (args) => caller.timeoutNow('id', server.localAddr(), args),
    ),

  'the error of an answer keeps its text': async ({ caller, server }) => {
    const failing = failureOf('the call', () =>
      caller.appendEntries('id', server.localAddr(), appendRequest()),
    );
    const rpc = await nextRequest(server);
    rpc.respond(null, new Error('100% unexpected: ünïcode'));
    const failure = await failing;
    assert(failure instanceof Error, `expected an Error, got ${String(failure)}`);
    assertSame('text', failure.message, '100% unexpected: ünïcode');
    // The way is still open.
    await exchange(server, appendRequest(), appendResponse(1), (request) =>
      caller.appendEntries('id', server.localAddr(), request),
    );
  },

  'calls under way at the same time each get their own answer': async ({ caller, server }) => {
    const asked = Array.from({ length: 8 }, (_, i) =>
      caller.appendEntries('id', server.localAddr(), appendRequest(i)),
    );
    const requests: RPC[] = [];
    while (requests.length < asked.length) requests.push(await nextRequest(server));
    for (const rpc of requests.reverse()) {
      assert(rpc.command.kind === 'AppendEntriesRequest', `got a ${rpc.command.kind}`);
      rpc.respond(appendResponse(rpc.command.prevLogEntry), null);
    }
    const answers = await Promise.all(asked);
    assertEqual(
      'answers',
      answers.map((answer) => answer.lastLog),
      [0, 1, 2, 3, 4, 5, 6, 7],
    );
  },

  'what the receiver gets is its own': async ({ caller, server }) => {
    const data = utf8('unharmed');
    const request = new AppendEntriesRequest({ rpcHeader, term: 1, entries: [entry(1, data)] });
    const calling = caller.appendEntries('id', server.localAddr(), request);
    const { command, respond } = await nextRequest(server).then((rpc) => ({
      command: rpc.command,
      respond: () => rpc.respond(appendResponse(1), null),
    }));
    assert(command.kind === 'AppendEntriesRequest', `got a ${command.kind}`);
    command.entries?.[0]?.data?.fill(0);
    respond();
    await calling;
    assertEqual('data of the sender', data, utf8('unharmed'));
  },

  'an address survives encodePeer and decodePeer': async ({ caller, server }) => {
    const address = server.localAddr();
    assertSame('address', caller.decodePeer(caller.encodePeer('id', address)), address);
  },
};

const snapshots: Readonly<Record<string, Check>> = {
  'InstallSnapshot brings exactly its bytes': async ({ caller, server }) => {
    for (const size of [0, 10, 3_000_000]) {
      const state = new Uint8Array(size).map((_, i) => i % 251);
      const half = Math.floor(size / 2);
      const request = new InstallSnapshotRequest({ rpcHeader, term: 10, lastLogIndex: 100, size });
      const calling = caller.installSnapshot(
        'id',
        server.localAddr(),
        request,
        chunks(state.slice(0, half), state.slice(half)),
      );
      const rpc = await nextRequest(server);
      assertEqual('request', rpc.command, request);
      assert(rpc.reader !== null, 'expected a reader, got none');
      const parts: Uint8Array[] = [];
      for await (const part of rpc.reader) parts.push(part);
      assert(bytesEqual(concatBytes(parts), state), `the ${size} bytes came out changed`);
      const reply = new InstallSnapshotResponse({ rpcHeader, term: 10, success: true });
      rpc.respond(reply, null);
      assertEqual('reply', await calling, reply);
    }
  },

  'a snapshot may be answered before it is read': async ({ caller, server }) => {
    const request = new InstallSnapshotRequest({ rpcHeader, term: 10, size: 2_000_000 });
    const calling = caller.installSnapshot(
      'id',
      server.localAddr(),
      request,
      chunks(new Uint8Array(1_000_000), new Uint8Array(1_000_000)),
    );
    const rpc = await nextRequest(server);
    const reply = new InstallSnapshotResponse({ rpcHeader, term: 11 });
    rpc.respond(reply, null);
    assertEqual('reply', await calling, reply);
  },
};

const pipelines: Readonly<Record<string, Check>> = {
  'a pipeline answers ten requests in their order': async ({ caller, server }) => {
    const pipeline = await caller.appendEntriesPipeline('id', server.localAddr());
    const serving = (async () => {
      for (let i = 0; i < 10; i += 1) {
        assertEqual('request', await answerNext(server, appendResponse(i)), appendRequest(i));
      }
    })();
    const consuming = (async () => {
      for (let i = 0; i < 10; i += 1) {
        const next = await pipeline.consumer().receive();
        assert(next.done !== true, 'the consumer ended early');
        assertSame('error', await next.value.error(), null);
        assertSame('response', next.value.response().lastLog, i);
        assertEqual('request', next.value.request(), appendRequest(i));
      }
    })();
    for (let i = 0; i < 10; i += 1) await pipeline.appendEntries(appendRequest(i));
    await Promise.all([serving, consuming]);
    await pipeline.close();
  },

  'closing a pipeline fails what is in flight': async ({ caller, server }) => {
    const pipeline = await caller.appendEntriesPipeline('id', server.localAddr());
    const future = await pipeline.appendEntries(appendRequest());
    await pipeline.close();
    assertSame('error', await future.error(), ErrPipelineShutdown);
    const next = await pipeline.consumer().receive();
    assert(next.done === true, 'expected the end of the consumer, got a future');
    const failure = await failureOf('a send', () => pipeline.appendEntries(appendRequest()));
    assertSame('send after close', failure, ErrPipelineShutdown);
    await pipeline.close();
  },
};

const endings: Readonly<Record<string, Check>> = {
  'close ends calls under way, and the consumer': async ({ caller, server }) => {
    if (!supportsClose(caller)) return;
    const failing = failureOf('the call', () =>
      caller.appendEntries('id', server.localAddr(), appendRequest()),
    );
    await nextRequest(server);
    const consumed = caller.consumer().receive();
    await caller.close();
    assertSame('call under way', await failing, ErrTransportShutdown);
    assertSame('end of the consumer', (await consumed).done, true);
    const after = await failureOf('a call', () =>
      caller.appendEntries('id', server.localAddr(), appendRequest()),
    );
    assertSame('call after close', after, ErrTransportShutdown);
    await caller.close();
  },

  'a peer that is closed cannot be reached': async ({ caller, server }) => {
    if (!supportsClose(server)) return;
    const address = server.localAddr();
    await server.close();
    const failure = await failureOf('the call', () =>
      caller.appendEntries('id', address, appendRequest()),
    );
    assert(failure instanceof Error, `expected an Error, got ${String(failure)}`);
  },
};

/**
 * What every transport must do: messages arrive as they were sent, errors keep their text,
 * pipelines their order, and nothing under way is left hanging when something closes.
 */
export function transportConformance(factory: TransportFactory): ConformanceCase[] {
  return Object.entries({ ...calls, ...snapshots, ...pipelines, ...endings }).map(
    ([name, check]) => ({
      name,
      async run() {
        const pair = await factory.open();
        try {
          await check(pair);
        } finally {
          await factory.close(pair);
        }
      },
    }),
  );
}
