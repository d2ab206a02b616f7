import { defineConfig } from 'vitest/config';

const MINUTE_MS = 60_000;

/** Real processes on two cores: one file after the other. */
export default defineConfig({
  test: {
    environment: 'node',
    pool: 'forks',
    fileParallelism: false,
    include: ['interop/**/*.test.ts'],
    testTimeout: 10 * MINUTE_MS,
    hookTimeout: MINUTE_MS,
    reporters: ['verbose'],
  },
});
