import type { Clock } from '../internal/clock.ts';
import { Encoder, type TimeFormat } from '../internal/msgpack/encode.ts';
import { RingBuffer } from '../internal/ring-buffer.ts';
import { soon } from '../internal/soon.ts';
import { asError, RaftError } from '../raft/errors.ts';
import type { Logger } from '../raft/logger.ts';
import { isHeartbeat, type RPCRequest } from '../raft/messages.ts';
import { RPC, type RPCResponse } from '../raft/transport.ts';
import type { Inbox } from './inbox.ts';
import { labelsOf, type NetInstruments } from './net-telemetry.ts';
import { ReceiveBuffer } from './receive-buffer.ts';
import { IncomingSnapshot } from './snapshot-stream.ts';
import type { StreamConnection, StreamHandler } from './stream-layer.ts';
import { checkRequestType, checkStructHead, decodeRequest, writeAnswer } from './wire.ts';

/** Requests of one connection that may be with the node before the first of them is answered. */
const MAX_READ_AHEAD = 64;
/** The same in bytes on the wire. */
const MAX_READ_AHEAD_BYTES = 4 * 1024 * 1024;
/** Bytes that may lie unread before the peer is made to wait. */
const MAX_BUFFERED_BYTES = 1024 * 1024;

/** Room for the answer to an AppendEntries, in bytes; more is made when needed. */
const ANSWER_SIZE_HINT = 256;

/** What a {@link ServerConnection} works with. */
export interface ServerContext {
  readonly inbox: Inbox;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly timeFormat: TimeFormat;
  heartbeatHandler(): ((rpc: RPC) => void) | null;
  instruments(): NetInstruments;
}

/** The place of a request's answer among the answers of its connection. */
interface Slot {
  readonly sizeBytes: number;
  readonly snapshot: IncomingSnapshot | null;
  answer: RPCResponse | null;
}

/**
 * The serving end of a connection: a state machine that every event moves on as far as it can go.
 *
 * Requests are handed to the node as soon as they are complete, without waiting for the answer to
 * the one before, so that the node can write what several of them bring in one go. Answers leave in
 * the order of the requests; those that are ready in one breath leave together. An InstallSnapshot
 * ends the reading ahead: the bytes behind it are its own.
 */
export class ServerConnection implements StreamHandler {
  readonly #stream: StreamConnection;
  readonly #context: ServerContext;
  readonly #buffer = new ReceiveBuffer();
  /** One for each request that is not answered on the wire yet, oldest first. */
  readonly #slots = new RingBuffer<Slot>();
  #slotBytes = 0;
  /** The type of the request whose struct is not complete yet. */
  #type: number | null = null;
  /** Since when the next request is waited for, or the rest of it when its type is known. */
  #waitingSinceMs: number;
  #snapshot: IncomingSnapshot | null = null;
  /** Set while a request waits for room at the consumer. */
  #withdraw: (() => void) | null = null;
  #isFlushPlanned = false;
  #isCongested = false;
  #isPaused = false;
  /** The peer sends no more. */
  #hasEnded = false;
  /** No further request is taken. */
  #isDraining = false;
  #isClosed = false;

  constructor(stream: StreamConnection, context: ServerContext) {
    this.#stream = stream;
    this.#context = context;
    this.#waitingSinceMs = context.clock.monotonicMs();
    stream.start(this);
  }

  /** Takes no further request, and closes once those under way are answered. */
  drain(): void {
    this.#withdrawRequest();
    this.#isDraining = true;
    this.#advance();
  }

  /** Closes at once; answers that come later go nowhere. */
  destroy(): void {
    this.#isClosed = true;
    this.#withdraw?.();
    this.#snapshot?.fail('connection closed');
    this.#stream.destroy();
  }

