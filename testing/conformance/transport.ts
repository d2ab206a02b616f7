import { assert } from '../../internal/assert.ts';
import { utf8 } from '../../internal/bytes.ts';
import { Timestamp } from '../../internal/timestamp.ts';
import { ErrTransportShutdown } from '../../raft/errors.ts';
import { LogType } from '../../raft/log.ts';
import {
  AppendEntriesRequest,
  AppendEntriesResponse,
  RequestPreVoteRequest,
  RequestPreVoteResponse,
  RequestVoteRequest,
  RequestVoteResponse,
  TimeoutNowRequest,
  TimeoutNowResponse,
} from '../../raft/messages.ts';
import { type RPC, supportsClose, supportsPreVote } from '../../raft/transport.ts';
import { assertSame, type ConformanceCase, failureOf } from './conformance.ts';
import {
  appendRequest,
  appendResponse,
  assertEqual,
  begun,
  entry,
  exchange,
  nextRequest,
  rpcHeader,
  type TransportCase,
  type TransportFactory,
} from './transport-fixture.ts';
import { pipelines, snapshots } from './transport-streams.ts';

export type { TransportFactory, TransportPair } from './transport-fixture.ts';

/** Time after which a case has failed when nothing is said of it. */
const DEFAULT_LIMIT_MS = 30_000;

