import { describe, expect, it } from 'vitest';
import { Channel } from '../../internal/channel.ts';
import { newDeferred } from '../../internal/deferred.ts';
import { newInmemSnapshotStore } from '../../snapshot/inmem-snapshot-store.ts';
import { newLeader, peerOf } from '../../testing/core-fixture.ts';
import { Gate, HookedStore, logOf, turn } from '../../testing/runtime-fixture.ts';
import { newInmemTransport } from '../../transport/inmem-transport.ts';
import type { PeerInput } from '../core/input.ts';
import { ErrPipelineReplicationNotSupported, ErrPipelineShutdown, RaftError } from '../errors.ts';
import { AppendEntriesRequest, AppendEntriesResponse } from '../messages.ts';
import type { AppendFuture, AppendPipeline, Transport } from '../transport.ts';
import { Entries } from './entries.ts';
import { PeerSenders } from './peer-sender.ts';

const YES = new AppendEntriesResponse({ term: 1, success: true });

/** A pipeline whose answers a test gives. */
class FakePipeline implements AppendPipeline {
  readonly sent: AppendEntriesRequest[] = [];
  readonly answers = new Channel<AppendFuture>(64);
  readonly gate = new Gate();
  isClosed = false;

  constructor() {
    this.gate.open();
  }

  async appendEntries(request: AppendEntriesRequest): Promise<AppendFuture> {
    this.sent.push(request);
    await this.gate.pass();
    return this.#future(request, null);
  }

  answer(at: number, error: Error | null = null): void {
    const request = this.sent[at];
    if (request !== undefined) this.answers.trySend(this.#future(request, error));
  }

  consumer(): Channel<AppendFuture> {
    return this.answers;
  }

  async close(): Promise<void> {
    this.isClosed = true;
    this.answers.close();
  }

  #future(request: AppendEntriesRequest, error: Error | null): AppendFuture {
    return {
      error: async () => error,
      start: () => new Date(0),
      request: () => request,
      response: () => YES,
    };
  }
}

function setUp() {
  const { node, leadership } = newLeader();
  const peer = peerOf(node, 'b');
  const store = new HookedStore();
  store.inner.storeLogs([1, 2, 3, 4, 5].map((index) => logOf(index, 1)));
  const entries = new Entries(store);
  const inputs: PeerInput[] = [];
  const fatal: Error[] = [];
  const state = { isStopped: false };
  const pipeline = new FakePipeline();
  const trans: Transport = newInmemTransport('a:1')[1];
  trans.appendEntriesPipeline = async () => pipeline;
  const sent: AppendEntriesRequest[] = [];
  trans.appendEntries = async (_id, _address, request) => {
    sent.push(request);
    return YES;
  };
  const senders = new PeerSenders({
    node,
    trans,
    entries,
    snaps: newInmemSnapshotStore(),
    nowMs: () => 42,
    step: (input) => void inputs.push(input),
    isStopped: () => state.isStopped,
    onFatal: (error) => void fatal.push(error),
  });
  const effect = (fields = {}) => ({
    kind: 'sendAppend' as const,
    leadership,
    peer,
    epoch: peer.epoch,
    round: 3,
    prevIndex: 1,
    prevTerm: 1,
    first: 2,
    last: 3,
    commitIndex: 1,
    pipelined: false,
    ...fields,
  });
  const kinds = () => inputs.map(({ kind }) => kind);
  return {
    node,
    leadership,
    peer,
    store,
    senders,
    trans,
    pipeline,
    inputs,
    kinds,
    fatal,
    state,
    sent,
    effect,
  };
}

