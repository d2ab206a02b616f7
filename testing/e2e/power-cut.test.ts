import { spawnSync } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { cut } from '../power-cut/cut.ts';
import { makeScratch, record } from '../power-cut/record.ts';
import { buildFirst } from './program.ts';

const PROGRAM = 'dist/testing/power-cut/recorded-node.js';
let scratch = '';

beforeAll(buildFirst);

beforeEach(async () => {
  scratch = await makeScratch();
});

afterEach(async () => {
  await rm(scratch, { recursive: true, force: true });
});

if (spawnSync('strace', ['-V']).status === 0) {
  /** A short form of `npm run power-cut`. */
  describe.each(['leader', 'follower'] as const)('a %s whose power is cut', (role) => {
    it('keeps what it has acknowledged; a disk that lies is found out', async () => {
      const recording = await record(role, PROGRAM, scratch);
      const result = await cut(recording, scratch, { points: 8, seed: 1 });
      expect(result.failures).toEqual([]);
      expect(result.disks).toBeGreaterThanOrEqual(24);
      expect(result.promises).toBeGreaterThan(20);
      const lied = await cut(recording, scratch, { points: 3, seed: 1, ignoresSyncs: true });
      expect(lied.failures.length).toBeGreaterThanOrEqual(3);
    });
  });
} else {
  console.warn('strace is not installed: what a power cut leaves is not looked at');
}
