// Builds the programs in Go and runs the tests of clusters of Go and TypeScript nodes. Without Go
// it says so and is content, unless CI is set. `--long` makes the rounds longer, `--build-only`
// runs no test; everything else goes to the test runner.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import path from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';

const root = path.resolve(fileURLToPath(import.meta.url), '../..');
/** What is written in Go: the peer, and the judge of histories. */
const PROGRAMS = ['peer', 'porcupine'];
const OWN_OPTIONS = ['--long', '--build-only'];

/** Runs a command to its end, and ends with it when it fails. */
function run(command, args, options = {}) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: 'inherit', ...options });
  if (error !== undefined) throw error;
  if (status !== 0) process.exit(status ?? 1);
}

function goCommand() {
  const candidates = ['go', '/usr/local/go/bin/go'];
  return candidates.find((command) => spawnSync(command, ['version']).status === 0);
}

/** What `npx vitest` runs, which the package names and does not export. */
function vitestCommand() {
  const require = createRequire(import.meta.url);
  const manifest = require.resolve('vitest/package.json');
  return path.join(path.dirname(manifest), require(manifest).bin.vitest);
}

const args = process.argv.slice(2);
const go = goCommand();
if (go === undefined) {
  console.log('Go is not installed: the tests of mixed clusters do not run.');
  process.exit(process.env.CI === 'true' ? 1 : 0);
}
for (const name of PROGRAMS) {
  const cwd = path.join(root, 'interop/go', name);
  run(go, ['build', '-trimpath', '-o', `../bin/${name}`, '.'], { cwd });
}
if (!args.includes('--build-only')) {
  run(process.execPath, ['scripts/build-if-stale.mjs']);
  const runner = vitestCommand();
  const rest = args.filter((arg) => !OWN_OPTIONS.includes(arg));
  const env = { ...process.env, INTEROP_LONG: args.includes('--long') ? '1' : '' };
  run(process.execPath, [runner, 'run', '--config', 'interop/vitest.config.ts', ...rest], { env });
}