describe('one request at a time', () => {
  it('carries the entries, and its answer comes back with when it was sent', async () => {
    const { senders, sent, inputs, kinds, effect } = setUp();
    senders.append(effect());
    await turn();
    expect(sent[0]).toMatchObject({ prevLogEntry: 1, prevLogTerm: 1, leaderCommitIndex: 1 });
    expect(sent[0]?.entries?.map(({ index }) => index)).toEqual([2, 3]);
    expect(kinds()).toEqual(['appendSent', 'senderReady', 'appendReply']);
    expect(inputs.at(-1)).toMatchObject({ prevIndex: 1, count: 2, round: 3, sentAtMs: 42 });
  });

  it('that fails, or that the transport throws at, comes back as a failure', async () => {
    for (const call of [
      () => Promise.reject(new Error('unreachable')),
      () => {
        throw new Error('unreachable');
      },
    ]) {
      const { senders, trans, inputs, effect } = setUp();
      trans.appendEntries = call;
      senders.append(effect());
      await turn();
      const last = inputs.at(-1);
      expect(last?.kind === 'appendReply' && last.outcome.error?.message).toBe('unreachable');
    }
  });

  it('of more entries than there are carries those that are read (S77)', async () => {
    const { senders, sent, effect } = setUp();
    senders.append(effect({ first: 6, last: 5, prevIndex: 5 }));
    await turn();
    expect(sent[0]?.entries).toEqual([]);
  });
});

describe('what was decided is not sent any more (rule 6)', () => {
  it.each([
    ['when the leadership has ended', 'leadership'],
    ['when the peer has fallen back', 'epoch'],
    ['when the node has stopped', 'stopped'],
  ])('%s while the entries were read', async (_, change) => {
    const { senders, store, sent, node, peer, state, kinds, effect } = setUp();
    const gate = new Gate();
    store.onRead = gate.pass;
    senders.append(effect());
    await turn();
    if (change === 'leadership') node.leadership = null;
    if (change === 'epoch') peer.epoch += 1;
    if (change === 'stopped') state.isStopped = true;
    gate.open();
    await turn();
    expect([sent, kinds()]).toEqual([[], []]);
  });

  it('and is closed when a pipeline was opened for it', async () => {
    const { senders, trans, pipeline, peer, kinds, effect } = setUp();
    const opened = newDeferred<AppendPipeline>();
    trans.appendEntriesPipeline = () => opened.promise;
    senders.append(effect({ pipelined: true }));
    await turn();
    peer.epoch += 1;
    opened.resolve(pipeline);
    await turn();
    expect([pipeline.isClosed, pipeline.sent, kinds()]).toEqual([true, [], []]);
  });
});

describe('an entry that cannot be read', () => {
  it('means a snapshot when it was compacted (S77)', async () => {
    const { senders, node, kinds, effect } = setUp();
    node.snapshotIndex = 9;
    senders.append(effect({ first: 8, last: 9, prevIndex: 7 }));
    expect(kinds()).toEqual(['entriesUnavailable']);
  });

  it('is the end when nothing covers it', async () => {
    const { senders, node, fatal, kinds, store, effect } = setUp();
    node.terms.append(node.terms.lastIndex + 1, 5, node.terms.lastTerm);
    store.inner.deleteRange(4, 5);
    senders.append(effect({ first: 4, last: 5, prevIndex: 3 }));
    expect(fatal.map(({ message }) => message)[0]).toMatch('the log store lost entry 4');
    expect(kinds()).toEqual([]);
  });

  it('is the end when it is damaged: it is never sent', async () => {
    const { senders, fatal, kinds, store, sent, effect } = setUp();
    const damage = new RaftError('ERR_STORE_CORRUPT', 'log 4 is damaged on disk');
    store.onRead = () => {
      throw damage;
    };
    senders.append(effect({ first: 4, last: 5, prevIndex: 3 }));
    await turn();
    expect([fatal, sent, kinds()]).toEqual([[damage], [], []]);
  });

  it('is tried again when the store is in trouble, at once or later (S77)', async () => {
    for (const fault of [
      () => Promise.reject(new Error('slow disk')),
      () => {
        throw new Error('slow disk');
      },
    ]) {
      const { senders, store, inputs, fatal, effect } = setUp();
      store.onRead = fault;
      senders.append(effect());
      await turn();
      expect(inputs).toMatchObject([{ kind: 'sendFailed', error: { message: 'slow disk' } }]);
      expect(fatal).toEqual([]);
    }
  });
});

