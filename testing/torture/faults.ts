import { readdir, readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { verify } from '../../cli/verify.ts';
import { type Random, randomInteger } from '../../internal/random.ts';
import type { Cluster } from '../../interop/suite/cluster.ts';
import { waitFor } from '../../interop/suite/wait.ts';
import type { Clients } from './clients.ts';

/** Where faults happen. */
export interface Scene {
  readonly cluster: Cluster;
  readonly clients: Clients;
  readonly random: Random;
  /** Notes what happened, for the report. */
  note(text: string): void;
}

/** Something that goes wrong and is mended again before it returns. */
export type Fault = (scene: Scene) => Promise<void>;

const OUTAGE_MS = 2500;

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const keyed = items.map((item) => ({ item, at: random.next() }));
  return keyed.sort((a, b) => a.at - b.at).map(({ item }) => item);
}

function some({ cluster, random }: Scene, count: number): string[] {
  return shuffled(cluster.running(), random).slice(0, count);
}

async function leaderOrAny(scene: Scene): Promise<string> {
  const leader = scene.random.next() < 0.6 ? await scene.cluster.leaderNow() : undefined;
  return leader ?? some(scene, 1)[0] ?? 'n1';
}

async function ofOurs(scene: Scene): Promise<string> {
  const isOurs = (id: string) => scene.cluster.node(id).spec.kind === 'ts';
  const chosen = await leaderOrAny(scene);
  if (isOurs(chosen)) return chosen;
  return shuffled(scene.cluster.running().filter(isOurs), scene.random)[0] ?? chosen;
}

async function removeMember(cluster: Cluster, id: string): Promise<void> {
  await waitFor(`${id} to be removed`, async () => {
    const leader = await cluster.leader();
    const { servers } = await cluster.ask(leader, 'configuration');
    if (!JSON.stringify(servers).includes(`"${id}"`)) return true;
    await cluster.ask(leader, 'removeServer', { server: id });
    return false;
  });
}

async function addMember(cluster: Cluster, id: string): Promise<void> {
  await waitFor(`${id} to be added`, async () => {
    const leader = await cluster.leader();
    const { address } = cluster.node(id);
    await cluster.ask(leader, 'addVoter', { server: id, address });
    return true;
  });
}

/** A new life under the old name: the server is removed, and added with an empty disk. */
async function replaceMember({ cluster }: Scene, id: string): Promise<void> {
  if (cluster.running().includes(id)) await cluster.stop(id);
  await removeMember(cluster, id);
  cluster.replace(id, cluster.node(id).spec.kind);
  await cluster.start(id);
  await addMember(cluster, id);
}

/** Starts a node again, whether its process is still there or not. */
async function restart({ cluster }: Scene, id: string): Promise<void> {
  if (cluster.running().includes(id)) await cluster.stop(id);
  await cluster.start(id);
}

/** Damages a byte of a stopped node, and gives the file. */
async function damage(scene: Scene, id: string): Promise<string | null> {
  const { directory } = scene.cluster.node(id);
  const names = await readdir(directory, { recursive: true });
  const files = names.filter((name) => /(state\.bin|meta\.json|data\.mdb)$/.test(name));
  const name = shuffled(files, scene.random)[0];
  if (name === undefined) return null;
  const file = path.join(directory, name);
  const bytes = await readFile(file);
  if (bytes.length === 0) return null;
  // Among the records of the log, where there are some: most of a data file is free pages.
  const record = name.endsWith('data.mdb') ? bytes.lastIndexOf('"op":"') : -1;
  const at = record > 0 ? record : randomInteger(scene.random, 0, bytes.length - 1);
  bytes.writeUInt8(bytes.readUInt8(at) ^ 0x10, at);
  await writeFile(file, bytes);
  return name;
}

async function withLinks(
  scene: Scene,
  ids: readonly string[],
  state: 'cut' | 'stalled' | 'open',
  delayMs = 0,
): Promise<void> {
  for (const id of ids) for (const link of scene.cluster.linksOf(id)) link.set(state, delayMs);
  await sleep(OUTAGE_MS);
  for (const link of scene.cluster.links()) link.set('open');
}

