import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { Channel } from '../../internal/channel.ts';
import { newInmemSnapshotStore } from '../../snapshot/inmem-snapshot-store.ts';
import { addressOf, headerOf, newNode } from '../../testing/core-fixture.ts';
import {
  AbleHookedStore,
  Gate,
  ListFSM,
  logOf,
  TestCluster,
  type TestNode,
  turn,
  VirtualTime,
} from '../../testing/runtime-fixture.ts';
import { newInmemTransport } from '../../transport/inmem-transport.ts';
import { ErrUnsupportedProtocol } from '../errors.ts';
import { silentLogger } from '../logger.ts';
import {
  AppendEntriesRequest,
  AppendEntriesResponse,
  InstallSnapshotRequest,
  RequestVoteRequest,
  RequestVoteResponse,
  type RPCRequest,
} from '../messages.ts';
import { RaftState } from '../state.ts';
import { RPC, type RPCResponse } from '../transport.ts';
import { Entries } from './entries.ts';
import { FsmLoop } from './fsm-loop.ts';
import { Inbound } from './inbound.ts';
import { published } from './lanes.ts';
import { InFlightEntries, Ledger } from './ledger.ts';
import { SnapshotReceiver } from './snapshot-receiver.ts';
import { Watchdog } from './watchdog.ts';

const TERM = 5;

function heartbeat(from: string, fields = {}): AppendEntriesRequest {
  return new AppendEntriesRequest({ rpcHeader: headerOf(from), term: TERM, ...fields });
}

function newReceiver(): SnapshotReceiver {
  const { clock } = new VirtualTime();
  const entries = new Entries(new AbleHookedStore());
  const fsm = new FsmLoop({
    fsm: new ListFSM(),
    entries,
    inFlight: new InFlightEntries(),
    clock,
    maxBatch: 1,
    appliedIndex: 0,
    onProgress: () => {},
    onFatal: () => {},
  });
  const snaps = newInmemSnapshotStore(clock);
  const trans = newInmemTransport('a:1', { clock })[1];
  const log = silentLogger;
  const watchdog = new Watchdog(clock, 1000, () => {});
  const receiving = { snaps, trans, fsm, entries, clock, log, watchdog };
  return new SnapshotReceiver({ ...receiving, silenceLimitMs: 1000 });
}

/** A follower of b, at the door of which requests arrive; what it does not answer is posted. */
function setUp() {
  const node = newNode({ currentTerm: TERM });
  node.leaderAddress = addressOf('b');
  node.leaderID = 'b';
  const posted: string[] = [];
  const state = {
    published: published(node),
    isStopped: false,
    crowd: new Gate(),
    isCrowded: false,
  };
  const receiver = newReceiver();
  const inbound = new Inbound({
    node,
    ledger: new Ledger(),
    receiver,
    published: () => state.published,
    nowMs: () => 777,
    post: ({ kind }) => void posted.push(kind),
    untilRoom: () => (state.isCrowded ? Promise.resolve(state.crowd.pass()) : undefined),
    isStopped: () => state.isStopped,
  });
  const send = (request: RPCRequest): RPCResponse | null => {
    let answer: RPCResponse | null = null;
    inbound.take(
      new RPC(request, null, (given) => {
        answer = given;
      }),
    );
    return answer;
  };
  return { node, inbound, send, posted, state };
}

describe('a heartbeat of the leader that is known and published', () => {
  it('is answered at once, past the main lane (S100)', () => {
    const { node, send, posted } = setUp();
    const answer = send(heartbeat('b'));
    expect(answer?.response).toMatchObject({
      term: TERM,
      success: true,
      lastLog: node.terms.lastIndex,
    });
    expect([posted, node.lastContactMs]).toEqual([[], 777]);
  });

  it('may name its sender in the old way', () => {
    const { node, send, posted, state } = setUp();
    node.leaderID = '';
    state.published = published(node);
    const rpcHeader = { protocolVersion: 3, id: null, addr: null };
    const old = heartbeat('b', { rpcHeader, leader: utf8(addressOf('b')) });
    expect(send(old)?.response).toBeInstanceOf(AppendEntriesResponse);
    expect(posted).toEqual([]);
  });

  it.each([
    ['of another term', heartbeat('b', { term: TERM + 1 })],
    ['of an older term', heartbeat('b', { term: TERM - 1 })],
    ['of somebody else', heartbeat('c')],
    ['with entries', heartbeat('b', { entries: [logOf(1, TERM)] })],
    ['with a commit index', heartbeat('b', { leaderCommitIndex: 1 })],
    ['with a previous entry', heartbeat('b', { prevLogEntry: 1, prevLogTerm: 1 })],
  ])('but not one %s (S100, #695)', (_, request) => {
    const { node, send, posted } = setUp();
    expect(send(request)).toBeNull();
    expect([posted, node.lastContactMs]).toEqual([['appendEntries'], undefined]);
  });

  it.each([
    ['the term is changing', { currentTerm: TERM + 1 }],
    ['the role is changing', { role: RaftState.Candidate }],
    ['the leader is changing', { leaderAddress: addressOf('c') }],
  ])('but not while %s and that is not published (S100, #695)', (_, change) => {
    const { node, send, posted } = setUp();
    Object.assign(node, change);
    expect(send(heartbeat('b'))).toBeNull();
    expect(posted).toEqual(['appendEntries']);
  });

  it.each([
    ['a leader', { role: RaftState.Leader }],
    ['a node that knows no leader', { leaderAddress: '' }],
  ])('but not by %s (S100, #695)', (_, change) => {
    const { node, send, posted, state } = setUp();
    Object.assign(node, change);
    state.published = { ...published(node), ...change };
    expect(send(heartbeat('b'))).toBeNull();
    expect(posted).toEqual(['appendEntries']);
  });
});

