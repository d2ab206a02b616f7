import { cp, readdir, rename, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomInteger } from '../../internal/random.ts';
import type { Cluster } from '../../interop/suite/cluster.ts';
import { waitFor } from '../../interop/suite/wait.ts';
import { asError } from '../../raft/errors.ts';
import { flipBit, recordsOf, runVerify, snapshotsOf, type Target } from './damage.ts';
import {
  type Fault,
  OUTAGE_MS,
  ofOurs,
  refusalOf,
  replaceMember,
  restart,
  type Scene,
  shuffled,
} from './scene.ts';
import { SmallDisk } from './small-disk.ts';
import { judgeDamage } from './verdict.ts';

/** What a small disk has beside room for what a node has already. */
const SPARE_DISK_BYTES = 16 * 1024 * 1024;
const LARGEST_VALUE_BYTES = 8 * 1024 * 1024;
const FILL_LIMIT_MS = 30_000;
const APPLY_LIMIT_MS = 2000;

/** Lets the wrapper of the store fail for a while. */
async function failFor(scene: Scene, id: string, mode: 'full' | 'broken'): Promise<void> {
  await scene.cluster.ask(id, 'disk', { mode });
  await sleep(OUTAGE_MS);
  await restart(scene, id);
}

/** Stops a node, and starts it again on its data at another place. */
async function move(cluster: Cluster, id: string, to: string): Promise<void> {
  const node = cluster.node(id);
  if (cluster.running().includes(id)) await cluster.stop(id);
  await cp(node.directory, to, { recursive: true });
  node.directory = to;
  await cluster.start(id);
}

/** Bytes of all files of a node that runs: some may go meanwhile. */
async function bytesIn(directory: string): Promise<number> {
  let sum = 0;
  for (const name of await readdir(directory, { recursive: true })) {
    const found = await stat(path.join(directory, name)).catch(() => null);
    if (found?.isFile() === true) sum += found.size;
  }
  return sum;
}

/** Waits until a node has applied what its leader has now. */
async function hasCaughtUp(cluster: Cluster, id: string): Promise<void> {
  const { appliedIndex: wanted } = await cluster.ask(await cluster.leader(), 'state');
  await waitFor(`${id} to catch up`, async () => {
    const { appliedIndex } = await cluster.ask(id, 'state');
    return Number(appliedIndex) >= Number(wanted);
  });
}

async function setBallast(cluster: Cluster, value: string): Promise<void> {
  const leader = await cluster.leaderNow();
  if (leader === undefined) throw new Error('nobody leads');
  const cmd = { op: 'set', key: 'ballast', value };
  await cluster.peer(leader).ask('apply', { cmd, timeout: 1000 }, APPLY_LIMIT_MS);
}

/** True for the log of a node that has no room for the snapshot that it needs. */
function needsSnapshot(log: string): boolean {
  return /failed to (create|copy|finalize) snapshot.*no space left/.test(log);
}

/**
 * Writes larger and larger values until a node whose disk is full has stopped, and looks at why.
 * One that needs a snapshot goes on, and says that there is no room for it.
 * Small ones would find room in what the log has freed.
 */
async function growUntilStopped({ cluster }: Scene, id: string): Promise<void> {
  let sizeBytes = 64 * 1024;
  const seen: string[] = [];
  const hasStopped = async () => {
    const written = await setBallast(cluster, 'x'.repeat(sizeBytes)).then(() => 'written', asError);
    const { state, term, lastIndex } = await cluster.ask(id, 'state');
    seen.push(`${sizeBytes} bytes ${written}, ${state} in term ${term} with ${lastIndex}`);
    sizeBytes = Math.min(sizeBytes * 2, LARGEST_VALUE_BYTES);
    return state === 'Shutdown' || needsSnapshot(cluster.peer(id).log);
  };
  try {
    await waitFor(`${id} to stop on its full disk`, hasStopped, FILL_LIMIT_MS);
  } catch (error) {
    const { log } = cluster.peer(id);
    throw new Error(`${asError(error).message}\n${seen.join('\n')}\nits log: ${log}`);
  }
  const { log } = cluster.peer(id);
  // A large value takes long to come; the leader may have left it behind by then.
  if (needsSnapshot(log)) return;
  if (!/no space left/i.test(log)) throw new Error(`${id} does not say what is full: ${log}`);
}

