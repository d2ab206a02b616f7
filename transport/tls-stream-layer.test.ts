import net from 'node:net';
import tls from 'node:tls';
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type LogFields, silentLogger } from '../raft/logger.ts';
import { AppendEntriesRequest, AppendEntriesResponse } from '../raft/messages.ts';
import { TestAuthority } from '../testing/certificates.ts';
import type { NetworkTransport } from './network-transport.ts';
import {
  newTLSStreamLayer,
  newTLSTransport,
  type TLSCredentials,
  type TLSOptions,
  type TLSStreamLayer,
} from './tls-stream-layer.ts';

const request = new AppendEntriesRequest({ term: 10, prevLogEntry: 100 });
const response = new AppendEntriesResponse({ term: 4, lastLog: 90, success: true });

/** What Node keeps beneath a socket. */
interface TCPHandle {
  setNoDelay(on: boolean): void;
  setKeepAlive(on: boolean, seconds: number): void;
}

let ours: TestAuthority;
let theirs: TestAuthority;
let member: TLSCredentials;

beforeAll(async () => {
  ours = await TestAuthority.create('ours');
  theirs = await TestAuthority.create('theirs');
  member = await ours.member();
});

const open: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const end of open.splice(0)) await end.close();
});

/** A transport, and the lines that it writes about peers. */
async function newNode(
  credentials: TLSCredentials,
  options: Partial<TLSOptions> = {},
): Promise<{ transport: NetworkTransport; lines: [string, LogFields][] }> {
  const lines: [string, LogFields][] = [];
  const write = (fields: LogFields, text: string): void => void lines.push([text, fields]);
  const logger = { ...silentLogger, warn: write, error: write };
  const transport = await newTLSTransport(
    '127.0.0.1:0',
    null,
    { ...credentials, ...options },
    { maxPool: 3, timeout: 5000, logger },
  );
  open.push(transport);
  return { transport, lines };
}

async function newLayer(options: Partial<TLSOptions> = {}): Promise<TLSStreamLayer> {
  const settings = { ...member, logger: silentLogger, ...options };
  const layer = await newTLSStreamLayer('127.0.0.1:0', null, settings);
  open.push(layer);
  return layer;
}

async function call(caller: NetworkTransport, server: NetworkTransport): Promise<void> {
  const answering = server
    .consumer()
    .receive()
    .then(({ value }) => value?.respond(response, null));
  expect(await caller.appendEntries('id', server.localAddr(), request)).toEqual(response);
  await answering;
}

/** A connection can be opened and accepted. */
async function meet(caller: TLSStreamLayer, server: TLSStreamLayer): Promise<void> {
  const ends = await Promise.all([server.accept(), caller.dial(server.addr(), 5000)]);
  for (const end of ends) end.destroy();
}

function portOf(end: { localAddr(): string } | { addr(): string }): number {
  return Number(('addr' in end ? end.addr() : end.localAddr()).split(':').at(-1));
}

/** Resolves when `isTrue` does; the test's own limit ends it otherwise. */
async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 1));
}

/** The bytes that somebody who connects in some way is given, until the connection is closed. */
function bytesGiven(socket: net.Socket): Promise<number> {
  return new Promise((resolve) => {
    let count = 0;
    socket.on('data', (chunk: Uint8Array) => {
      count += chunk.length;
    });
    socket.on('error', () => {});
    socket.on('close', () => resolve(count));
  });
}

/** The one line about a peer that was refused. */
async function refusal(lines: readonly [string, LogFields][]): Promise<string> {
  await until(() => lines.length > 0);
  const [text, fields] = lines[0] ?? expect.fail('no line');
  expect(text).toBe('refused connection');
  expect(fields['remote-address']).toMatch(/^127\.0\.0\.1:\d+$/);
  const { error } = fields;
  return error instanceof Error ? error.message : expect.fail('no error');
}

