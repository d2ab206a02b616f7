import { setTimeout as sleep } from 'node:timers/promises';
import { randomInteger } from '../../internal/random.ts';
import { diskFaults } from './disk-faults.ts';
import {
  addMember,
  type Fault,
  leaderOrAny,
  OUTAGE_MS,
  removeMember,
  replaceMember,
  type Scene,
  some,
} from './scene.ts';

/** The others have elected a leader and served by the time a paused one comes back. */
const PAUSE_MS = 4000;

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
    await sleep(PAUSE_MS);
    peer.signal('SIGCONT');
  },
  'slow votes (test 156, test 157)': async (scene) =>
    withLinks(scene, some(scene, 2), 'open', randomInteger(scene.random, 1000, 2000)),
  'slow links': async (scene) =>
    withLinks(scene, scene.cluster.running(), 'open', randomInteger(scene.random, 20, 150)),
  'stalled links': async (scene) => withLinks(scene, [await leaderOrAny(scene)], 'stalled'),
  'a partition of the leader and up to two more (test 158)': async (scene) => {
    const leader = (await scene.cluster.leaderNow()) ?? 'n1';
    const away = [leader, ...some(scene, randomInteger(scene.random, 0, 2))];
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
  ...diskFaults,
};
