import { isPromiseLike } from '../../internal/deferred.ts';
import { HeldReader } from '../../internal/held-reader.ts';
import { RingBuffer } from '../../internal/ring-buffer.ts';
import type { Server } from '../configuration.ts';
import { encodeConfiguration, encodePeers } from '../configuration-codec.ts';
import type { StartedEffect } from '../core/effect.ts';
import type { PeerInput } from '../core/input.ts';
import type { NodeState } from '../core/node.ts';
import type { Progress } from '../core/progress.ts';
import {
  asError,
  DAMAGE_ADVICE,
  ErrLogNotFound,
  ErrPipelineReplicationNotSupported,
  ErrPipelineShutdown,
  isDamage,
  RaftError,
} from '../errors.ts';
import type { Log } from '../log.ts';
import {
  AppendEntriesRequest,
  InstallSnapshotRequest,
  type InstallSnapshotResponse,
} from '../messages.ts';
import type { OpenSnapshot, SnapshotMeta, SnapshotStore } from '../snapshot.ts';
import type { AppendPipeline, Transport } from '../transport.ts';
import type { Entries } from './entries.ts';
import { outcomeOf } from './outcome.ts';
import { silentTelemetry, type Telemetry } from './telemetry.ts';

type SendAppend = Extract<StartedEffect, { kind: 'sendAppend' }>;
type SendSnapshot = Extract<StartedEffect, { kind: 'sendSnapshot' }>;
type SendHeartbeat = Extract<StartedEffect, { kind: 'sendHeartbeat' }>;

/** Takes the answer to one request. */
type TakeAnswer = (outcome: Extract<PeerInput, { kind: 'appendReply' }>['outcome']) => void;

/** A pipeline and those who wait for its answers, in the order of the requests. */
interface OpenPipeline {
  readonly transport: AppendPipeline;
  readonly waiting: RingBuffer<TakeAnswer>;
}

/** One AppendEntries carries about this many bytes after its first entry (rule 14). */
const MAX_REQUEST_BYTES = 1024 * 1024;

/** What the senders need from their node. */
export interface PeerSendersOptions {
  readonly node: NodeState;
  readonly trans: Transport;
  readonly entries: Entries;
  readonly snaps: SnapshotStore;
  readonly nowMs: () => number;
  readonly step: (input: PeerInput) => void;
  readonly isStopped: () => boolean;
  readonly onFatal: (error: Error) => void;
  readonly telemetry?: Telemetry;
}

/**
 * Sends to followers what the rules have decided: reads the entries, checks that the leadership it
 * was decided for is still held, and sends, the last two in one breath (rule 6). Go: `replicate`.
 */
export class PeerSenders {
  readonly #o: PeerSendersOptions;
  readonly #telemetry: Telemetry;
  readonly #pipelines = new Map<Progress, OpenPipeline>();

  constructor(options: PeerSendersOptions) {
    this.#o = options;
    this.#telemetry = options.telemetry ?? silentTelemetry();
  }