async function fullDisk(scene: Scene): Promise<void> {
  const { cluster, clients, note } = scene;
  const id = await ofOurs(scene);
  const home = cluster.node(id).directory;
  const sizeBytes = (await bytesIn(home)) + SPARE_DISK_BYTES;
  const disk = await SmallDisk.mount(`${home}-small`, sizeBytes);
  if (disk === null) {
    note('this process may not mount: a wrapper of the store plays the full disk');
    await failFor(scene, id, 'full');
    return;
  }
  try {
    await move(cluster, id, disk.path);
    await clients.progress(20);
    // One that is behind needs a snapshot; that it has no room for one does not stop it.
    await hasCaughtUp(cluster, id);
    const bytes = await disk.fill();
    await growUntilStopped(scene, id);
    await cluster.stop(id);
    await disk.drain();
    const { code, out } = await runVerify(disk.path);
    if (code !== 0) throw new Error(`a full disk left bad data: ${out}`);
    await cluster.start(id);
    await clients.progress(20);
    await cluster.stop(id);
    await rm(home, { recursive: true });
    await move(cluster, id, home);
    note(`${id} stopped when ${bytes} bytes of ballast left no room, and came back with room`);
  } finally {
    await disk.unmount();
  }
  await waitFor('the ballast to be gone', async () => {
    await setBallast(cluster, '');
    return true;
  });
}

/** Damages a node that does not run, and lets everybody say what they make of it. */
async function damage(scene: Scene, id: string, target: Target): Promise<string> {
  const { cluster, clients, random, note } = scene;
  await flipBit(target, random);
  const verify = await runVerify(cluster.node(id).directory);
  const refusal = await refusalOf(scene, id);
  const start = refusal === null ? 'starts without it' : 'does not start';
  note(`${target.name} of ${id}: verify ends with ${verify.code}, the node ${start}`);
  judgeDamage({ ...target, verify, refusal });
  await clients.progress(20);
  return verify.out;
}

/** The log, or what a node knows of terms and votes: each kind as often as the others. */
async function damagedRecord(scene: Scene): Promise<void> {
  const { cluster, random } = scene;
  const id = await ofOurs(scene);
  await cluster.stop(id);
  const targets = await recordsOf(cluster.node(id).directory);
  const kinds = [
    targets.filter(({ name, isNeeded }) => name.startsWith('log ') && isNeeded),
    targets.filter(({ isNeeded }) => !isNeeded),
    targets.filter(({ name }) => !name.startsWith('log ')),
  ].filter(({ length }) => length > 0);
  const [kind = []] = shuffled(kinds, random);
  const [target] = shuffled(kind, random);
  if (target === undefined) throw new Error(`${id} has no records`);
  await damage(scene, id, target);
  await replaceMember(scene, id);
}

async function damagedSnapshot(scene: Scene): Promise<void> {
  const { cluster, random, note } = scene;
  const id = await ofOurs(scene);
  await cluster.stop(id);
  const { directory } = cluster.node(id);
  const [target] = shuffled(await snapshotsOf(directory), random);
  if (target === undefined) {
    note(`${id} has no snapshot yet`);
    await cluster.start(id);
    return;
  }
  const advice = await damage(scene, id, target);
  if (!advice.includes('Move the directory of that snapshot away')) {
    await replaceMember(scene, id);
    return;
  }
  if (cluster.running().includes(id)) await cluster.stop(id);
  const moved = path.join(
    cluster.directory,
    `${id}-${target.name}-${randomInteger(random, 1, 1e9)}`,
  );
  await rename(path.dirname(target.file), moved).catch((error) => {
    // The node that started without it has reaped it since.
    if (error.code !== 'ENOENT') throw error;
  });
  const { code, out } = await runVerify(directory);
  if (code !== 0) throw new Error(`the snapshot is gone, and still: ${out}`);
  await cluster.start(id);
}

/** What disks do, by its name. */
export const diskFaults: Readonly<Record<string, Fault>> = {
  'a slow disk': async (scene) => {
    const id = await ofOurs(scene);
    await scene.cluster.ask(id, 'disk', { mode: 'slow', delayMs: 400 });
    await sleep(OUTAGE_MS);
    await scene.cluster.ask(id, 'disk', { mode: 'good' });
  },
  'a broken disk': async (scene) => failFor(scene, await ofOurs(scene), 'broken'),
  'a full disk': fullDisk,
  'a damaged record': damagedRecord,
  'a damaged snapshot': damagedSnapshot,
};
