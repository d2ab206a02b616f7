import { assert } from '../../internal/assert.ts';
import { utf8 } from '../../internal/bytes.ts';
import { Timestamp } from '../../internal/timestamp.ts';
import type { Log, MaybePromise } from '../../raft/log.ts';
import { AppendEntriesRequest, AppendEntriesResponse, type RPCReply } from '../../raft/messages.ts';
import type { RPC, Transport } from '../../raft/transport.ts';
import { assertSame } from './conformance.ts';

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
  /** Time after which a case has failed, in milliseconds. Default 30,000. */
  readonly limit?: number;
}

/** One case: what must hold, and the check of it. */
export interface TransportCase {
  readonly name: string;
  readonly check: (pair: TransportPair) => Promise<void>;
}

/** A header with something in each field. */
export const rpcHeader = { protocolVersion: 3, id: utf8('caller'), addr: utf8('cartman') };
const appendedAt = new Timestamp(1_700_000_000, 123_456_789, 3600);

/** An entry of term 4 that holds `data`. */
export function entry(index: number, data: Uint8Array): Log {
  return { index, term: 4, type: 0, data, extensions: null, appendedAt };
}

/** A request with two entries behind `prevLogEntry`. */
export function appendRequest(prevLogEntry = 100): AppendEntriesRequest {
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

/** A reply that can be told from others by `lastLog`. */
export function appendResponse(lastLog: number): AppendEntriesResponse {
  return new AppendEntriesResponse({ rpcHeader, term: 4, lastLog, success: true });
}

/**
 * A value as text that is the same for equal values only. Times are the same when the moment is, to
 * the nanosecond; a zone may be lost on the way.
 */
function textOf(value: unknown): string {
  return JSON.stringify(value, function (this: object, key, part: unknown) {
    const original: unknown = Reflect.get(this, key); // a Date is text already when it comes here
    if (original instanceof Date) {
      const { unixSeconds, nanoseconds } = Timestamp.from(original);
      return `${unixSeconds} s, ${nanoseconds} ns`;
    }
    return part instanceof Uint8Array ? [...part] : part;
  });
}

/** Fails unless the two have the same content. */
export function assertEqual(what: string, actual: unknown, expected: unknown): void {
  assertSame(what, textOf(actual), textOf(expected));
}

/** The next request that arrives. */
export async function nextRequest(server: Transport): Promise<RPC> {
  const next = await server.consumer().receive();
  assert(next.done !== true, 'expected a request, got the end of the consumer');
  return next.value;
}

/** What is awaited later: when the case fails before that, its own failure is nobody's concern. */
export function begun<T>(later: Promise<T>): Promise<T> {
  later.catch(() => {});
  return later;
}

/** Answers the next request and gives back what it was. */
export async function answerNext(server: Transport, reply: RPCReply): Promise<unknown> {
  const rpc = await nextRequest(server);
  rpc.respond(reply, null);
  return rpc.command;
}

/** A call whose request must arrive, and whose reply must come back, as they were sent. */
export async function exchange<Q, A extends RPCReply>(
  server: Transport,
  request: Q,
  reply: A,
  call: (request: Q) => Promise<A>,
): Promise<void> {
  const answering = begun(answerNext(server, reply));
  const answer = await call(request);
  assertEqual('request', await answering, request);
  assertEqual('reply', answer, reply);
}

/** What a snapshot's bytes come from. */
export async function* chunks(...parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* parts;
}