  /** Sends a heartbeat on its own connection. */
  heartbeat(effect: SendHeartbeat): void {
    const { leadership, peer, round, request } = effect;
    const sentAtMs = this.#o.nowMs();
    const { id, address } = peer.server;
    void outcomeOf(() => this.#o.trans.appendEntries(id, address, request)).then((outcome) => {
      if (outcome.reply !== undefined) {
        this.#telemetry.peer(id).heartbeat(this.#o.nowMs() - sentAtMs);
      }
      this.#step({ kind: 'heartbeatReply', leadership, peer, round, sentAtMs, outcome });
    });
  }

  /** Reads the entries and sends them. */
  append(effect: SendAppend): void {
    try {
      const logs = this.#o.entries.read(effect.first, effect.last, MAX_REQUEST_BYTES);
      if (isPromiseLike(logs)) {
        logs.then(
          (read) => this.#send(effect, read),
          (error: unknown) => this.#unreadable(effect, asError(error)),
        );
      } else {
        this.#send(effect, logs);
      }
    } catch (error) {
      this.#unreadable(effect, asError(error));
    }
  }

  /** Sends the newest snapshot to a follower that needs entries which are gone. */
  snapshot(effect: SendSnapshot): void {
    void this.#sendSnapshot(effect);
  }

  closePipeline(peer: Progress): void {
    const pipeline = this.#pipelines.get(peer);
    if (pipeline === undefined) return;
    this.#pipelines.delete(peer);
    this.#o.node.log.info({ peer: peer.server.id }, 'aborting pipeline replication');
    closeQuietly(pipeline.transport);
  }

  /** Nothing more goes to this peer. */
  stop(peer: Progress): void {
    this.closePipeline(peer);
  }

  /** Closes every pipeline. */
  close(): void {
    for (const { transport } of this.#pipelines.values()) closeQuietly(transport);
    this.#pipelines.clear();
  }

  #step(input: PeerInput): void {
    if (!this.#o.isStopped()) this.#o.step(input);
  }

  /** True while what was decided may still be sent. */
  #isCurrent({ leadership, peer, epoch }: SendAppend | SendSnapshot): boolean {
    return !this.#o.isStopped() && this.#o.node.leadership === leadership && peer.epoch === epoch;
  }

  #unreadable(effect: SendAppend, error: Error): void {
    if (!this.#isCurrent(effect)) return;
    const { leadership, peer, epoch, first } = effect;
    const { node } = this.#o;
    if (isDamage(error)) {
      this.#o.onFatal(error);
    } else if (error !== ErrLogNotFound) {
      node.log.error({ index: first, error }, 'failed to get log');
      this.#step({ kind: 'sendFailed', leadership, peer, epoch, error });
    } else if (node.terms.termAt(first) !== undefined && first > node.snapshotIndex) {
      this.#o.onFatal(
        new RaftError(
          'ERR_LOG_DAMAGED',
          `the log store lost entry ${first}, which no snapshot covers ` +
            `(last snapshot ${node.snapshotIndex})`,
        ),
      );
    } else {
      this.#step({ kind: 'entriesUnavailable', leadership, peer, epoch });
    }
  }

  #send(effect: SendAppend, logs: readonly Log[]): void {
    if (!this.#isCurrent(effect)) return;
    const { peer, prevIndex, prevTerm, leadership, commitIndex } = effect;
    const { self } = this.#o.node;
    const request = new AppendEntriesRequest({
      rpcHeader: self.header,
      term: leadership.term,
      leader: self.encodePeer(self.id, self.address),
      prevLogEntry: prevIndex,
      prevLogTerm: prevTerm,
      entries: logs,
      leaderCommitIndex: commitIndex,
    });
    if (effect.pipelined) {
      const pipeline = this.#pipelines.get(peer);
      if (pipeline === undefined) void this.#openPipeline(effect, request);
      else this.#sendAhead(effect, request, pipeline);
    } else {
      this.#sendAlone(effect, request);
    }
  }

  /** One request at a time, on a connection of the pool. */
  #sendAlone(effect: SendAppend, request: AppendEntriesRequest): void {
    const { peer, leadership, epoch } = effect;
    const answered = this.#noteSent(effect, request);
    const { id, address } = peer.server;
    void outcomeOf(() => this.#o.trans.appendEntries(id, address, request)).then(answered);
    this.#step({ kind: 'senderReady', leadership, peer, epoch });
  }

  /** Ahead of the answers; the transport says when it takes the next one. */
  #sendAhead(effect: SendAppend, request: AppendEntriesRequest, pipeline: OpenPipeline): void {
    const { peer, leadership, epoch } = effect;
    const ready = (): void => this.#step({ kind: 'senderReady', leadership, peer, epoch });
    const failed = (thrown: unknown): void => {
      const error = asError(thrown);
      if (this.#isCurrent(effect)) {
        const fields = { peer: peer.server.id, error };
        this.#o.node.log.error(fields, 'failed to pipeline appendEntries');
      }
      this.#step({ kind: 'sendFailed', leadership, peer, epoch, error });
    };
    let accepted: Promise<unknown>;
    try {
      // A transport of a user may answer with a plain value.
      accepted = Promise.resolve(pipeline.transport.appendEntries(request));
    } catch (error) {
      accepted = Promise.reject(error);
    }
    pipeline.waiting.push(this.#noteSent(effect, request));
    accepted.then(ready, failed);
  }

  /** Takes the answers, which come in the order of the requests. Go: `pipelineDecode`. */
  async #takeAnswers({ transport, waiting }: OpenPipeline): Promise<void> {
    for await (const future of transport.consumer()) {
      const error = await future.error();
      const answered = waiting.shift();
      if (error === null) answered?.({ reply: future.response() });
      else answered?.({ error });
    }
    for (let left = waiting.shift(); left !== undefined; left = waiting.shift()) {
      left({ error: ErrPipelineShutdown });
    }
  }

  async #openPipeline(effect: SendAppend, request: AppendEntriesRequest): Promise<void> {
    const { peer, leadership, epoch } = effect;
    const { id, address } = peer.server;
    const { log } = this.#o.node;
    let transport: AppendPipeline;
    try {
      transport = await this.#o.trans.appendEntriesPipeline(id, address);
    } catch (thrown) {
      if (!this.#isCurrent(effect)) return;
      const error = asError(thrown);
      if (error === ErrPipelineReplicationNotSupported) {
        this.#step({ kind: 'pipelineUnsupported', leadership, peer });
        this.#sendAlone(effect, request);
        return;
      }
      log.error({ peer: id, error }, 'failed to start pipeline replication to');
      this.#step({ kind: 'sendFailed', leadership, peer, epoch, error });
      return;
    }
    if (!this.#isCurrent(effect)) {
      closeQuietly(transport);
      return;
    }
    log.info({ peer: id }, 'pipelining replication');
    const pipeline: OpenPipeline = { transport, waiting: new RingBuffer() };
    this.#pipelines.set(peer, pipeline);
    this.#takeAnswers(pipeline).catch(this.#o.onFatal);
    this.#sendAhead(effect, request, pipeline);
  }

  /** Says that a request has left, and gives the function that takes its answer. */
  #noteSent(effect: SendAppend, request: AppendEntriesRequest): TakeAnswer {
    const { leadership, peer, epoch, round, prevIndex, commitIndex } = effect;
    const count = request.entries?.length ?? 0;
    const sentAtMs = this.#o.nowMs();
    this.#step({ kind: 'appendSent', leadership, peer, epoch, count });
    return (outcome) => {
      if (outcome.reply !== undefined) {
        this.#telemetry.peer(peer.server.id).appended(this.#o.nowMs() - sentAtMs, count);
      }
      this.#step({
        kind: 'appendReply',
        leadership,
        peer,
        epoch,
        prevIndex,
        count,
        commitIndex,
        round,
        sentAtMs,
        outcome,
      });
    };
  }

  async #sendSnapshot(effect: SendSnapshot): Promise<void> {
    const { leadership, peer, epoch, round } = effect;
    const { snaps, node } = this.#o;
    const sentAtMs = this.#o.nowMs();
    let index = 0;
    const answered = (outcome: Extract<PeerInput, { kind: 'snapshotReply' }>['outcome']): void =>
      this.#step({
        kind: 'snapshotReply',
        leadership,
        peer,
        epoch,
        index,
        round,
        sentAtMs,
        outcome,
      });
    let reader: HeldReader | null = null;
    try {
      const newest = (await snaps.list())[0];
      if (newest === undefined) throw new RaftError('ERR_NO_SNAPSHOT', 'no snapshots found');
      node.log.info({ id: newest.id }, 'opening snapshot');
      const opened = await this.#open(newest.id);
      reader = new HeldReader(opened.reader);
      const { meta } = opened;
      index = meta.index;
      if (!this.#isCurrent(effect)) return;
      const { self } = node;
      const request = new InstallSnapshotRequest({
        rpcHeader: self.header,
        snapshotVersion: meta.version,
        term: leadership.term,
        leader: self.encodePeer(self.id, self.address),
        lastLogIndex: meta.index,
        lastLogTerm: meta.term,
        peers: encodePeers(meta.configuration, self),
        configuration: encodeConfiguration(meta.configuration),
        configurationIndex: meta.configurationIndex,
        size: meta.size,
      });
      answered({ reply: await this.#install(peer.server, meta, request, reader) });
    } catch (error) {
      answered({ error: asError(error) });
    } finally {
      void reader?.release();
    }
  }

  /** Opens a snapshot. One that is damaged is never sent: the node stops and says which it is. */
  async #open(id: string): Promise<OpenSnapshot> {
    try {
      return await this.#o.snaps.open(id);
    } catch (error) {
      if (!isDamage(error)) throw error;
      const text = `snapshot ${id} is damaged on disk: ${error.message}; ${DAMAGE_ADVICE}`;
      const fatal = new RaftError(error.code, text, { cause: error });
      this.#o.onFatal(fatal);
      throw fatal;
    }
  }

  /** Sends a snapshot, and says by its id what became of it. */
  async #install(
    { id: peer, address }: Server,
    { id, size }: SnapshotMeta,
    request: InstallSnapshotRequest,
    reader: HeldReader,
  ): Promise<InstallSnapshotResponse> {
    const { trans, node, nowMs } = this.#o;
    node.log.info({ peer, id, size }, 'installing snapshot on');
    const startMs = nowMs();
    try {
      const reply = await trans.installSnapshot(peer, address, request, reader);
      this.#telemetry.peer(peer).snapshotInstalled(nowMs() - startMs);
      if (!reply.success && reply.term <= request.term) {
        node.log.warn({ peer, id }, 'installSnapshot rejected to');
      }
      return reply;
    } catch (error) {
      node.log.error({ peer, id, error: asError(error) }, 'failed to install snapshot');
      throw error;
    }
  }
}

/** The requests in it fail by themselves; what closing has to say interests nobody. */
function closeQuietly(pipeline: AppendPipeline): void {
  void outcomeOf(() => pipeline.close());
}
