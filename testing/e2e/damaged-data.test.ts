import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { seededRandom } from '../../internal/random.ts';
import { killPeers, PeerProcess } from '../../interop/suite/peer-process.ts';
import { consoleLines, elsewhere, Terminals } from '../../interop/suite/terminals.ts';
import { waitFor } from '../../interop/suite/wait.ts';
import { flipBit, recordsOf, runVerify } from '../torture/damage.ts';
import { buildFirst } from './program.ts';

const LOOK = 'sh$ npx quorate verify ';
let directory = '';

beforeAll(buildFirst);

beforeEach(async () => {
  directory = await mkdtemp(path.join(tmpdir(), 'quorate-damaged-'));
});

afterEach(async () => {
  await killPeers();
  await rm(directory, { recursive: true });
});

/** Turns a bit of the entry of a node, and sees that it does not start on it. */
async function damage(data: string, start: string): Promise<void> {
  const entry = (await recordsOf(data)).find(({ name }) => name === 'log 3');
  if (entry === undefined) throw new Error('the page speaks of log 3, which is not there');
  await flipBit(entry, seededRandom(1));
  const [, args = ''] = /^n3\$ node dist\/interop\/peer\.js (.*)$/.exec(start) ?? [];
  const peer = new PeerProcess('ts', args.split(' '));
  await expect(peer.ready()).rejects.toThrow('log 3 is damaged on disk');
}

describe('docs/damaged-data.md', () => {
  it('repairs a node by its own commands', async () => {
    const page = await readFile(new URL('../../docs/damaged-data.md', import.meta.url), 'utf8');
    const lines = await elsewhere(consoleLines(page), directory);
    const data = path.join(directory, 'n3');
    const terminals = new Terminals();
    const values: unknown[] = [];
    for (const line of lines) {
      if (line.startsWith(LOOK)) {
        const before = () => terminals.type('n3> {"op":"get","key":"greeting","mode":"stale"}');
        await waitFor('n3 to catch up', async () => (await before())?.value !== null);
        await terminals.type('n3> {"op":"shutdown"}');
        await damage(data, lines.find((start) => start.startsWith('n3$')) ?? '');
        const { code, out } = await runVerify(line.slice(LOOK.length));
        expect(code).toBe(1);
        expect(out).toMatch(/^bad: .*index 3: log 3 is damaged on disk/m);
        expect(out).toMatch(/^do: .*removeServer.*move the directory away.*addVoter/m);
      } else if (line.includes('"op":"get"')) {
        const look = async () => (await terminals.type(line))?.value ?? undefined;
        values.push(await waitFor('the leader to have sent everything', look));
      } else await terminals.type(line);
    }
    expect(values).toEqual(['before the damage']);
    await terminals.type('n3> {"op":"shutdown"}');
    expect(await runVerify(data)).toMatchObject({ code: 0 });
    expect((await runVerify(`${data}-damaged`)).code).toBe(1);
  });
});
