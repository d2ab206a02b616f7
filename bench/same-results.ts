import { type ContenderName, contenders } from './contenders.ts';
import { startCluster } from './contest.ts';

const COMMANDS = 500;

function commands(): object[] {
  return Array.from({ length: COMMANDS }, (_, i) => {
    const key = `key-${i % 37}`;
    switch (i % 4) {
      case 0:
        return { op: 'set', key, value: `${i}` };
      case 1:
        return { op: 'append', key, value: `+${i}` };
      case 2:
        return { op: 'cas', key, from: `${i - 74}`, to: `cas ${i}` };
      default:
        return { op: 'del', key: `key-${(i * 7) % 37}` };
    }
  });
}

async function resultOf(name: ContenderName): Promise<string> {
  const cluster = await startCluster(contenders[name], 3);
  try {
    const leader = await cluster.leader();
    const { results } = await cluster.ask(leader, 'applyMany', { cmds: commands() });
    const responses = Array.isArray(results)
      ? results.map(({ ok, response }) => [ok, response])
      : [];
    const { fold, count } = await cluster.agreement();
    const { data } = await cluster.ask(leader, 'dump');
    const sorted = Object.entries(Object(data)).sort(([a], [b]) => (a < b ? -1 : 1));
    return JSON.stringify([count, fold, responses, sorted]);
  } finally {
    await cluster.close();
  }
}

/** Doing something else is not being faster. @throws Error when the results differ */
export async function checkSameResults(): Promise<void> {
  const [ours, theirs] = [await resultOf('ours'), await resultOf('wal')];
  if (ours === theirs) return;
  throw new Error(`the same commands came to different results:\n${ours}\n${theirs}`);
}