describe('every other request', () => {
  it.each([
    [4, false],
    [3, true],
    [2, true],
    [1, false],
    [0, false], // what an old sender without a header means
    [-1, false],
  ])('of protocol version %i is let in: %s (S97, test 50)', (protocolVersion, isLetIn) => {
    const { send, posted } = setUp();
    const rpcHeader = { ...headerOf('c'), protocolVersion };
    const answer = send(new RequestVoteRequest({ rpcHeader, term: 9 }));
    expect(answer?.error ?? null).toBe(isLetIn ? null : ErrUnsupportedProtocol);
    expect(posted).toEqual(isLetIn ? ['requestVote'] : []);
  });

  it('of a kind that nobody knows is answered by an error (S98)', () => {
    const { inbound, node, posted } = setUp();
    const lines: string[] = [];
    Object.assign(node, {
      log: { ...silentLogger, error: (_: object, t: string) => lines.push(t) },
    });
    const answers: RPCResponse[] = [];
    const strange: unknown = { rpcHeader: headerOf('b') };
    const take = (answer: RPCResponse): void => void answers.push(answer);
    inbound.take(Reflect.construct(RPC, [strange, null, take]));
    expect(answers[0]?.error?.message).toBe('unexpected command');
    expect(lines).toEqual(['got unexpected command']);
    expect(posted).toEqual([]);
  });

  it('is not answered by a node that has stopped, nor is a heartbeat (rule 1)', () => {
    const { send, posted, state } = setUp();
    state.isStopped = true;
    expect([send(heartbeat('b')), send(heartbeat('c')), posted]).toEqual([null, null, []]);
  });

  it('waits outside while too many wait inside (R12)', async () => {
    const { inbound, posted, state } = setUp();
    const consumer = new Channel<RPC>(4);
    state.isCrowded = true;
    const ended = inbound.run(consumer);
    for (let i = 0; i < 4; i += 1) {
      await consumer.send(new RPC(heartbeat('c'), null, () => {}));
      await turn();
    }
    expect(posted).toHaveLength(1);
    state.isCrowded = false;
    state.crowd.open();
    await turn();
    expect(posted).toHaveLength(4);
    consumer.close();
    await ended;
  });
});

