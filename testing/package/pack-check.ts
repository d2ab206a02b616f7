/**
 * Packs the package, installs the tarball as a stranger would, and uses it there:
 * `npm run pack:check [-- --keep FOLDER]`. With `--keep` the folder stays, so that `smoke.js` in it
 * can be run by other versions of Node.
 */
import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { graphOf } from '../tidy/imports.ts';
import { sourceOf } from '../tidy/source-tree.ts';
import { targetsOf, unreachable, wrongFiles } from './tarball.ts';

const run = promisify(execFile);

/** What `npm pack --json` says of the tarball, as far as it is looked at. */
interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

async function pack(folder: string): Promise<Packed> {
  const args = ['pack', '--json', '--foreground-scripts=false', '--pack-destination', folder];
  const { stdout } = await run('npm', args, { maxBuffer: 1 << 24 });
  const [packed]: Packed[] = JSON.parse(stdout.slice(stdout.indexOf('[')));
  if (packed === undefined) throw new Error(`npm pack named no tarball: ${stdout}`);
  return packed;
}

async function install(folder: string, tarball: string): Promise<void> {
  const manifest = { name: 'consumer', version: '1.0.0', private: true, type: 'module' };
  await writeFile(join(folder, 'package.json'), JSON.stringify(manifest));
  await run('npm', ['install', '--no-audit', '--no-fund', tarball], { cwd: folder });
  const smoke = fileURLToPath(new URL('./smoke.js', import.meta.url));
  await copyFile(smoke, join(folder, 'smoke.js'));
}

async function checkFiles(folder: string, packed: Packed, targets: Map<string, string>) {
  const files = packed.files.map(({ path }) => path);
  const modules = files.filter((path) => /\.(js|d\.ts)$/.test(path));
  const sources = modules.map(async (path) =>
    sourceOf(path, await readFile(join(folder, 'node_modules/quorate', path), 'utf8')),
  );
  const graph = graphOf(await Promise.all(sources));
  const wrong = [...wrongFiles(files, targets.values()), ...unreachable(graph, targets.values())];
  if (wrong.length > 0) throw new Error(wrong.join('\n'));
}

/** Imports one sub-path in a process of its own; the root must not load native code. */
async function checkImport(folder: string, specifier: string): Promise<void> {
  const program = `
    const names = Object.keys(await import('${specifier}'));
    const native = process.report.getReport().sharedObjects.filter((it) => it.endsWith('.node'));
    console.log(JSON.stringify({ names, native }));
  `;
  const args = ['--input-type=module', '--eval', program];
  const { stdout } = await run(process.execPath, args, { cwd: folder });
  const { names, native }: { names: string[]; native: string[] } = JSON.parse(stdout);
  if (names.length === 0) throw new Error(`${specifier} exports nothing`);
  if (specifier === 'quorate' && native.length > 0) {
    throw new Error(`the root loads native code: ${native.join(', ')}`);
  }
}

/** Type-checks a file that takes every sub-path, our declarations included. */
async function checkTypes(folder: string, specifiers: readonly string[]): Promise<void> {
  const lines = specifiers.map((specifier, i) => `export * as m${i} from '${specifier}';`);
  await writeFile(join(folder, 'consumer.ts'), `${lines.join('\n')}\n`);
  const options = ['--noEmit', '--strict', '--target', 'es2023', '--module', 'nodenext'];
  const types = ['--types', 'node', '--typeRoots', resolve('node_modules/@types')];
  const args = [resolve('node_modules/typescript/bin/tsc'), ...options, ...types, 'consumer.ts'];
  await run(process.execPath, args, { cwd: folder });
}

/** Runs one check and says how it went; `undefined` when it failed. */
async function step<T>(name: string, work: () => Promise<T>): Promise<T | undefined> {
  try {
    const result = await work();
    console.log(`ok      ${name}`);
    return result;
  } catch (error) {
    process.exitCode = 1;
    console.log(`FAILED  ${name}`);
    const output = error instanceof Error && 'stdout' in error ? String(error.stdout) : '';
    console.log(`${output}\n${error instanceof Error ? error.message : String(error)}`.trim());
    return undefined;
  }
}

async function checkAll(folder: string): Promise<void> {
  const manifest = JSON.parse(await readFile('package.json', 'utf8'));
  const { exports, imports, bin: commands } = manifest;
  const targets = targetsOf(exports);
  const named = [...targetsOf(imports), ...Object.entries<string>(commands)];
  const entries = new Map([...targets, ...named]);
  const specifiers = [...targets.keys()].map((subPath) => subPath.replace('.', 'quorate'));
  const packed = await step('npm pack', () => pack(folder));
  if (packed === undefined) return;
  const tarball = join(folder, packed.filename);
  const bin = (name: string) => resolve('node_modules/.bin', name);

  await step('the tarball installs', () => install(folder, tarball));
  await step('it holds what it should and nothing else', () => checkFiles(folder, packed, entries));
  for (const specifier of specifiers) {
    await step(`import '${specifier}'`, () => checkImport(folder, specifier));
  }
  await step('the types check', () => checkTypes(folder, specifiers));
  await step('publint', () => run(bin('publint'), ['run', tarball, '--strict']));
  await step('attw', () => run(bin('attw'), [tarball, '--profile', 'esm-only', '--no-color']));
  await step('npx quorate', async () => {
    const { stderr } = await run('npx', ['quorate', 'verify'], { cwd: folder }).catch(Object);
    if (!/^usage: quorate verify DIR/m.test(stderr)) throw new Error(`it said ${stderr}`);
  });
  await step('smoke', () => run(process.execPath, ['smoke.js'], { cwd: folder }));
}

const { values } = parseArgs({ options: { keep: { type: 'string' } } });
if (values.keep === undefined) {
  const folder = await mkdtemp(join(tmpdir(), 'quorate-pack-'));
  try {
    await checkAll(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
} else {
  await mkdir(values.keep, { recursive: true });
  await checkAll(resolve(values.keep));
}