  received(chunk: Uint8Array): void {
    const rest = this.#snapshot?.feed(chunk) ?? chunk;
    if (rest.length > 0) this.#buffer.push(rest);
    if (this.#snapshot?.isOver) this.#planFlush();
    this.#advance();
  }

  ended(): void {
    this.#hasEnded = true;
    // A node that reads nothing now may never read again: what it was not given is dropped.
    if (this.#withdrawRequest()) this.#isDraining = true;
    this.#snapshot?.fail('unexpected EOF');
    this.#planFlush();
    this.#advance();
  }

  drained(): void {
    this.#isCongested = false;
    this.#advance();
  }

  failed(error: Error): void {
    this.#refuse(error);
  }

  /** Goes as far as it can: takes requests, makes the peer wait or go on, closes at the end. */
  #advance(): void {
    if (this.#isClosed) return;
    try {
      while (this.#takeRequest());
    } catch (error) {
      this.#refuse(asError(error));
      return;
    }
    this.#regulate();
    if (this.#slots.length > 0 || this.#isCongested) return;
    if (this.#isDraining) {
      this.#context.logger.debug({}, 'stream layer is closed');
      this.#close();
    } else if (this.#hasEnded) {
      if (this.#type !== null || this.#buffer.length > 0) {
        this.#refuse(new RaftError('ERR_MALFORMED_MESSAGE', 'unexpected EOF'));
      } else this.#close();
    }
  }

  /** Dispatches the next request; false when none is complete or none may be taken now. */
  #takeRequest(): boolean {
    if (this.#isBlocked()) return false;
    const before = this.#buffer.length;
    if (this.#type === null) {
      const type = this.#buffer.peek();
      if (type === undefined) return false;
      checkRequestType(type);
      this.#buffer.dropByte();
      this.#type = type;
      this.#context.instruments()['raft.net.getRPCType'].record(this.#waited());
    }
    const head = this.#buffer.peek();
    if (head === undefined) return false;
    checkStructHead(head);
    const decoder = this.#buffer.takeValues(1);
    if (decoder === null) return false;
    const command = decodeRequest(this.#type, decoder);
    this.#type = null;
    this.#dispatch(command, before - this.#buffer.length);
    return true;
  }

  #isBlocked(): boolean {
    return (
      this.#isClosed ||
      this.#isDraining ||
      this.#isCongested ||
      this.#withdraw !== null ||
      this.#snapshot !== null ||
      this.#slots.length >= MAX_READ_AHEAD ||
      this.#slotBytes >= MAX_READ_AHEAD_BYTES
    );
  }

  #dispatch(command: RPCRequest, sizeBytes: number): void {
    if (command.kind === 'InstallSnapshotRequest') {
      this.#snapshot = new IncomingSnapshot(command.size, () => this.#regulate());
      // What came with the request belongs to it first.
      if (this.#buffer.length > 0) this.#snapshot.feed(this.#buffer.takeBytes(command.size));
    }
    const slot: Slot = { sizeBytes, snapshot: this.#snapshot, answer: null };
    this.#slots.push(slot);
    this.#slotBytes += sizeBytes;
    const instruments = this.#context.instruments();
    const labels = labelsOf(command);
    instruments['raft.net.rpcDecode'].record(this.#waited(), labels);
    const decodedMs = this.#waitingSinceMs;
    // A handler answers before it returns; from then on nothing is waited for any more.
    let enqueuedMs = Number.POSITIVE_INFINITY;
    const enqueued = (): void => {
      enqueuedMs = this.#context.clock.monotonicMs();
      instruments['raft.net.rpcEnqueue'].record(enqueuedMs - decodedMs, labels);
    };
    const rpc = new RPC(command, this.#snapshot, (answer) => {
      const waitedMs = Math.max(0, this.#context.clock.monotonicMs() - enqueuedMs);
      instruments['raft.net.rpcRespond'].record(waitedMs, labels);
      slot.answer = answer;
      slot.snapshot?.abandon();
      this.#planFlush();
    });
    const handler = isHeartbeat(command) ? this.#context.heartbeatHandler() : null;
    if (handler === null) {
      this.#deliver(rpc, enqueued);
      return;
    }
    try {
      handler(rpc);
    } catch (error) {
      rpc.respond(null, asError(error));
    }
    enqueued();
  }

  /** Milliseconds since it was last asked. */
  #waited(): number {
    const sinceMs = this.#waitingSinceMs;
    this.#waitingSinceMs = this.#context.clock.monotonicMs();
    return this.#waitingSinceMs - sinceMs;
  }

  #deliver(rpc: RPC, enqueued: () => void): void {
    let isAccepted = false;
    const withdraw = this.#context.inbox.deliver(rpc, () => {
      isAccepted = true;
      enqueued();
      if (this.#withdraw === null) return;
      this.#withdraw = null;
      this.#advance();
    });
    if (!isAccepted) this.#withdraw = withdraw;
  }

  /** Takes back the request that waits for room at the consumer; false when none does. */
  #withdrawRequest(): boolean {
    if (this.#withdraw === null) return false;
    this.#withdraw();
    this.#withdraw = null;
    this.#slotBytes -= this.#slots.pop()?.sizeBytes ?? 0;
    this.#snapshot = null;
    return true;
  }

  /** Lets the peer wait while more lies here than can be used. */
  #regulate(): void {
    const unread = this.#buffer.length + (this.#snapshot?.heldBytes ?? 0);
    const isFull = unread >= MAX_BUFFERED_BYTES && this.#isBlocked();
    if (isFull === this.#isPaused || this.#isClosed) return;
    this.#isPaused = isFull;
    if (isFull) this.#stream.pause();
    else this.#stream.resume();
  }

  /** Answers that become ready in the same breath leave in one write. */
  #planFlush(): void {
    if (this.#isFlushPlanned || this.#isClosed) return;
    this.#isFlushPlanned = true;
    soon(this.#flush);
  }

  readonly #flush = (): void => {
    this.#isFlushPlanned = false;
    if (this.#isClosed) return;
    const to = new Encoder(ANSWER_SIZE_HINT, this.#context.timeFormat);
    try {
      for (let slot = this.#slots.at(0); isReady(slot); slot = this.#slots.at(0)) {
        writeAnswer(to, slot.answer);
        this.#slots.shift();
        this.#slotBytes -= slot.sizeBytes;
        if (slot.snapshot !== null) this.#snapshot = null;
      }
    } catch (error) {
      this.#context.logger.error({ error }, 'failed to flush response');
      this.destroy();
      return;
    }
    const bytes = to.finish();
    if (bytes.length > 0 && !this.#stream.write(bytes)) this.#isCongested = true;
    this.#advance();
  };

  /** Something came that cannot be read: nothing behind it can be trusted either. */
  #refuse(error: Error): void {
    if (this.#isClosed) return;
    this.#context.logger.error({ error }, 'failed to decode incoming command');
    this.destroy();
  }

  #close(): void {
    this.#isClosed = true;
    this.#stream.end();
  }
}

/** True for a request that is answered and of whose snapshot nothing is left to come. */
function isReady(slot: Slot | undefined): slot is Slot & { answer: RPCResponse } {
  return slot !== undefined && slot.answer !== null && (slot.snapshot?.isOver ?? true);
}