describe('a whole node', () => {
  async function lonely(
    store = new AbleHookedStore(),
  ): Promise<TestNode & { cluster: TestCluster }> {
    const cluster = new TestCluster();
    const node = cluster.add({ store });
    await node.start();
    return Object.assign(node, { cluster });
  }

  function ask(
    node: TestNode,
    request: RPCRequest,
    reader: AsyncIterable<Uint8Array> | null = null,
  ) {
    const answers: RPCResponse[] = [];
    void node.transport
      .consumer()
      .send(new RPC(request, reader, (answer) => void answers.push(answer)));
    return answers;
  }

  it('answers a vote only when the vote is on the disk (S4, S115)', async () => {
    const store = new AbleHookedStore();
    const node = await lonely(store);
    const { time } = node.cluster;
    const gate = new Gate();
    store.onWrite = gate.pass;
    const rpcHeader = headerOf('c');
    const answers = ask(node, new RequestVoteRequest({ rpcHeader, term: 9, lastLogIndex: 1 }));
    await time.pass(100);
    expect([answers, node.raft.currentTerm()]).toEqual([[], 0]);
    gate.open();
    await time.pass(1);
    expect(answers[0]?.response).toBeInstanceOf(RequestVoteResponse);
    expect(answers[0]?.response).toMatchObject({ granted: true, term: 9 });
    expect([node.raft.currentTerm(), store.writes.at(-1)]).toEqual([
      9,
      'CurrentTerm=9 LastVoteCand=c:1 LastVoteTerm=9',
    ]);
    await node.cluster.close();
  });

  it('answers entries when they are on the disk, repeated ones too (S100, S110)', async () => {
    const store = new AbleHookedStore();
    const node = await lonely(store);
    const { time } = node.cluster;
    const request = () =>
      new AppendEntriesRequest({
        rpcHeader: headerOf('c'),
        term: 9,
        entries: [logOf(1, 9), logOf(2, 9)],
      });
    const hello = ask(node, heartbeat('c', { term: 9 }));
    await time.pass(1);
    expect(hello).toHaveLength(1);
    const gate = new Gate();
    store.onWrite = gate.pass;
    const [first, second] = [ask(node, request()), ask(node, request())];
    await time.pass(100);
    expect([first, second, node.raft.lastIndex()]).toEqual([[], [], 0]);
    const beat = ask(node, heartbeat('c', { term: 9 }));
    await time.pass(1);
    expect(beat[0]?.response).toMatchObject({ success: true, lastLog: 0 });
    gate.open();
    await time.pass(1);
    expect([first[0]?.response, second[0]?.response]).toMatchObject([
      { success: true, lastLog: 0 },
      { success: true, lastLog: 2 },
    ]);
    expect(store.writes.slice(-1)).toEqual(['store 1-2']);
    await node.cluster.close();
  });

  it('folds requests that wait into one write, answers each in turn (rule 16)', async () => {
    const store = new AbleHookedStore();
    const node = await lonely(store);
    const { time } = node.cluster;
    const answers = [1, 2, 3, 4].map((index) =>
      ask(
        node,
        new AppendEntriesRequest({
          rpcHeader: headerOf('c'),
          term: 9,
          prevLogEntry: index - 1,
          prevLogTerm: index === 1 ? 0 : 9,
          entries: [logOf(index, 9)],
          leaderCommitIndex: index - 1,
        }),
      ),
    );
    await time.pass(1);
    expect(answers.map(([answer]) => answer?.response)).toMatchObject(
      [0, 1, 2, 3].map((lastLog) => ({ success: true, lastLog })),
    );
    expect(store.writes.filter((what) => what.startsWith('store'))).toEqual(['store 1-4']);
    expect(node.applied).toHaveLength(3);
    await node.cluster.close();
  });

  it('lives on when the transport fails to take an answer', async () => {
    const node = await lonely();
    const consumer = node.transport.consumer();
    const fail = (): never => {
      throw new Error('connection reset');
    };
    void consumer.send(new RPC(new RequestVoteRequest({ rpcHeader: headerOf('c') }), null, fail));
    await node.cluster.time.pass(1);
    expect(node.lines).toContain('error: failed to respond');
    expect(node.raft.fatal).toBeNull();
    const answer = ask(node, new RequestVoteRequest({ rpcHeader: headerOf('c') }));
    await node.cluster.time.pass(1);
    expect(answer).toHaveLength(1);
    await node.cluster.close();
  });

  it('makes the network wait when 1,024 requests wait for the disk (S2)', async () => {
    const store = new AbleHookedStore();
    const node = await lonely(store);
    const { time } = node.cluster;
    const gate = new Gate();
    store.onWrite = gate.pass;
    const consumer = node.transport.consumer();
    let taken = 0;
    let answered = 0;
    for (let tries = 0; tries < 4000; tries += 1) {
      const request = new RequestVoteRequest({ rpcHeader: headerOf('c'), term: 1 + (tries % 3) });
      const rpc = new RPC(request, null, () => {
        answered += 1;
      });
      if (consumer.trySend(rpc)) taken += 1;
      await turn();
    }
    expect([taken > 1024, taken < 2048, answered]).toEqual([true, true, 0]);
    gate.open();
    await time.until(() => answered === taken, 'all are answered');
    await node.cluster.close();
  });

  it('lets go of the bytes of a snapshot that it refuses (S119, #212)', async () => {
    const node = await lonely();
    const rpcHeader = headerOf('c');
    ask(node, heartbeat('c', { term: 9 }));
    await node.cluster.time.pass(1);
    const refusals = [
      { term: 1, lastLogIndex: 5 },
      { term: 9, lastLogIndex: 5, snapshotVersion: 7 },
      { term: 9, lastLogIndex: 5, lastLogTerm: 99 },
      { term: 9, lastLogIndex: 5, lastLogTerm: 9, configuration: utf8('damaged') },
      { term: 9, lastLogIndex: 5, rpcHeader: { ...rpcHeader, protocolVersion: 9 } },
    ];
    for (const fields of refusals) {
      let released = 0;
      const reader = {
        [Symbol.asyncIterator]: () => ({
          next: () => new Promise<IteratorResult<Uint8Array>>(() => {}),
          return: async () => {
            released += 1;
            return { done: true as const, value: undefined };
          },
        }),
      };
      const request = { rpcHeader, snapshotVersion: 1, size: 9, ...fields };
      const answers = ask(node, new InstallSnapshotRequest(request), reader);
      await node.cluster.time.pass(1);
      expect([answers.length, released]).toEqual([1, 1]);
    }
    await node.cluster.close();
  });
});
