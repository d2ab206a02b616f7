import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build, type Plugin } from 'esbuild';
import type { runSimulation } from '../simulator.ts';
import type { Edit } from './mutant.ts';

/** The sources lie one folder higher for who runs from `dist`. */
const UP = import.meta.url.includes('/dist/') ? '../../../../' : '../../../';
const ROOT = fileURLToPath(new URL(UP, import.meta.url));

/** A simulator whose nodes have a bug. */
export interface PlantedSimulator {
  readonly runSimulation: typeof runSimulation;
}

/** The edits of each file, by its full path. */
function byPath(edits: readonly Edit[]): Map<string, Edit[]> {
  const found = new Map<string, Edit[]>();
  for (const edit of edits) {
    const path = resolve(ROOT, edit.file);
    found.set(path, [...(found.get(path) ?? []), edit]);
  }
  return found;
}

/** Applies an edit; fails when its text is not there exactly once. */
function apply(source: string, { file, find, replace }: Edit): string {
  const times = source.split(find).length - 1;
  if (times !== 1) throw new Error(`${file} has the text to replace ${times} times: ${find}`);
  return source.replace(find, () => replace);
}

/** Applies the edits while the bundle is made; fails when one of the files is no part of it. */
function patch(edits: readonly Edit[], whole: string): Plugin {
  return {
    name: 'plant',
    setup({ onLoad, onEnd }) {
      const waiting = byPath(edits);
      onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const own = waiting.get(path);
        if (own === undefined) return undefined;
        waiting.delete(path);
        return { contents: own.reduce(apply, await readFile(path, 'utf8')), loader: 'ts' };
      });
      onEnd(({ errors }) => {
        const [missing] = waiting.keys();
        if (missing === undefined || errors.length > 0) return undefined;
        return { errors: [{ text: `${missing} is no part of ${whole}` }] };
      });
    },
  };
}

function isSimulator(module: unknown): module is PlantedSimulator {
  return (
    typeof module === 'object' &&
    module !== null &&
    'runSimulation' in module &&
    typeof module.runSimulation === 'function'
  );
}

/** Builds a program for Node with some edits in it; packages are found from `outfile`. */
export async function buildPlanted(
  entryPoint: string,
  outfile: string,
  edits: readonly Edit[],
): Promise<void> {
  await build({
    absWorkingDir: ROOT,
    entryPoints: [entryPoint],
    bundle: true,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    logLevel: 'silent',
    outfile,
    plugins: [patch(edits, entryPoint)],
  });
}

/** Builds the simulator with some edits in it, and loads it beside the one without. */
export async function plant(edits: readonly Edit[]): Promise<PlantedSimulator> {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-mutant-'));
  try {
    const outfile = join(folder, 'simulator.mjs');
    await buildPlanted('testing/sim/index.ts', outfile, edits);
    const module: unknown = await import(/* @vite-ignore */ pathToFileURL(outfile).href);
    if (isSimulator(module)) return module;
    throw new Error('the bundle does not export runSimulation');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
