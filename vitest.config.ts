import { defineConfig } from 'vitest/config';

/** Nothing here is measured in seconds; the limits only end a test that hangs. */
const MINUTE_MS = 60_000;

// The tests of interop/ need Go, and have a run of their own: `npm run test:interop`.
const never = ['**/node_modules/**', 'dist/**', 'interop/**'];

/** Tests that keep nothing outside of themselves: a process for each file would only cost time. */
const together = [
  '{raft,internal,transport,observer,bench}/**/*.test.ts',
  '{snapshot,examples/kv}/*.test.ts',
  'testing/{check,conformance,fake,kit,readme,tidy}/*.test.ts',
];

export default defineConfig({
  test: {
    environment: 'node',
    // Processes, not threads: a native store that crashes takes one test file down, not the run.
    pool: 'forks',
    // On two cores one of three mostly waits, for elections in real time.
    maxWorkers: 3,
    dangerouslyIgnoreUnhandledErrors: false,
    // Rules and loops are held by their own tests, `npm run coverage`; the simulator comes on top.
    coverage: {
      provider: 'v8',
      include: ['raft/**/*.ts'],
      exclude: ['**/*.test.ts'],
      reporter: ['text', 'json-summary'],
      thresholds: { branches: 95 },
    },
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: together,
          isolate: false,
          testTimeout: MINUTE_MS,
          hookTimeout: MINUTE_MS,
        },
      },
      {
        extends: true,
        test: {
          name: 'apart',
          include: ['**/*.test.ts'],
          exclude: [...never, 'testing/sim/**', 'testing/e2e/**', ...together],
          testTimeout: MINUTE_MS,
          hookTimeout: MINUTE_MS,
        },
      },
      {
        extends: true,
        test: {
          name: 'sim',
          include: ['testing/sim/**/*.test.ts'],
          testTimeout: 5 * MINUTE_MS,
          hookTimeout: MINUTE_MS,
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: ['testing/e2e/**/*.test.ts'],
          testTimeout: 3 * MINUTE_MS,
          hookTimeout: MINUTE_MS,
        },
      },
    ],
  },
});
