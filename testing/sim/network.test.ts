import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../internal/random.ts';
import { ZERO_TIME } from '../../internal/timestamp.ts';
import { ErrPipelineShutdown } from '../../raft/errors.ts';
import { type Log, LogType } from '../../raft/log.ts';
import {
  AppendEntriesRequest,
  AppendEntriesResponse,
  InstallSnapshotRequest,
  InstallSnapshotResponse,
  RequestVoteRequest,
  RequestVoteResponse,
} from '../../raft/messages.ts';
import type { RPC } from '../../raft/transport.ts';
import { SimNetwork } from './network.ts';
import { SimTransport } from './sim-transport.ts';
import { Scheduler, SimProcess } from './virtual-clock.ts';

const TIMEOUT_MS = 50;

function setUp(seed = 1) {
  const scheduler = new Scheduler();
  const sent: string[] = [];
  const network = new SimNetwork(scheduler, seededRandom(seed), {
    requestSent: (from, to, { kind }) => sent.push(`${from}>${to} ${kind}`),
    replySent: (from, to, _request, { kind }) => sent.push(`${from}>${to} ${kind}`),
  });
  const make = (name: string) => {
    const process = new SimProcess(scheduler, name);
    return { process, transport: new SimTransport(network, process, name, TIMEOUT_MS) };
  };
  const run = (ms: number) =>
    scheduler.run(
      () => false,
      scheduler.nowMs + ms,
      () => {},
    );
  return { scheduler, network, sent, a: make('a'), b: make('b'), run };
}

/** Answers every request that reaches the transport. */
async function serve(transport: SimTransport, answer: (rpc: RPC) => void): Promise<void> {
  for await (const rpc of transport.consumer()) answer(rpc);
}

function entry(index: number): Log {
  const data = Uint8Array.of(index);
  return {
    index,
    term: 1,
    type: LogType.LogCommand,
    data,
    extensions: null,
    appendedAt: ZERO_TIME,
  };
}

const vote = new RequestVoteRequest({ term: 3 });

describe('the simulated network', () => {
  it('carries a request and its reply', async () => {
    const { a, b, run, sent } = setUp();
    serve(b.transport, (rpc) => rpc.respond(new RequestVoteResponse({ term: 3 }), null));
    const call = a.transport.requestVote('b', 'b', vote);
    await run(20);
    expect((await call).term).toBe(3);
    expect(sent).toEqual(['a>b RequestVoteRequest', 'b>a RequestVoteResponse']);
  });

  it('hands on an error, refuses where nobody listens, and times out across a cut', async () => {
    const { network, a, b, run } = setUp();
    serve(b.transport, (rpc) => rpc.respond(null, new Error('no such thing')));
    const failed = expect(a.transport.requestVote('b', 'b', vote)).rejects.toThrow('no such thing');
    const nobody = expect(a.transport.requestVote('c', 'c', vote)).rejects.toThrow('refused');
    await run(20);
    network.cut('b', 'a');
    const lost = expect(a.transport.requestVote('b', 'b', vote)).rejects.toThrow('i/o timeout');
    await run(TIMEOUT_MS);
    await Promise.all([failed, nobody, lost]);
  });

  it('shares no memory between sender and receiver', async () => {
    const { a, b, run } = setUp();
    const seen: AppendEntriesRequest[] = [];
    serve(b.transport, (rpc) => {
      if (rpc.command instanceof AppendEntriesRequest) seen.push(rpc.command);
    });
    const original = entry(1);
    const request = new AppendEntriesRequest({ term: 1, prevLogEntry: 1, entries: [original] });
    a.transport.appendEntries('b', 'b', request).catch(() => {});
    original.data?.fill(77);
    await run(TIMEOUT_MS);
    expect(seen[0]?.entries?.[0]?.data).toEqual(Uint8Array.of(1));
    expect(Object.isFrozen(seen[0]?.entries)).toBe(true);
  });

  it('delivers two times when the weather is so', async () => {
    const { network, a, b, run } = setUp();
    network.weather = { ...network.weather, duplicate: 1 };
    let arrivals = 0;
    serve(b.transport, (rpc) => {
      arrivals += 1;
      rpc.respond(new RequestVoteResponse({}), null);
    });
    const call = a.transport.requestVote('b', 'b', vote);
    await run(20);
    await call;
    expect(arrivals).toBe(2);
  });

  it('gives heartbeats to their handler, everything else to the consumer', async () => {
    const { a, b, run } = setUp();
    const seen: string[] = [];
    b.transport.setHeartbeatHandler(() => seen.push('heartbeat'));
    serve(b.transport, () => seen.push('consumer'));
    const rpcHeader = { protocolVersion: 3, id: Uint8Array.of(1), addr: Uint8Array.of(1) };
    const heartbeat = new AppendEntriesRequest({ rpcHeader, term: 1 });
    a.transport.appendEntries('b', 'b', heartbeat).catch(() => {});
    await run(5);
    a.transport.requestVote('b', 'b', vote).catch(() => {});
    await run(TIMEOUT_MS);
    expect(seen).toEqual(['heartbeat', 'consumer']);
  });

  it('lets nothing out of a process that was killed', async () => {
    const { a, b, run, sent } = setUp();
    const rpcs: RPC[] = [];
    serve(b.transport, (rpc) => rpcs.push(rpc));
    a.transport.requestVote('b', 'b', vote).catch(() => {});
    await run(5);
    b.process.kill();
    rpcs[0]?.respond(new RequestVoteResponse({}), null);
    expect(sent).toEqual(['a>b RequestVoteRequest']);
  });
});