const calls: readonly TransportCase[] = [
  {
    name: 'AppendEntries arrives and is answered (test 118, test 128)',
    check: ({ caller, server }) =>
      exchange(server, appendRequest(), appendResponse(90), (request) =>
        caller.appendEntries('id', server.localAddr(), request),
      ),
  },

  {
    name: 'no entries and nil entries stay apart',
    check: async ({ caller, server }) => {
      for (const entries of [[], null]) {
        const request = new AppendEntriesRequest({ rpcHeader, term: 1, prevLogEntry: 1, entries });
        await exchange(server, request, appendResponse(1), (args) =>
          caller.appendEntries('id', server.localAddr(), args),
        );
      }
    },
  },

  {
    name: 'RequestVote arrives and is answered (test 120, test 130)',
    check: ({ caller, server }) => {
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
  },

  {
    name: 'RequestPreVote arrives and is answered',
    check: async ({ caller, server }) => {
      if (!supportsPreVote(caller)) return;
      const request = new RequestPreVoteRequest({ rpcHeader, term: 20, lastLogIndex: 1 });
      const reply = new RequestPreVoteResponse({ rpcHeader, term: 100, granted: true });
      await exchange(server, request, reply, (args) =>
        caller.requestPreVote('id', server.localAddr(), args),
      );
    },
  },

  {
    name: 'TimeoutNow arrives and is answered',
    check: ({ caller, server }) =>
      exchange(
        server,
        new TimeoutNowRequest({ rpcHeader }),
        new TimeoutNowResponse({ rpcHeader }),
        (args) => caller.timeoutNow('id', server.localAddr(), args),
      ),
  },

  {
    name: 'the error of an answer keeps its text (S190)',
    check: async ({ caller, server }) => {
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
  },

  {
    name: 'calls under way at the same time each get their own answer (S184)',
    check: async ({ caller, server }) => {
      const asked = Array.from({ length: 8 }, (_, i) =>
        begun(caller.appendEntries('id', server.localAddr(), appendRequest(i))),
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
  },

  {
    name: 'what the receiver gets is its own (S193)',
    check: async ({ caller, server }) => {
      const data = utf8('unharmed');
      const request = new AppendEntriesRequest({ rpcHeader, term: 1, entries: [entry(1, data)] });
      const calling = begun(caller.appendEntries('id', server.localAddr(), request));
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
  },

  {
    name: 'an address survives encodePeer and decodePeer (test 122, test 134)',
    check: async ({ caller, server }) => {
      const address = server.localAddr();
      assertSame('address', caller.decodePeer(caller.encodePeer('id', address)), address);
    },
  },
  {
    name: 'entries of every kind keep every field (S200)',
    async check({ caller, server }) {
      const entries = Object.values(LogType).map((type, i) => ({
        index: 2 ** (8 * i),
        term: i,
        type,
        data: i % 2 === 0 ? null : new Uint8Array(i * 20_000).fill(i),
        extensions: i % 3 === 0 ? null : new Uint8Array(i),
        appendedAt: new Timestamp(1_700_000_000 + i, 999_999_999 - i, -3600 * i),
      }));
      const request = new AppendEntriesRequest({ rpcHeader, term: 1, entries });
      await exchange(server, request, appendResponse(1), (args) =>
        caller.appendEntries('id', server.localAddr(), args),
      );
    },
  },
  {
    name: 'the largest number that is exact arrives as it was sent (S199)',
    check({ caller, server }) {
      const largest = Number.MAX_SAFE_INTEGER;
      const request = new AppendEntriesRequest({
        rpcHeader,
        term: largest,
        prevLogEntry: largest,
        prevLogTerm: largest,
        leaderCommitIndex: largest,
        entries: [{ ...entry(largest, utf8('x')), term: largest }],
      });
      return exchange(server, request, appendResponse(largest), (args) =>
        caller.appendEntries('id', server.localAddr(), args),
      );
    },
  },
  {
    name: 'an error is an error, also when a reply comes with it',
    async check({ caller, server }) {
      const failing = failureOf('the call', () =>
        caller.appendEntries('id', server.localAddr(), appendRequest()),
      );
      const rpc = await nextRequest(server);
      rpc.respond(appendResponse(1), new Error('and yet'));
      const failure = await failing;
      assert(failure instanceof Error, `expected an Error, got ${String(failure)}`);
      assertSame('text', failure.message, 'and yet');
    },
  },
  {
    name: 'only the first answer to a request counts',
    async check({ caller, server }) {
      for (const lastLog of [1, 2]) {
        const calling = begun(caller.appendEntries('id', server.localAddr(), appendRequest()));
        const rpc = await nextRequest(server);
        assertSame(
          'first',
          rpc.respChan.trySend({ response: appendResponse(lastLog), error: null }),
          true,
        );
        rpc.respond(appendResponse(99), new Error('too late'));
        assertSame('reply', (await calling).lastLog, lastLog);
      }
    },
  },
  {
    name: 'a heartbeat is answered, with a handler and without (S185)',
    async check({ caller, server }) {
      const beat = new AppendEntriesRequest({ rpcHeader, term: 10 });
      let handled = 0;
      for (const isSet of [true, false]) {
        const take = (rpc: RPC): void => {
          handled += 1;
          assert(isSet, 'the handler was called after it was taken back');
          assertEqual('request', rpc.command, beat);
          rpc.respond(appendResponse(7), null);
        };
        server.setHeartbeatHandler(take);
        if (!isSet) server.setHeartbeatHandler(null);
        const calling = begun(caller.appendEntries('id', server.localAddr(), beat));
        // A transport may leave the handler alone; then the request comes as all others do.
        const next = server.consumer().receive();
        const first = await Promise.race([calling, next]);
        if (first instanceof AppendEntriesResponse) {
          assertSame('calls of the handler', handled, 1);
          // Somebody waits at the consumer now: what is no heartbeat must not go to the handler.
          const other = begun(caller.appendEntries('id', server.localAddr(), appendRequest()));
          (await next).value?.respond(appendResponse(8), null);
          assertSame('reply', (await other).lastLog, 8);
        } else first.value?.respond(appendResponse(7), null);
        assertSame('reply', (await calling).lastLog, 7);
      }
    },
  },
];

const endings: readonly TransportCase[] = [
  {
    name: 'close ends calls under way, and the consumer (S187)',
    check: async ({ caller, server }) => {
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
  },

  {
    name: 'a peer that is closed cannot be reached',
    check: async ({ caller, server }) => {
      if (!supportsClose(server)) return;
      const address = server.localAddr();
      await server.close();
      const failure = await failureOf('the call', () =>
        caller.appendEntries('id', address, appendRequest()),
      );
      assert(failure instanceof Error, `expected an Error, got ${String(failure)}`);
    },
  },
];

/** What comes of `running`, or a failure when nothing does within the time. */
async function within(limitMs: number, running: Promise<void>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    const text = `expected the case to end within ${limitMs} ms, it hangs`;
    timer = setTimeout(() => reject(new Error(text)), limitMs);
  });
  try {
    await Promise.race([running, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * What every transport must do: messages arrive as they were sent, errors keep their text,
 * pipelines their order, and nothing under way is left hanging when something closes.
 *
 * @param factory opens the pair of transports that each case gets
 * @returns the cases, to be run in any order by any test runner
 */
export function transportConformance(factory: TransportFactory): ConformanceCase[] {
  const limitMs = factory.limit ?? DEFAULT_LIMIT_MS;
  return [...calls, ...snapshots, ...pipelines, ...endings].map(({ name, check }) => ({
    name,
    async run() {
      const pair = await factory.open();
      try {
        await within(limitMs, check(pair));
      } finally {
        await factory.close(pair);
      }
    },
  }));
}
