import { copyFile, cp, mkdir, readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { Cluster } from './suite/cluster.ts';
import { watchPeak } from './suite/memory.ts';
import { type Kind, killPeers } from './suite/peer-process.ts';
import { waitFor } from './suite/wait.ts';

let cluster: Cluster | undefined;

afterEach(async () => {
  await cluster?.close();
  await killPeers();
});

const MIB = 2 ** 20;
const GIB = 2 ** 30;
const MOST_GROWTH_BYTES = 150e6;
const SMALL_TRAIL = {
  trailingLogs: 5,
  heartbeatTimeout: 1500,
  electionTimeout: 1500,
  leaderLeaseTimeout: 1500,
};
const BOTH_WAYS: [Kind, Kind][] = [
  ['go', 'ts'],
  ['ts', 'go'],
];

/** A leader of one kind, a voter of the same, and a follower of the other that fell behind. */
async function withOneBehind(leader: Kind, follower: Kind): Promise<Cluster> {
  const made = await Cluster.started([
    { id: 'n1', kind: leader, config: SMALL_TRAIL },
    { id: 'n2', kind: leader, config: SMALL_TRAIL },
    { id: 'x', kind: follower, config: SMALL_TRAIL },
  ]);
  cluster = made;
  await made.makeLead('n1');
  await made.agreement();
  await made.stop('x');
  return made;
}

async function fill(of: Cluster, id: string, keys: number): Promise<void> {
  const cmds = Array.from({ length: keys }, (_, at) => ({
    op: 'set',
    key: `key ${at}`,
    value: 'é'.repeat(at % 50),
  }));
  const { results } = await of.ask(id, 'applyMany', { cmds });
  expect(JSON.stringify(results)).not.toContain('"ok":false');
}

function snapshotsOf(of: Cluster, id: string): string {
  return path.join(of.node(id).directory, 'snapshots');
}

async function newestSnapshot(of: Cluster, id: string): Promise<string> {
  const directory = snapshotsOf(of, id);
  const names = (await readdir(directory)).filter((name) => !name.endsWith('.tmp')).sort();
  return path.join(directory, names.at(-1) ?? '');
}

/** One node with a snapshot of 200 keys and a bulk, and what its state is. */
async function oneWithSnapshot(kind: Kind) {
  const made = await Cluster.started([{ id: 'n1', kind }]);
  cluster = made;
  await made.leader();
  await fill(made, 'n1', 200);
  await made.ask('n1', 'apply', { cmd: { op: 'bulk', bytes: 3 * MIB + 17 } });
  await made.ask('n1', 'snapshot');
  const { hash, count, size } = await made.ask('n1', 'fsm');
  return { made, snapshot: await newestSnapshot(made, 'n1'), state: { hash, count, size } };
}

describe.each(BOTH_WAYS)('from %s to %s', (from, to) => {
  it('a snapshot crosses the wire to a follower that fell behind', async () => {
    const made = await withOneBehind(from, to);
    await fill(made, 'n1', 500);
    await made.ask('n1', 'snapshot');
    await made.ask('n1', 'apply', { cmd: { op: 'set', key: 'later', value: '1' } });
    await made.start('x');
    const { size } = await made.agreement();
    expect(size).toBe(501);
    const { lastSnapshotIndex } = await made.ask('x', 'state');
    expect(Number(lastSnapshotIndex)).toBeGreaterThan(500);
    // What came over the wire is on the disk, and a restart begins with it.
    await made.stop('x');
    await made.start('x');
    await made.agreement();
  });

  it('a snapshot of 1 GiB crosses, and neither side grows by 150 MB', async () => {
    const made = await withOneBehind(from, to);
    await made.ask('n1', 'apply', { cmd: { op: 'bulk', bytes: GIB } });
    await fill(made, 'n1', 20);
    const sender = await watchPeak(made.peer('n1').pid);
    await made.ask('n1', 'snapshot');
    const startMs = performance.now();
    const follower = await made.start('x');
    const receiver = await watchPeak(follower.pid);
    const index = await waitFor(
      'the snapshot to be restored',
      async () => {
        const { lastSnapshotIndex } = await made.ask('x', 'state');
        return Number(lastSnapshotIndex) > 0 && Number(lastSnapshotIndex);
      },
      200_000,
    );
    const seconds = (performance.now() - startMs) / 1000;
    const [sent, received] = [await sender(), await receiver()];
    console.log(
      `1 GiB from ${from} to ${to} in ${seconds.toFixed(1)} s; the sender grew by ` +
        `${(sent / 1e6).toFixed(0)} MB, the receiver by ${(received / 1e6).toFixed(0)} MB`,
    );
    expect(index).toBeGreaterThan(20);
    expect(sent).toBeLessThan(MOST_GROWTH_BYTES);
    expect(received).toBeLessThan(MOST_GROWTH_BYTES);
    await made.agreement();
  });

  it('a directory of snapshots is opened, and a cluster recovered from it', async () => {
    const { made, snapshot, state } = await oneWithSnapshot(from);
    await made.stop('n1');
    made.replace('n1', to);
    const { address, directory } = made.node('n1');
    await cp(path.dirname(snapshot), path.join(directory, 'snapshots'), { recursive: true });
    const peers = path.join(made.directory, 'peers.json');
    await writeFile(peers, JSON.stringify([{ id: 'n1', address, non_voter: false }]));
    await made.start('n1', ['--peers-json', peers]);
    await made.leader();
    expect(await made.ask('n1', 'fsm')).toMatchObject(state);
    await made.ask('n1', 'apply', { cmd: { op: 'set', key: 'alive', value: '1' } });
    // A second start needs no recovery.
    await made.stop('n1');
    await made.start('n1');
    await made.leader();
    await made.ask('n1', 'barrier');
    expect(await made.ask('n1', 'fsm')).toMatchObject({ size: 201 });
  });

  it('a user restores a snapshot into a running mixed cluster', async () => {
    const { made: source, snapshot, state } = await oneWithSnapshot(from);
    const kept = path.join(source.directory, 'kept', 'snapshots', path.basename(snapshot));
    await cp(snapshot, kept, { recursive: true });
    await source.stop('n1');
    const made = await Cluster.started([
      { id: 'a', kind: to },
      { id: 'b', kind: from },
      { id: 'c', kind: to },
    ]);
    try {
      await made.makeLead('a');
      await fill(made, 'a', 10);
      await made.ask('a', 'restore', { path: kept });
      expect(await made.agreement()).toMatchObject(state);
      await made.ask('a', 'apply', { cmd: { op: 'set', key: 'alive', value: '1' } });
      expect(await made.agreement()).toMatchObject({ size: 201 });
    } finally {
      await made.close();
    }
  });

  it.each(['corrupt', 'truncated', 'without meta.json'])('a %s one is refused', async (damage) => {
    const { made, snapshot, state } = await oneWithSnapshot(from);
    const kept = path.join(made.directory, 'kept', 'snapshots', path.basename(snapshot));
    await mkdir(kept, { recursive: true });
    const stateFile = path.join(kept, 'state.bin');
    await copyFile(path.join(snapshot, 'state.bin'), stateFile);
    if (damage !== 'without meta.json') {
      await copyFile(path.join(snapshot, 'meta.json'), path.join(kept, 'meta.json'));
    }
    const bytes = await readFile(stateFile);
    if (damage === 'truncated') await truncate(stateFile, bytes.length - 5);
    if (damage === 'corrupt') {
      bytes[bytes.length >> 1] = (bytes[bytes.length >> 1] ?? 0) ^ 1;
      await writeFile(stateFile, bytes);
    }
    await made.stop('n1');
    made.replace('n1', to);
    await made.start('n1');
    await made.bootstrap();
    await made.leader();
    await expect(made.ask('n1', 'restore', { path: kept })).rejects.toThrow();
    expect(await made.ask('n1', 'fsm')).toMatchObject({ count: 0, size: 0 });
    expect(state.size).toBe(200);
    // Nor does a node start on it.
    const peers = path.join(made.directory, 'peers.json');
    const { address } = made.node('n1');
    await writeFile(peers, JSON.stringify([{ id: 'n1', address }]));
    await made.stop('n1');
    made.replace('n1', to);
    await cp(path.join(made.directory, 'kept'), made.node('n1').directory, { recursive: true });
    await expect(made.start('n1', ['--peers-json', peers])).rejects.toThrow(
      /failed to restore any|refused to recover/,
    );
  });
});

describe('meta.json', () => {
  it('is the same, byte for byte, for the same state', async () => {
    const made = await Cluster.started([
      { id: 'n1', kind: 'go' },
      { id: 'n2', kind: 'ts' },
      { id: 'n3', kind: 'ts' },
    ]);
    cluster = made;
    const leader = await made.leader();
    await made.ask(leader, 'apply', { cmd: { op: 'set', key: 'a', value: '1' } });
    await made.ask(leader, 'apply', { cmd: { op: 'bulk', bytes: 100_000 } });
    await made.agreement();
    const [ours, theirs] = await Promise.all(
      ['n1', 'n2'].map(async (id) => {
        await made.ask(id, 'snapshot');
        const snapshot = await newestSnapshot(made, id);
        const text = await readFile(path.join(snapshot, 'meta.json'), 'utf8');
        const state = await readFile(path.join(snapshot, 'state.bin'));
        // Only the moment at which it was taken differs.
        const name = path.basename(snapshot);
        expect(text).toContain(name);
        return { text: text.replace(name, name.replace(/\d+$/, 'ms')), state };
      }),
    );
    expect(ours?.text).toBe(theirs?.text);
    expect(ours?.state.equals(theirs?.state ?? Buffer.alloc(0))).toBe(true);
  });
});
