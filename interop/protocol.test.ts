import { afterEach, describe, expect, it } from 'vitest';
import { Cluster } from './suite/cluster.ts';
import { type Kind, killPeers, PeerProcess } from './suite/peer-process.ts';
import { waitFor } from './suite/wait.ts';

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.close();
  await killPeers();
});

async function startOne(kind: Kind, args: readonly string[] = []): Promise<PeerProcess> {
  cluster = await Cluster.started([{ id: 'n1', kind, args: ['--observe', ...args] }]);
  await cluster.leader();
  return cluster.peer('n1');
}

describe.each(['go', 'ts'] as const)('the %s peer', (kind) => {
  it('answers every command of the state machine as the protocol says', async () => {
    const peer = await startOne(kind);
    const run = async (cmd: unknown) => (await peer.ask('apply', { cmd })).response;
    expect(await run({ op: 'set', key: 'a', value: '<1> \u2028 é' })).toEqual({ prev: null });
    expect(await run({ op: 'set', key: 'a', value: 'x' })).toEqual({ prev: '<1> \u2028 é' });
    expect(await run({ op: 'append', key: 'a', value: 'y' })).toEqual({ value: 'xy' });
    expect(await run({ op: 'append', key: 'b', value: 'y' })).toEqual({ value: 'y' });
    const cas = (from: string | null, to: string, key = 'a') => run({ op: 'cas', key, from, to });
    expect(await cas('xy', 'z')).toEqual({ ok: true, value: 'z' });
    expect(await cas('xy', 'no')).toEqual({ ok: false, value: 'z' });
    expect(await cas(null, 'new', 'c')).toEqual({ ok: true, value: 'new' });
    expect(await cas(null, 'no', 'c')).toEqual({ ok: false, value: 'new' });
    expect(await run({ op: 'del', key: 'b' })).toEqual({ prev: 'y' });
    expect(await run({ op: 'del', key: 'b' })).toEqual({ prev: null });
    const bad = [{ op: 'nothing' }, { op: 'set', key: 'a' }, { op: 'set', key: 1, value: 'v' }, []];
    for (const cmd of [...bad, 5, 'text', null, { op: 'bulk', bytes: -1 }]) {
      expect(await run(cmd)).toEqual({ error: 'bad command' });
    }
    expect(await run({ op: 'bulk', bytes: 1e3 })).toEqual({ bytes: 1000 });
    expect(await peer.ask('dump')).toMatchObject({ data: { a: 'z', c: 'new' } });
    expect(await peer.ask('get', { key: 'a', mode: 'linear' })).toMatchObject({ value: 'z' });
    expect(await peer.ask('get', { key: 'b', mode: 'stale' })).toMatchObject({ value: null });
  });

  it('proposes all of applyMany before it waits, and answers in order', async () => {
    const peer = await startOne(kind, ['--fsm', 'batching']);
    const cmds = Array.from({ length: 300 }, (_, at) => ({ op: 'set', key: `${at}`, value: '' }));
    const { results } = await peer.ask('applyMany', { cmds });
    expect(results).toEqual(
      cmds.map((_, at) => ({ ok: true, index: 3 + at, response: { prev: null } })),
    );
    const { count, size, index } = await peer.ask('fsm');
    expect({ count, size, index }).toEqual({ count: 300, size: 300, index: 302 });
  });

  it('refuses a line that is no request and goes on', async () => {
    const peer = await startOne(kind);
    for (const line of ['nonsense', '[]', '{"id":4,"op":"dance"}']) {
      const { id, ok, error } = await peer.send(line);
      expect({ id, ok }).toEqual({ id: null, ok: false });
      expect(error).not.toBe('');
    }
    await peer.ask('barrier');
    await peer.ask('verifyLeader');
  });

  it('answers with the error texts of the library', async () => {
    const peer = await startOne(kind);
    const server = { server: 'n2', address: '127.0.0.1:1' };
    await expect(peer.ask('addNonvoter', { ...server, prevIndex: 99 })).rejects.toThrow(
      'configuration changed since 99 (latest is 1)',
    );
    await expect(peer.ask('transfer', server)).rejects.toThrow();
    await expect(peer.ask('bootstrap', { servers: [server] })).rejects.toThrow();
    await expect(peer.ask('transfer', {})).rejects.toThrow('cannot find peer');
  });

  it('changes members, reloads its config and says what it is', async () => {
    const peer = await startOne(kind, ['--fsm', 'configstore']);
    const { index } = await peer.ask('addNonvoter', { server: 'n2', address: '127.0.0.1:1' });
    const { servers } = await peer.ask('configuration');
    expect(servers).toEqual([
      { id: 'n1', address: cluster?.node('n1').address, suffrage: 'Voter' },
      { id: 'n2', address: '127.0.0.1:1', suffrage: 'Nonvoter' },
    ]);
    await peer.ask('removeServer', { server: 'n2' });
    await waitFor('the configuration', async () => {
      const { configIndex } = await peer.ask('fsm');
      return Number(configIndex) > Number(index) || undefined;
    });
    await peer.ask('reload', { config: { trailingLogs: 7, electionTimeout: 900 } });
    await expect(peer.ask('reload', { config: { electionTimeout: 1 } })).rejects.toThrow();
    const { state, term, leaderId, stats } = await peer.ask('state');
    expect({ state, term, leaderId }).toEqual({ state: 'Leader', term: 2, leaderId: 'n1' });
    expect(stats).toMatchObject({ state: 'Leader', term: '2' });
    const kinds = peer.events.map(({ event, type }) => type ?? event);
    for (const seen of ['ready', 'leader', 'RaftState', 'LeaderObservation', 'PeerObservation']) {
      expect(kinds).toContain(seen);
    }
  });

  it('takes a snapshot, restores it, and continues after a restart', async () => {
    const peer = await startOne(kind);
    await peer.ask('apply', { cmd: { op: 'set', key: 'a', value: '1' } });
    await peer.ask('apply', { cmd: { op: 'bulk', bytes: 200_000 } });
    const before = await peer.ask('fsm');
    const { meta } = await peer.ask('snapshot');
    expect(meta).toMatchObject({ index: 4, term: 2 });
    const id = Object(meta).id;
    await peer.ask('apply', { cmd: { op: 'set', key: 'a', value: '2' } });
    await peer.ask('restore', { path: `${cluster?.node('n1').directory}/snapshots/${id}` });
    const { id: _, ...restored } = await peer.ask('fsm');
    const { id: __, ...taken } = before;
    expect(restored).toEqual(taken);
    await cluster?.stop('n1', 'shutdown');
    await cluster?.start('n1');
    await cluster?.leader();
    expect(await cluster?.ask('n1', 'get', { key: 'a', mode: 'linear' })).toMatchObject({
      value: '1',
    });
  });

  it.each([
    ['discard', 'inmem'],
    ['inmem', 'inmem'],
  ])('keeps snapshots in %s and logs in %s', async (snapshots, store) => {
    const peer = await startOne(kind, ['--snapshots', snapshots, '--store', store]);
    await peer.ask('apply', { cmd: { op: 'set', key: 'a', value: '1' } });
    const { meta } = await peer.ask('snapshot');
    if (snapshots === 'discard') expect(meta).toBeNull();
    else expect(meta).toMatchObject({ index: 3 });
  });

  it('measures itself', async () => {
    const peer = await startOne(kind, ['--store', 'inmem']);
    const load = { seconds: 0.2, concurrency: 4, size: 100, warmup: 0.05 };
    for (const mode of ['write', 'read']) {
      const report = await peer.ask('bench', { ...load, mode });
      for (const field of ['ops', 'seconds', 'p50', 'p90', 'p99', 'max', 'cpuSeconds', 'rss']) {
        expect(Number(report[field]), field).toBeGreaterThan(0);
      }
    }
    const { count, fold, hash } = await peer.ask('fsm');
    expect(Number(count)).toBeGreaterThan(0);
    expect({ fold, hash }).not.toEqual({ fold: 2166136261, hash });
    expect(hash).toBe('0'.repeat(64));
  });

  it('ends with code 0 on shutdown, at the end of its input and on SIGTERM', async () => {
    const first = await startOne(kind);
    await first.ask('shutdown');
    expect(await first.ended).toBe(0);
    const second = await cluster?.start('n1');
    second?.closeInput();
    expect(await second?.ended).toBe(0);
    const third = await cluster?.start('n1');
    third?.signal('SIGTERM');
    expect(await third?.ended).toBe(0);
  });

  it('refuses options that nobody knows', async () => {
    const peer = new PeerProcess(kind, ['--id', 'n1', '--dance']);
    expect(await peer.ended).not.toBe(0);
  });
});