describe('members of one authority', () => {
  it('call each other, and may keep their connections', async () => {
    const [a, b] = [await newNode(member), await newNode(await ours.member())];
    await call(a.transport, b.transport);
    await call(b.transport, a.transport);
    await call(a.transport, b.transport);
    expect(a.transport.pooledConnections(b.transport.localAddr())).toBe(1);
    expect([a.lines, b.lines]).toEqual([[], []]);
  });

  it('speak TLS 1.3 and call the protocol raft, unless told otherwise', async () => {
    const strict = await newNode(member);
    const { ca, cert, key } = member;
    const how = { host: '127.0.0.1', port: portOf(strict.transport), ca, cert, key };
    const socket = tls.connect({ ...how, ALPNProtocols: ['raft'] });
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    expect([socket.getProtocol(), socket.alpnProtocol]).toEqual(['TLSv1.3', 'raft']);
    socket.destroy();
    expect(await bytesGiven(tls.connect({ ...how, maxVersion: 'TLSv1.2' }))).toBe(0);
    expect(await refusal(strict.lines)).toBe('tls: unsupported protocol');

    const lenient = await newNode(member, { minVersion: 'TLSv1.2' });
    const old = tls.connect({ ...how, port: portOf(lenient.transport), maxVersion: 'TLSv1.2' });
    await new Promise((resolve) => old.once('secureConnect', resolve));
    expect(old.getProtocol()).toBe('TLSv1.2');
    old.destroy();
  });

  it('send without delay and keep the connection alive, both ends (S191)', async () => {
    const probe = net.connect({ port: 1, lookup: () => {} });
    const prototype: TCPHandle = Object.getPrototypeOf(Reflect.get(probe, '_handle'));
    probe.destroy();
    const noDelay = vi.spyOn(prototype, 'setNoDelay');
    const keepAlive = vi.spyOn(prototype, 'setKeepAlive');
    const [a, b] = [await newNode(member), await newNode(member)];
    await call(a.transport, b.transport);
    expect(new Set(noDelay.mock.contexts).size).toBe(2);
    expect(new Set(noDelay.mock.calls.flat())).toEqual(new Set([true]));
    expect(new Set(keepAlive.mock.contexts).size).toBe(2);
    expect(new Set(keepAlive.mock.calls.flat())).toEqual(new Set([true, 15]));
    vi.restoreAllMocks();
  });

  it('prove themselves at every connection: none is resumed', async () => {
    const server = await newLayer();
    const { ca, cert, key } = member;
    const how = { host: '127.0.0.1', port: portOf(server), ca, cert, key };
    let session: Buffer | null = null;
    for (let i = 0; i < 2; i += 1) {
      const socket: tls.TLSSocket = tls.connect(session === null ? how : { ...how, session });
      const given = new Promise<Buffer>((resolve) => socket.once('session', resolve));
      const connection = await server.accept();
      socket.resume();
      session = await given;
      expect(socket.isSessionReused()).toBe(false);
      connection.destroy();
      socket.destroy();
    }
  });

  it('that carry the name of the cluster find each other under any address', async () => {
    const named = await ours.member({ names: ['server.raft.internal'] });
    const options = { serverName: 'server.raft.internal' };
    const [a, b] = [await newNode(named, options), await newNode(named, options)];
    await call(a.transport, b.transport);
  });
});