describe('a simulated pipeline', () => {
  it('keeps the order of requests and replies, however they are answered', async () => {
    const { a, b, run } = setUp();
    const arrived: number[] = [];
    const rpcs: RPC[] = [];
    serve(b.transport, (rpc) => {
      if (rpc.command instanceof AppendEntriesRequest) arrived.push(rpc.command.prevLogEntry);
      rpcs.push(rpc);
    });
    const pipeline = await a.transport.appendEntriesPipeline('b', 'b');
    for (let i = 1; i <= 5; i += 1) {
      await pipeline.appendEntries(new AppendEntriesRequest({ term: 1, prevLogEntry: i }));
    }
    await run(10);
    for (const rpc of rpcs.reverse())
      rpc.respond(new AppendEntriesResponse({ success: true }), null);
    await run(10);
    const done: number[] = [];
    for (
      let next = pipeline.consumer().tryReceive();
      next;
      next = pipeline.consumer().tryReceive()
    ) {
      expect(await next.value.error()).toBeNull();
      done.push(next.value.request().prevLogEntry);
    }
    expect([arrived, done]).toEqual([
      [1, 2, 3, 4, 5],
      [1, 2, 3, 4, 5],
    ]);
  });

  it('delivers nothing behind what was lost, and breaks after the timeout', async () => {
    const { network, a, b, run } = setUp();
    let arrived = 0;
    serve(b.transport, () => {
      arrived += 1;
    });
    const pipeline = await a.transport.appendEntriesPipeline('b', 'b');
    network.cut('a', 'b');
    const first = await pipeline.appendEntries(new AppendEntriesRequest({ term: 1 }));
    network.heal();
    const second = await pipeline.appendEntries(new AppendEntriesRequest({ term: 1 }));
    await run(TIMEOUT_MS);
    expect(arrived).toBe(0);
    expect((await first.error())?.message).toContain('i/o timeout');
    expect((await second.error())?.message).toContain('i/o timeout');
    await expect(pipeline.appendEntries(new AppendEntriesRequest({ term: 1 }))).rejects.toThrow();
  });

  it('fails what is in flight when it is closed', async () => {
    const { a, run } = setUp();
    const pipeline = await a.transport.appendEntriesPipeline('b', 'b');
    const future = await pipeline.appendEntries(new AppendEntriesRequest({ term: 1 }));
    await pipeline.close();
    expect(await future.error()).toBe(ErrPipelineShutdown);
    await run(TIMEOUT_MS);
  });
});

describe('a simulated snapshot transfer', () => {
  async function* chunks(count: number): AsyncGenerator<Uint8Array, void> {
    for (let i = 0; i < count; i += 1) yield Uint8Array.of(i);
  }
  const request = new InstallSnapshotRequest({ term: 1, size: 9 });

  it('streams every byte in order', async () => {
    const { a, b, run } = setUp();
    const bytes: number[] = [];
    serve(b.transport, async (rpc) => {
      for await (const chunk of rpc.reader ?? []) bytes.push(...chunk);
      rpc.respond(new InstallSnapshotResponse({ success: true }), null);
    });
    const call = a.transport.installSnapshot('b', 'b', request, chunks(9));
    await run(5 * TIMEOUT_MS);
    expect((await call).success).toBe(true);
    expect(bytes).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  });

  it('tells the receiver when the sender is gone in the middle', async () => {
    const { a, b, run } = setUp();
    let end = 'open';
    serve(b.transport, async (rpc) => {
      try {
        for await (const _chunk of rpc.reader ?? []) end = 'some bytes';
        end = 'complete';
      } catch (error) {
        end = String(error);
      }
    });
    a.transport.installSnapshot('b', 'b', request, chunks(9)).catch(() => {});
    await run(8);
    expect(end).toBe('some bytes');
    a.process.kill();
    await run(10 * TIMEOUT_MS);
    expect(end).toContain('unexpected EOF');
  });
});
