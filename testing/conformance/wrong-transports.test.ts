import { afterEach, describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { Timestamp } from '../../internal/timestamp.ts';
import {
  AppendEntriesRequest,
  AppendEntriesResponse,
  isHeartbeat,
  RequestPreVoteResponse,
  RequestVoteRequest,
  type RPCReply,
  TimeoutNowRequest,
} from '../../raft/messages.ts';
import {
  type AppendPipeline,
  RPC,
  type RPCResponse,
  type SendChannel,
  type Transport,
  type WithClose,
  type WithPreVote,
} from '../../raft/transport.ts';
import {
  type InmemTransport,
  newInmemTransportWithTimeout,
} from '../../transport/inmem-transport.ts';
import { type TransportPair, transportConformance } from './transport.ts';

type Port = Transport & WithPreVote & WithClose;
type Change = Partial<Port>;

/** The port over an `InmemTransport`, to be given other methods. */
function port(inner: InmemTransport): Port {
  return {
    consumer: () => inner.consumer(),
    localAddr: () => inner.localAddr(),
    appendEntriesPipeline: (id, target) => inner.appendEntriesPipeline(id, target),
    appendEntries: (id, target, args) => inner.appendEntries(id, target, args),
    requestVote: (id, target, args) => inner.requestVote(id, target, args),
    requestPreVote: (id, target, args) => inner.requestPreVote(id, target, args),
    installSnapshot: (id, target, args, data) => inner.installSnapshot(id, target, args, data),
    encodePeer: (id, addr) => inner.encodePeer(id, addr),
    decodePeer: (bytes) => inner.decodePeer(bytes),
    setHeartbeatHandler: (handler) => inner.setHeartbeatHandler(handler),
    timeoutNow: (id, target, args) => inner.timeoutNow(id, target, args),
    close: () => inner.close(),
  };
}

type Wrong = (
  caller: InmemTransport,
  server: InmemTransport,
) => { caller?: Change; server?: Change };

const opened: InmemTransport[] = [];

/** Fails what a case has left under way: nobody may be left alone with that. */
afterEach(async () => {
  await Promise.all(opened.splice(0).map((transport) => transport.close()));
});

function open(wrong: Wrong): TransportPair {
  const [, caller] = newInmemTransportWithTimeout('', 5000);
  const [address, server] = newInmemTransportWithTimeout('', 5000);
  opened.push(caller, server);
  caller.connect(address, server);
  const change = wrong(caller, server);
  return {
    caller: { ...port(caller), ...change.caller },
    server: { ...port(server), ...change.server },
  };
}

/** A caller that changes its AppendEntries on the way. */
function altered(change: (args: AppendEntriesRequest) => Partial<AppendEntriesRequest>): Wrong {
  return (caller) => ({
    caller: {
      appendEntries: (id, target, args) =>
        caller.appendEntries(id, target, new AppendEntriesRequest({ ...args, ...change(args) })),
    },
  });
}

/** A caller whose AppendEntries go straight to the peer's consumer, in the way of `carry`. */
function direct(
  carry: (args: AppendEntriesRequest, settle: (answer: RPCResponse) => void) => RPC,
  outcome = ({ error, response }: RPCResponse): RPCReply => {
    if (error !== null || response === null) throw error ?? new Error('no answer');
    return response;
  },
): Wrong {
  return (_caller, server) => ({
    caller: {
      appendEntries: async (_id, _target, args) => {
        const answer = await new Promise<RPCResponse>((settle) => {
          void server.consumer().send(carry(args, settle));
        });
        const response = outcome(answer);
        return response instanceof AppendEntriesResponse ? response : expect.fail('no response');
      },
    },
  });
}

/** Believes the last answer of a turn instead of the first. */
class LastAnswerRPC extends RPC {
  #last: RPCResponse | null = null;
  readonly #settle: (answer: RPCResponse) => void;
  constructor(args: AppendEntriesRequest, settle: (answer: RPCResponse) => void) {
    super(args, null, settle);
    this.#settle = settle;
  }
  override respond(response: RPCReply | null, error: Error | null): void {
    this.#last = { response, error };
    setImmediate(() => this.#settle(this.#last ?? { response, error }));
  }
  override get respChan(): SendChannel<RPCResponse> {
    const trySend = ({ response, error }: RPCResponse): boolean => {
      this.respond(response, error);
      return true;
    };
    return { trySend, send: async (answer) => void trySend(answer) };
  }
}

/** A caller whose snapshots have what `change` makes of their bytes. */
function copied(
  change: (data: AsyncIterable<Uint8Array>, size: number) => AsyncIterable<Uint8Array>,
): Wrong {
  return (caller) => ({
    caller: {
      installSnapshot: (id, target, args, data) =>
        caller.installSnapshot(id, target, args, change(data, args.size)),
    },
  });
}

async function* ofSize(data: AsyncIterable<Uint8Array>, size: number): AsyncGenerator<Uint8Array> {
  let left = size;
  try {
    for await (const chunk of data) {
      const part = chunk.subarray(0, left);
      left -= part.length;
      yield part;
    }
  } catch {
    // As if nothing had happened.
  }
  yield new Uint8Array(left);
}

/** A caller whose pipelines are changed. */
function piped(change: (pipeline: AppendPipeline) => Partial<AppendPipeline>): Wrong {
  return (caller) => ({
    caller: {
      async appendEntriesPipeline(id, target) {
        const pipeline = await caller.appendEntriesPipeline(id, target);
        return {
          appendEntries: (args) => pipeline.appendEntries(args),
          consumer: () => pipeline.consumer(),
          close: () => pipeline.close(),
          ...change(pipeline),
        };
      },
    },
  });
}

const faults: Record<string, Wrong> = {
  'AppendEntries arrives and is answered': altered(() => ({ leaderCommitIndex: 0 })),
  'no entries and nil entries stay apart': altered(({ entries }) => ({ entries: entries ?? [] })),
  'RequestVote arrives and is answered': (caller) => ({
    caller: {
      requestVote: (id, target, args) =>
        caller.requestVote(
          id,
          target,
          new RequestVoteRequest({ ...args, leadershipTransfer: false }),
        ),
    },
  }),
  'RequestPreVote arrives and is answered': (caller) => ({
    caller: {
      requestPreVote: async (id, target, args) => {
        const reply = await caller.requestPreVote(id, target, args);
        return new RequestPreVoteResponse({ ...reply, granted: false });
      },
    },
  }),
  'TimeoutNow arrives and is answered': (caller) => ({
    caller: {
      timeoutNow: (id, target) => caller.timeoutNow(id, target, new TimeoutNowRequest()),
    },
  }),
  'the error of an answer keeps its text': direct(
    (args, settle) => new RPC(args, null, settle),
    ({ error, response }) => {
      if (error !== null) throw new Error(error.message.replaceAll('%', '%!'));
      return response ?? expect.fail('no response');
    },
  ),
  'calls under way at the same time each get their own answer': (caller) => {
    let last: Promise<unknown> = Promise.resolve();
    return {
      caller: {
        appendEntries(id, target, args) {
          const result = last.then(() => caller.appendEntries(id, target, args));
          last = result.catch(() => {});
          result.catch(() => {});
          return result;
        },
      },
    };
  },
  'what the receiver gets is its own': direct((args, settle) => new RPC(args, null, settle)),
  'an address survives encodePeer and decodePeer': () => ({
    caller: { encodePeer: (_id, addr) => utf8(`${addr}/`) },
  }),
  'entries of every kind keep every field': altered(({ entries }) => ({
    entries: (entries ?? []).map((log) => ({
      ...log,
      appendedAt: Timestamp.from(new Date(log.appendedAt.getTime())),
    })),
  })),
  'the largest number that is exact arrives as it was sent': altered(({ term }) => ({
    term: term > 2 ** 52 ? term - 1 : term,
  })),
  'an error is an error, also when a reply comes with it': direct(
    (args, settle) => new RPC(args, null, settle),
    ({ error, response }) => {
      if (response === null) throw error;
      return response;
    },
  ),
  'only the first answer to a request counts': direct(
    (args, settle) => new LastAnswerRPC(args, settle),
  ),
  'a heartbeat is answered, with a handler and without': (caller) => {
    let handler: (rpc: RPC) => void = () => {};
    return {
      server: {
        setHeartbeatHandler(given) {
          if (given !== null) handler = given; // and never lets go of it
        },
      },
      caller: {
        appendEntries(id, target, args) {
          if (!isHeartbeat(args)) return caller.appendEntries(id, target, args);
          return new Promise((resolve, reject) => {
            const take = ({ response, error }: RPCResponse): void =>
              response instanceof AppendEntriesResponse ? resolve(response) : reject(error);
            handler(new RPC(args, null, take));
          });
        },
      },
    };
  },
  'InstallSnapshot brings exactly its bytes': copied(async function* (data) {
    for await (const chunk of data) yield chunk.map((byte) => byte ^ 1);
  }),
  'a snapshot may be answered before it is read': (caller) => ({
    caller: {
      async installSnapshot(id, target, args, data) {
        let readToEnd = (): void => {};
        const end = new Promise<void>((resolve) => {
          readToEnd = resolve;
        });
        async function* watched(): AsyncGenerator<Uint8Array> {
          yield* data;
          readToEnd();
        }
        const reply = await caller.installSnapshot(id, target, args, watched());
        await end;
        return reply;
      },
    },
  }),
  'a snapshot of the wrong length is not taken for whole': copied(ofSize),
  'a snapshot whose source fails is not taken for whole': copied(ofSize),
  'a pipeline answers ten requests in their order': piped((pipeline) => ({
    appendEntries: (args) => pipeline.appendEntries(new AppendEntriesRequest({ ...args, term: 1 })),
  })),
  'closing a pipeline fails what is in flight': piped(() => ({ close: async () => {} })),
  'a pipeline tells which request failed, and goes on': piped((pipeline) => ({
    async appendEntries(args) {
      const future = await pipeline.appendEntries(args);
      void future.error().then((error) => (error === null ? undefined : pipeline.close()));
      return future;
    },
  })),
  'a pipeline makes its sender wait when nobody answers': piped((pipeline) => ({
    async appendEntries(args) {
      pipeline.appendEntries(args).catch(() => {});
      return {
        error: async () => null,
        start: () => new Date(0),
        request: () => args,
        response: () => new AppendEntriesResponse({}),
      };
    },
  })),
  'close ends calls under way, and the consumer': () => ({ caller: { close: async () => {} } }),
  'a peer that is closed cannot be reached': () => ({ server: { close: async () => {} } }),
};

/** A case's name without the numbers of what it holds. */
const plain = (name: string): string => name.replace(/ \(.*\)$/, '');

describe('the transport suite', () => {
  const sound = transportConformance({ open: () => open(() => ({})), close: () => {} });

  it('has a wrong transport for each of its cases', () => {
    expect(Object.keys(faults)).toEqual(sound.map(({ name }) => plain(name)));
  });

  it.each(sound.map(({ name, run }) => [name, run] as const))(
    'lets a sound transport pass: %s',
    (_name, run) => run(),
  );

  it.each(Object.entries(faults))('fails the wrong transport: %s', async (name, wrong) => {
    const cases = transportConformance({ open: () => open(wrong), close: () => {}, limit: 200 });
    const found = cases.find((one) => plain(one.name) === name);
    await expect(found?.run()).rejects.toThrow();
  });

  it('says that a case hangs when it does', async () => {
    const [first] = transportConformance({
      open: () =>
        open(() => ({
          server: { consumer: () => newInmemTransportWithTimeout('', 1)[1].consumer() },
        })),
      close: () => {},
      limit: 20,
    });
    await expect(first?.run()).rejects.toThrow('expected the case to end within 20 ms, it hangs');
  });
});
