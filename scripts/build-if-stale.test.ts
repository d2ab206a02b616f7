import { cp, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { runProgram } from '../testing/e2e/program.ts';

const here = fileURLToPath(new URL('.', import.meta.url));
let dir: string;

/** A repository of two sources, with the script in it. */
beforeEach(async () => {
  dir = await mkdtemp(path.join(tmpdir(), 'quorate-build-'));
  await cp(path.join(here, 'build-if-stale.mjs'), path.join(dir, 'scripts/build-if-stale.mjs'));
  await symlink(path.join(here, '../node_modules'), path.join(dir, 'node_modules'));
  // The least of a library: checking all of it took most of these tests.
  const lib = { lib: ['es5'], skipLibCheck: true, types: [] };
  const compilerOptions = { module: 'nodenext', outDir: 'dist', rootDir: '.', ...lib };
  const files = {
    'package.json': { type: 'module' },
    'package-lock.json': {},
    'tsconfig.json': {},
    'tsconfig.build.json': { compilerOptions, include: ['*.ts'] },
  };
  for (const [name, content] of Object.entries(files)) await put(name, JSON.stringify(content));
  await put('one.ts', 'export const one = 1;');
  await put('two.ts', 'export const two = 2;');
});

afterEach(() => rm(dir, { recursive: true, force: true }));

function put(name: string, text: string): Promise<void> {
  return writeFile(path.join(dir, name), text);
}

function build() {
  return runProgram(path.join(dir, 'scripts/build-if-stale.mjs'));
}

async function built(): Promise<string[]> {
  return (await readdir(path.join(dir, 'dist'))).filter((name) => name.endsWith('.js'));
}

describe('build-if-stale', () => {
  it('builds what is not built, and is silent when nothing changed', async () => {
    const first = await build();
    expect([first.code, first.out]).toEqual([0, 'building dist/ …\n']);
    expect(await built()).toEqual(['one.js', 'two.js']);
    expect(await build()).toEqual({ code: 0, out: '', err: '' });
    await put('three.test.ts', 'not even a program');
    expect(await build()).toEqual({ code: 0, out: '', err: '' });
  });

  it('builds again when a source changes, and leaves nothing of one that is gone', async () => {
    await build();
    await put('one.ts', 'export const one = 1.5;');
    await rm(path.join(dir, 'two.ts'));
    expect((await build()).out).toBe('building dist/ …\n');
    expect(await built()).toEqual(['one.js']);
  });

  it('fails when the compiler does, and tries again the next time', async () => {
    await put('one.ts', 'export const one: string = 1;');
    for (let time = 0; time < 2; time += 1) {
      const { code, out, err } = await build();
      expect(code).toBe(1);
      expect(out).toContain('one.ts(1,14): error');
      expect(err).toContain('the build failed');
    }
  });
});
