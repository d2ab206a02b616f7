// Builds dist/ unless it was built from exactly the sources that are there. Plain JavaScript,
// because nothing is built yet when it runs.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = path.resolve(fileURLToPath(import.meta.url), '../..');
const dist = path.join(root, 'dist');
const stampFile = path.join(dist, '.build-stamp.json');
const notSources = new Set(['node_modules', 'dist', 'coverage', 'data', 'docs']);
const settings = ['package-lock.json', 'tsconfig.json', 'tsconfig.build.json'];

function sourcesIn(directory) {
  return readdirSync(path.join(root, directory), { withFileTypes: true }).flatMap((entry) => {
    const name = path.join(directory, entry.name);
    if (entry.isDirectory()) {
      const skip = notSources.has(entry.name) || entry.name.startsWith('.');
      return skip ? [] : sourcesIn(name);
    }
    return name.endsWith('.ts') && !name.endsWith('.test.ts') ? [name] : [];
  });
}

/** Size and time of change of every file the build depends on. */
function takeStamp() {
  const stamp = {};
  for (const file of [...settings, ...sourcesIn('')].sort()) {
    const { size, mtimeMs } = statSync(path.join(root, file));
    stamp[file] = `${size} ${mtimeMs}`;
  }
  return stamp;
}

function readStamp() {
  try {
    return JSON.parse(readFileSync(stampFile, 'utf8'));
  } catch {
    return {};
  }
}

const now = takeStamp();
const built = readStamp();
if (JSON.stringify(now) !== JSON.stringify(built)) {
  console.log('building dist/ …');
  // The compiler leaves behind what it built of a source that is gone.
  if (Object.keys(built).some((file) => !(file in now))) rmSync(dist, { recursive: true });
  rmSync(stampFile, { force: true });
  const tsc = createRequire(import.meta.url).resolve('typescript/bin/tsc');
  const args = [tsc, '-p', path.join(root, 'tsconfig.build.json')];
  const { status, error } = spawnSync(process.execPath, args, { cwd: root, stdio: 'inherit' });
  if (error !== undefined) throw error;
  if (status !== 0) {
    console.error('the build failed; see above');
    process.exit(1);
  }
  writeFileSync(stampFile, JSON.stringify(now));
}
