import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import { killPeers } from './suite/peer-process.ts';
import { consoleLines, elsewhere, Terminals } from './suite/terminals.ts';

afterEach(killPeers);

describe('docs/mixed-clusters.md', () => {
  it('takes a cluster from Go to ours and back by its own commands', async () => {
    const page = await readFile(new URL('../docs/mixed-clusters.md', import.meta.url), 'utf8');
    const directory = await mkdtemp(path.join(tmpdir(), 'quorate-interop-'));
    const terminals = new Terminals();
    const values: unknown[] = [];
    for (const line of await elsewhere(consoleLines(page), directory)) {
      const reply = await terminals.type(line);
      if (line.includes('"op":"get"')) values.push(reply?.value);
    }
    expect(values).toEqual(['from Go', 'from Go and back']);
    await killPeers();
    await rm(directory, { recursive: true });
  });
});
