import { defineConfig } from 'vitest/config';

const MINUTE_MS = 60_000;

/** Real processes, which mostly wait for each other and for the disk: three files at a time. */
export default defineConfig({
  test: {
    environment: 'node',
    pool: 'forks',
    maxWorkers: 3,
    include: ['interop/**/*.test.ts'],
    testTimeout: 10 * MINUTE_MS,
    hookTimeout: MINUTE_MS,
    reporters: ['verbose'],
  },
});
