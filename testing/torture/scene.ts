import type { Random } from '../../internal/random.ts';
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

/** How long a fault lasts: longer than an election takes. */
export const OUTAGE_MS = 2500;

export function shuffled<T>(items: readonly T[], random: Random): T[] {
  const keyed = items.map((item) => ({ item, at: random.next() }));
  return keyed.sort((a, b) => a.at - b.at).map(({ item }) => item);
}

export function some({ cluster, random }: Scene, count: number): string[] {
  return shuffled(cluster.running(), random).slice(0, count);
}

export async function leaderOrAny(scene: Scene): Promise<string> {
  const leader = scene.random.next() < 0.6 ? await scene.cluster.leaderNow() : undefined;
  return leader ?? some(scene, 1)[0] ?? 'n1';
}

/** A node that is no Go. */
export async function ofOurs(scene: Scene): Promise<string> {
  const isOurs = (id: string) => scene.cluster.node(id).spec.kind === 'ts';
  const chosen = await leaderOrAny(scene);
  if (isOurs(chosen)) return chosen;
  return shuffled(scene.cluster.running().filter(isOurs), scene.random)[0] ?? chosen;
}

export async function removeMember(cluster: Cluster, id: string): Promise<void> {
  await waitFor(`${id} to be removed`, async () => {
    const leader = await cluster.leader();
    const { servers } = await cluster.ask(leader, 'configuration');
    if (!JSON.stringify(servers).includes(`"${id}"`)) return true;
    await cluster.ask(leader, 'removeServer', { server: id });
    return false;
  });
}

export async function addMember(cluster: Cluster, id: string): Promise<void> {
  await waitFor(`${id} to be added`, async () => {
    const leader = await cluster.leader();
    const { address } = cluster.node(id);
    await cluster.ask(leader, 'addVoter', { server: id, address });
    return true;
  });
}

/** A new life under the old name: the server is removed, and added with an empty disk. */
export async function replaceMember({ cluster }: Scene, id: string): Promise<void> {
  if (cluster.running().includes(id)) await cluster.stop(id);
  await removeMember(cluster, id);
  cluster.replace(id, cluster.node(id).spec.kind);
  await cluster.start(id);
  await addMember(cluster, id);
}

/** Starts a node again, whether its process is still there or not. */
export async function restart({ cluster }: Scene, id: string): Promise<void> {
  if (cluster.running().includes(id)) await cluster.stop(id);
  await cluster.start(id);
}

/** Tries to start a node; gives what it said when it did not start. */
export async function refusalOf({ cluster }: Scene, id: string): Promise<string | null> {
  try {
    await cluster.start(id);
    return null;
  } catch (error) {
    cluster.node(id).process = null;
    return error instanceof Error ? error.message : String(error);
  }
}