describe('a peer gets nowhere', () => {
  it.each([
    ['without a certificate', async () => null, 'tls: peer did not return a certificate'],
    [
      'with one of another authority',
      () => theirs.member(),
      'expected a valid certificate of the peer: UNABLE_TO_VERIFY_LEAF_SIGNATURE',
    ],
    [
      'with one that is out of date',
      () => ours.member({ validDays: -1 }),
      'expected a valid certificate of the peer: CERT_HAS_EXPIRED',
    ],
    [
      'with one made out to another name',
      () => ours.member({ names: ['client.raft.internal'] }),
      expect.stringContaining("Host: server.raft.internal. is not in the cert's altnames"),
    ],
  ])('%s, and there is one line about it', async (_how, credentials, reason) => {
    const named = await ours.member({ names: ['server.raft.internal'] });
    const server = await newNode(named, { serverName: 'server.raft.internal' });
    const own = await credentials();
    const socket = tls.connect({
      host: '127.0.0.1',
      port: portOf(server.transport),
      ca: ours.pem,
      ...(own === null ? {} : { cert: own.cert, key: own.key }),
      // It would be a member: it says what a member says.
      ALPNProtocols: ['raft'],
    });
    socket.on('secureConnect', () => socket.write(Uint8Array.of(3, 0x80)));
    expect(await bytesGiven(socket)).toBe(0);
    expect(await refusal(server.lines)).toEqual(reason);
    expect(server.transport.consumer().tryReceive()).toBeUndefined();
    expect(server.lines).toHaveLength(1);
  });

  it('whose certificate was taken back', async () => {
    const revoked = await newNode(await ours.member());
    const crl = await ours.revocations();
    const server = await newNode({ ...(await ours.member()), crl });
    const address = server.transport.localAddr();
    await expect(revoked.transport.appendEntries('id', address, request)).rejects.toThrow();
    expect(await refusal(server.lines)).toContain('CERT_REVOKED');
    await call((await newNode(await ours.member())).transport, server.transport);
  });

  it.each([
    ['that speaks no TLS', 'tls: wrong version number', Uint8Array.of(0, 0x81, 1, 2, 3, 4, 5, 6)],
    ['that says nothing within the time', 'TLS handshake timeout', new Uint8Array(0)],
  ])('%s', async (_how, reason, bytes) => {
    const server = await newNode(member, { handshakeTimeout: 50 });
    const socket = net.connect(portOf(server.transport), '127.0.0.1', () => socket.write(bytes));
    await bytesGiven(socket);
    expect(await refusal(server.lines)).toBe(reason);
    expect(server.lines).toHaveLength(1);
  });

  it('that calls the protocol otherwise', async () => {
    const server = await newNode(member);
    const { ca, cert, key } = member;
    const to = { host: '127.0.0.1', port: portOf(server.transport) };
    expect(await bytesGiven(tls.connect({ ...to, ca, cert, key, ALPNProtocols: ['h2'] }))).toBe(0);
    expect(await refusal(server.lines)).toBe('tls: no application protocol');
  });

  it('while those who wait in line for it do not notice', async () => {
    const [server, caller] = [await newNode(member), await newNode(member)];
    const stranger = await theirs.member();
    const how = { host: '127.0.0.1', port: portOf(server.transport), rejectUnauthorized: false };
    await Promise.all(
      Array.from({ length: 20 }, () => bytesGiven(tls.connect({ ...how, ...stranger }))),
    );
    await call(caller.transport, server.transport);
    expect(server.lines).toHaveLength(20);
  });
});

describe('a server is not believed', () => {
  it.each([
    ['of another authority', () => theirs.member(), {}, /self.signed certificate/],
    ['that is out of date', () => ours.member({ validDays: -1 }), {}, /certificate has expired/],
    [
      'made out to another name',
      () => ours.member(),
      { serverName: 'server.raft.internal' },
      /Host: server\.raft\.internal\. is not cert's CN/,
    ],
  ])('with a certificate %s', async (_how, credentials, options, reason) => {
    const server = await newLayer(await credentials());
    const caller = await newLayer(options);
    await expect(caller.dial(server.addr(), 5000)).rejects.toMatchObject({
      code: 'ERR_DIAL',
      message: expect.stringMatching(reason),
    });
  });

  it('that says nothing within the time', async () => {
    const silent = net.createServer((socket) => socket.resume()).listen(0, '127.0.0.1');
    await new Promise((resolve) => silent.once('listening', resolve));
    const bound = silent.address();
    const address = typeof bound === 'object' ? `127.0.0.1:${bound?.port}` : expect.fail('no port');
    const caller = await newLayer({ handshakeTimeout: 20 });
    await expect(caller.dial(address, 10)).rejects.toThrow(/i\/o timeout$/);
    await expect(caller.dial(address, 0)).rejects.toThrow(/i\/o timeout$/);
    await expect(caller.dial(address, 0, AbortSignal.abort())).rejects.toThrow(/canceled$/);
    const ended = new AbortController();
    const dialling = caller.dial(address, 60_000, ended.signal);
    ended.abort();
    await expect(dialling).rejects.toThrow(/canceled$/);
    await new Promise((resolve) => silent.close(resolve));
  });
});

