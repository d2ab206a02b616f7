import type { RPCReply } from '../../raft/messages.ts';
import { ReceiveBuffer } from '../../transport/receive-buffer.ts';
import {
  decodeRequest,
  type ReplyReader,
  readAnswer,
  readAppendEntriesResponse,
  readInstallSnapshotResponse,
  readRequestPreVoteResponse,
  readRequestVoteResponse,
  readTimeoutNowResponse,
  VALUES_PER_REPLY,
} from '../../transport/wire.ts';

/** Reads one direction of a connection that may be cut anywhere. */
export interface StreamReader {
  /** The messages that were complete so far. */
  readonly messages: unknown[];
  push(chunk: Uint8Array): void;
}

/** Reads requests, and steps over the snapshots between them. */
export class RequestReader implements StreamReader {
  readonly messages: unknown[] = [];
  readonly #buffer = new ReceiveBuffer();
  #type: number | undefined;
  #snapshotBytes = 0;

  push(chunk: Uint8Array): void {
    this.#buffer.push(chunk);
    for (;;) {
      this.#snapshotBytes -= this.#buffer.dropBytes(this.#snapshotBytes);
      if (this.#snapshotBytes > 0) return;
      this.#type ??= this.#takeType();
      if (this.#type === undefined) return;
      const decoder = this.#buffer.takeValues(1);
      if (decoder === null) return;
      const request = decodeRequest(this.#type, decoder);
      this.#type = undefined;
      this.messages.push(request);
      if (request.kind === 'InstallSnapshotRequest') this.#snapshotBytes = request.size;
    }
  }

  #takeType(): number | undefined {
    const type = this.#buffer.peek();
    if (type !== undefined) this.#buffer.dropByte();
    return type;
  }
}

/** Reads replies of one kind. */
export class ReplyReaderOf implements StreamReader {
  readonly messages: unknown[] = [];
  readonly #buffer = new ReceiveBuffer();
  readonly #read: ReplyReader<RPCReply>;

  constructor(read: ReplyReader<RPCReply> = readAppendEntriesResponse) {
    this.#read = read;
  }

  push(chunk: Uint8Array): void {
    this.#buffer.push(chunk);
    for (;;) {
      const decoder = this.#buffer.takeValues(VALUES_PER_REPLY);
      if (decoder === null) return;
      this.messages.push(readAnswer(decoder, this.#read));
    }
  }
}

/** Everything that a peer might take a frame for. */
export const READERS: readonly (() => StreamReader)[] = [
  () => new RequestReader(),
  ...[
    readAppendEntriesResponse,
    readRequestVoteResponse,
    readRequestPreVoteResponse,
    readInstallSnapshotResponse,
    readTimeoutNowResponse,
  ].map((read) => () => new ReplyReaderOf(read)),
];