/** Every fault by its name. Numbers are those of hashicorp's fuzz tests in docs/behaviour.md. */
export const faults: Readonly<Record<string, Fault>> = {
  'nothing (test 155)': async ({ clients }) => clients.progress(100),
  'kill -9': async (scene) => {
    const ids = some(scene, 2);
    await Promise.all(ids.map((id) => scene.cluster.stop(id)));
    await sleep(OUTAGE_MS / 2);
    await Promise.all(ids.map((id) => scene.cluster.start(id)));
  },
  'kill -9 of all': async (scene) => {
    const ids = scene.cluster.running();
    await Promise.all(ids.map((id) => scene.cluster.stop(id)));
    await Promise.all(ids.map((id) => scene.cluster.start(id)));
  },
  SIGSTOP: async (scene) => {
    const peer = scene.cluster.peer(await leaderOrAny(scene));
    peer.signal('SIGSTOP');
    await sleep(OUTAGE_MS);
    peer.signal('SIGCONT');
  },
  'slow votes (test 156, test 157)': async (scene) =>
    withLinks(scene, some(scene, 2), 'open', randomInteger(scene.random, 1000, 2000)),
  'slow links': async (scene) =>
    withLinks(scene, scene.cluster.running(), 'open', randomInteger(scene.random, 20, 150)),
  'stalled links': async (scene) => withLinks(scene, [await leaderOrAny(scene)], 'stalled'),
  'a partition of the leader and up to two more (test 158)': async (scene) => {
    const leader = (await scene.cluster.leaderNow()) ?? 'n1';
    const away = [leader, ...some(scene, 1)];
    for (const from of away) {
      for (const to of scene.cluster.nodes.keys()) {
        if (away.includes(to)) continue;
        scene.cluster.link(from, to).set('cut');
        scene.cluster.link(to, from).set('cut');
      }
    }
    await sleep(OUTAGE_MS);
    for (const link of scene.cluster.links()) link.set('open');
  },
  'a member more, and one less that does not lead (test 159, test 160)': async (scene) => {
    const { cluster } = scene;
    await cluster.start('spare');
    await addMember(cluster, 'spare');
    await scene.clients.progress(20);
    await removeMember(cluster, 'spare');
    await cluster.stop('spare');
    cluster.replace('spare', 'ts');
  },
  'the leader is removed (test 161)': async (scene) =>
    replaceMember(scene, await scene.cluster.leader()),
  'a node that is cut off is removed (test 162)': async (scene) => {
    const [id = 'n1'] = some(scene, 1);
    for (const link of scene.cluster.linksOf(id)) link.set('cut');
    await removeMember(scene.cluster, id);
    for (const link of scene.cluster.links()) link.set('open');
    await sleep(OUTAGE_MS / 2);
    await replaceMember(scene, id);
  },
  'transfers of leadership (test 163)': async (scene) => {
    for (let time = 0; time < 4; time += 1) {
      await scene.clients.progress(20);
      const leader = await scene.cluster.leader();
      await scene.cluster.ask(leader, 'transfer').catch(() => {});
    }
  },
  'a slow disk': async (scene) => {
    const id = await ofOurs(scene);
    await scene.cluster.ask(id, 'disk', { mode: 'slow', delayMs: 400 });
    await sleep(OUTAGE_MS);
    await scene.cluster.ask(id, 'disk', { mode: 'good' });
  },
  'a broken or full disk': async (scene) => {
    const id = await ofOurs(scene);
    const mode = scene.random.next() < 0.5 ? 'full' : 'broken';
    await scene.cluster.ask(id, 'disk', { mode });
    await sleep(OUTAGE_MS);
    await restart(scene, id);
  },
  'damaged bytes': async (scene) => {
    const id = await ofOurs(scene);
    await scene.cluster.stop(id);
    const name = await damage(scene, id);
    const { isGood } = await verify(scene.cluster.node(id).directory);
    const starts = await scene.cluster.start(id).then(
      () => true,
      () => false,
    );
    scene.note(
      `${name}: verify says ${isGood ? 'good' : 'bad'}, the node ${starts ? '' : 'does not '}start`,
    );
    if (isGood && !starts) throw new Error(`${id} does not start on data that verify finds good`);
    if (!starts) scene.cluster.node(id).process = null;
    if (!isGood) await replaceMember(scene, id);
  },
};