it('believes no stranger where the environment tells Node to believe everybody', async () => {
  const server = await newLayer(await theirs.member());
  const caller = await newLayer();
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
  try {
    await expect(caller.dial(server.addr(), 5000)).rejects.toThrow(/certificate/);
  } finally {
    vi.unstubAllEnvs();
  }
});

describe('credentials', () => {
  it('can be replaced while connections stand', async () => {
    const [a, b] = [await newLayer(), await newLayer()];
    const accepting = b.accept();
    const before = await a.dial(b.addr(), 5000);
    const standing = await accepting;
    const other = await theirs.member();
    b.setCredentials(other);
    await expect(a.dial(b.addr(), 5000)).rejects.toThrow(/certificate/);
    a.setCredentials(other);
    await meet(a, b);
    const heard = new Promise<Uint8Array>((received) =>
      standing.start({ received, ended() {}, drained() {}, failed() {} }),
    );
    before.write(Uint8Array.of(7));
    expect([...(await heard)]).toEqual([7]);
    before.destroy();
    standing.destroy();
  });

  it('that cannot be used change nothing', async () => {
    const [a, b] = [await newLayer(), await newLayer()];
    const { key } = await ours.member();
    expect(() => a.setCredentials({ ...member, key })).toThrow(/belong together/);
    await meet(a, b);
  });

  it.each<[string, Partial<TLSOptions>, RegExp]>([
    ['no authority: everybody would be believed', { ca: '' }, /^ca must be a certificate in PEM/],
    ['an empty list of authorities', { ca: [] }, /^ca must name an authority/],
    ['an authority that is none', { ca: ['x'] }, /^ca must be a certificate in PEM/],
    ['no certificate', { cert: '' }, /^cert and key must be PEM and belong together/],
    ['no key', { key: '' }, /^cert and key must be PEM and belong together/],
    ['no time for a handshake', { handshakeTimeout: 0 }, /^handshakeTimeout must be more than 0/],
    ['no number of time', { handshakeTimeout: Number.NaN }, /^handshakeTimeout must be more than/],
  ])('are refused for %s', async (_what, options, message) => {
    await expect(newLayer(options)).rejects.toMatchObject({
      code: 'ERR_INVALID_CONFIG',
      message: expect.stringMatching(message),
    });
  });
});

describe('close', () => {
  it('ends handshakes, and what nobody has accepted', async () => {
    const layer = await newLayer();
    const port = portOf(layer);
    const silent = net.connect(port, '127.0.0.1');
    const closed = bytesGiven(silent);
    const waiting = await (await newLayer()).dial(layer.addr(), 5000);
    waiting.start({ received() {}, ended: () => waiting.destroy(), drained() {}, failed() {} });
    await layer.close();
    await closed;
    await waiting.closed;
    await expect(layer.accept()).rejects.toMatchObject({ code: 'ERR_LISTENER_CLOSED' });
    await layer.close();
  });

  it('leaves nothing open', async () => {
    const nothingOpen = () =>
      !process.getActiveResourcesInfo().some((name) => /^(TCP|TLS)/.test(name));
    await until(nothingOpen);
    const [a, b] = [await newNode(member), await newNode(member)];
    await call(a.transport, b.transport);
    expect(nothingOpen()).toBe(false);
    await Promise.all([a.transport.close(), b.transport.close()]);
    await until(nothingOpen);
  });
});
