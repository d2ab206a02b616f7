/**
 * Cuts the power of a real node: `npm run power-cut -- [--points 600] [--seed N]`. Records every
 * write, sync and acknowledgement of a leader and of a follower under strace, rebuilds their disks
 * as a power cut at each point could leave them, and opens each.
 */
import { rm } from 'node:fs/promises';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { cut } from './cut.ts';
import { makeScratch, record } from './record.ts';

const MOST_FAILURES_SHOWN = 20;
const { values } = parseArgs({
  options: {
    points: { type: 'string', default: '600' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
  },
});
const [points, seed] = [Number(values.points), Number(values.seed)];
if (!Number.isSafeInteger(points) || points < 2 || !Number.isSafeInteger(seed)) {
  console.error(`expected whole numbers for --points (2 or more) and --seed`);
  process.exit(2);
}

const program = fileURLToPath(new URL('./recorded-node.js', import.meta.url));
const scratch = await makeScratch();
console.log(`power-cut: seed ${seed}`);
try {
  let all = 0;
  for (const role of ['leader', 'follower'] as const) {
    const recording = await record(role, program, scratch);
    const share = role === 'leader' ? points - Math.ceil(points / 2) : Math.ceil(points / 2);
    const result = await cut(recording, scratch, { points: share, seed });
    all += result.points;
    const { failures } = result;
    console.log(
      `${role}: power cut at ${result.points} points, ${result.disks} disks opened, ` +
        `${result.promises} acknowledgements, ${failures.length} broken promises`,
    );
    for (const failure of failures.slice(0, MOST_FAILURES_SHOWN)) console.log(`  ${failure}`);
    if (failures.length > 0) process.exitCode = 1;
  }
  console.log(`power cut at ${all} points in all`);
} finally {
  await rm(scratch, { recursive: true, force: true });
}