describe('a pipeline', () => {
  it('is opened once, and takes a request when it has room for it', async () => {
    const { senders, pipeline, kinds, effect } = setUp();
    senders.append(effect({ pipelined: true }));
    await turn();
    expect(kinds()).toEqual(['appendSent', 'senderReady']);
    pipeline.gate.pass();
    senders.append(effect({ pipelined: true, first: 4, last: 5, prevIndex: 3 }));
    await turn();
    expect(pipeline.sent.map(({ prevLogEntry }) => prevLogEntry)).toEqual([1, 3]);
    expect(kinds().slice(2)).toEqual(['appendSent', 'senderReady']);
  });

  it('gives each answer to the request that it is for', async () => {
    const { senders, pipeline, inputs, effect } = setUp();
    for (const prevIndex of [1, 2, 3]) {
      senders.append(
        effect({ pipelined: true, first: prevIndex + 1, last: prevIndex + 1, prevIndex }),
      );
      await turn();
    }
    pipeline.answer(0);
    pipeline.answer(1, new Error('refused'));
    pipeline.answer(2);
    await turn();
    const replies = inputs.flatMap((input) =>
      input.kind === 'appendReply' ? [[input.prevIndex, input.outcome.error?.message]] : [],
    );
    expect(replies).toEqual([
      [1, undefined],
      [2, 'refused'],
      [3, undefined],
    ]);
  });

  it('that ends fails what is in flight (S82)', async () => {
    const { senders, pipeline, inputs, effect } = setUp();
    senders.append(effect({ pipelined: true }));
    await turn();
    pipeline.answers.close();
    await turn();
    expect(inputs.at(-1)).toMatchObject({
      kind: 'appendReply',
      outcome: { error: ErrPipelineShutdown },
    });
  });

  it('is closed when it is wanted no more, also when closing it fails', async () => {
    for (const close of [
      () => Promise.reject(new Error('stuck')),
      () => {
        throw new Error('stuck');
      },
    ]) {
      const { senders, pipeline, peer, effect } = setUp();
      let closed = 0;
      pipeline.close = () => {
        closed += 1;
        return close();
      };
      senders.append(effect({ pipelined: true }));
      await turn();
      senders.closePipeline(peer);
      senders.stop(peer);
      senders.close();
      await turn();
      expect(closed).toBe(1);
    }
  });

  it('of a transport without types may answer with a plain value', async () => {
    const { senders, pipeline, kinds, effect } = setUp();
    Object.assign(pipeline, { appendEntries: () => ({}) });
    senders.append(effect({ pipelined: true }));
    await turn();
    expect(kinds()).toEqual(['appendSent', 'senderReady']);
  });

  it('that cannot be had is done without, for good (S84)', async () => {
    const { senders, trans, sent, kinds, effect } = setUp();
    trans.appendEntriesPipeline = () => Promise.reject(ErrPipelineReplicationNotSupported);
    senders.append(effect({ pipelined: true }));
    await turn();
    expect(kinds()).toEqual(['pipelineUnsupported', 'appendSent', 'senderReady', 'appendReply']);
    expect(sent).toHaveLength(1);
  });

  it('that cannot be opened now is tried again (S84)', async () => {
    const { senders, trans, inputs, effect } = setUp();
    trans.appendEntriesPipeline = () => {
      throw new Error('refused');
    };
    senders.append(effect({ pipelined: true }));
    await turn();
    expect(inputs).toMatchObject([{ kind: 'sendFailed', error: { message: 'refused' } }]);
  });
});

describe('a heartbeat', () => {
  it('goes out, and its answer or failure comes back', async () => {
    const { senders, trans, leadership, peer, inputs } = setUp();
    const request = new AppendEntriesRequest({ term: 1 });
    const beat = { kind: 'sendHeartbeat' as const, leadership, peer, round: 5, request };
    senders.heartbeat(beat);
    trans.appendEntries = () => Promise.reject(new Error('unreachable'));
    senders.heartbeat(beat);
    await turn();
    expect(inputs).toMatchObject([
      { kind: 'heartbeatReply', round: 5, sentAtMs: 42, outcome: { reply: YES } },
      { kind: 'heartbeatReply', round: 5, outcome: { error: { message: 'unreachable' } } },
    ]);
  });

  it('that is answered after the node has stopped says nothing', async () => {
    const { senders, leadership, peer, inputs, state } = setUp();
    const request = new AppendEntriesRequest({ term: 1 });
    senders.heartbeat({ kind: 'sendHeartbeat', leadership, peer, round: 5, request });
    state.isStopped = true;
    await turn();
    expect(inputs).toEqual([]);
  });
});
