import { assert } from '../../internal/assert.ts';
import { bytesEqual, concatBytes } from '../../internal/bytes.ts';
import { ErrPipelineShutdown } from '../../raft/errors.ts';
import { InstallSnapshotRequest, InstallSnapshotResponse } from '../../raft/messages.ts';
import { assertSame, failureOf } from './conformance.ts';
import {
  answerNext,
  appendRequest,
  appendResponse,
  assertEqual,
  begun,
  chunks,
  exchange,
  nextRequest,
  rpcHeader,
  type TransportCase,
} from './transport-fixture.ts';

/** Cases about snapshots. */
export const snapshots: readonly TransportCase[] = [
  {
    name: 'InstallSnapshot brings exactly its bytes (test 121, test 131)',
    check: async ({ caller, server }) => {
      for (const size of [0, 10, 3_000_000]) {
        const state = new Uint8Array(size).map((_, i) => i % 251);
        const half = Math.floor(size / 2);
        const request = new InstallSnapshotRequest({
          rpcHeader,
          term: 10,
          lastLogIndex: 100,
          size,
        });
        const calling = begun(
          caller.installSnapshot(
            'id',
            server.localAddr(),
            request,
            chunks(state.slice(0, half), state.slice(half)),
          ),
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
  },

  {
    name: 'a snapshot may be answered before it is read (S119)',
    check: async ({ caller, server }) => {
      const request = new InstallSnapshotRequest({ rpcHeader, term: 10, size: 2_000_000 });
      const calling = begun(
        caller.installSnapshot(
          'id',
          server.localAddr(),
          request,
          chunks(new Uint8Array(1_000_000), new Uint8Array(1_000_000)),
        ),
      );
      const rpc = await nextRequest(server);
      const reply = new InstallSnapshotResponse({ rpcHeader, term: 11 });
      rpc.respond(reply, null);
      assertEqual('reply', await calling, reply);
    },
  },
  {
    name: 'a snapshot of the wrong length is not taken for whole (#651)',
    async check({ caller, server }) {
      for (const length of [8, 12]) {
        const request = new InstallSnapshotRequest({ rpcHeader, term: 10, size: 10 });
        const state = chunks(new Uint8Array(4), new Uint8Array(length - 4));
        const calling = failureOf('the call', () =>
          caller.installSnapshot('id', server.localAddr(), request, state),
        );
        const rpc = await nextRequest(server);
        const failure = await failureOf('reading', async () => {
          for await (const _part of rpc.reader ?? []);
        });
        rpc.respond(null, failure instanceof Error ? failure : null);
        await calling;
      }
      // What was too much is not taken for a request, and the way is still open.
      await exchange(server, appendRequest(), appendResponse(1), (args) =>
        caller.appendEntries('id', server.localAddr(), args),
      );
    },
  },
  {
    name: 'a snapshot whose source fails is not taken for whole',
    async check({ caller, server }) {
      async function* state(): AsyncGenerator<Uint8Array> {
        yield new Uint8Array(4);
        throw new Error('the disk is gone');
      }
      const request = new InstallSnapshotRequest({ rpcHeader, term: 10, size: 10 });
      const calling = failureOf('the call', () =>
        caller.installSnapshot('id', server.localAddr(), request, state()),
      );
      const rpc = await nextRequest(server);
      const failure = await failureOf('reading', async () => {
        for await (const _part of rpc.reader ?? []);
      });
      rpc.respond(null, failure instanceof Error ? failure : null);
      await calling;
    },
  },
];

/** Cases about pipelines. */
export const pipelines: readonly TransportCase[] = [
  {
    name: 'a pipeline answers ten requests in their order (test 119, test 129)',
    check: async ({ caller, server }) => {
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
  },

  {
    name: 'closing a pipeline fails what is in flight (S192)',
    check: async ({ caller, server }) => {
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
  },
  {
    name: 'a pipeline tells which request failed, and goes on (S195)',
    async check({ caller, server }) {
      const pipeline = await caller.appendEntriesPipeline('id', server.localAddr());
      const outcomes: (string | undefined)[] = [];
      for (let i = 0; i < 3; i += 1) {
        const sending = pipeline.appendEntries(appendRequest(i));
        sending.catch(() => {}); // looked at below, unless the case has failed by then
        const rpc = await nextRequest(server);
        if (i === 1) rpc.respond(null, new Error('not this one'));
        else rpc.respond(appendResponse(i), null);
        const consumed = await pipeline.consumer().receive();
        assertSame('the future', consumed.value, await sending);
        outcomes.push((await consumed.value?.error())?.message);
      }
      assertEqual('outcomes', outcomes, [undefined, 'not this one', undefined]);
      await pipeline.close();
    },
  },
  {
    name: 'a pipeline makes its sender wait when nobody answers (S189)',
    async check({ caller, server }) {
      const pipeline = await caller.appendEntriesPipeline('id', server.localAddr());
      let sent = 0;
      const sending = (async () => {
        for (; sent < 1000; sent += 1) await pipeline.appendEntries(appendRequest(sent));
      })().catch(() => {});
      await nextRequest(server);
      await pipeline.close();
      await sending;
      assert(sent < 1000, 'expected a limit of what is in flight, 1000 requests were taken');
    },
  },
];
