import { defineConfig } from 'vitest/config';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

const MINUTE_MS = 60_000;

/** Begun last, they would be waited for alone. */
const LONGEST = ['mixes.test.ts', 'snapshots.test.ts', 'faults.test.ts'];

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    const isLong = ({ moduleId }: TestSpecification) =>
      LONGEST.some((name) => moduleId.endsWith(name));
    return [...sorted.filter(isLong), ...sorted.filter((file) => !isLong(file))];
  }
}

/** Real processes, which mostly wait for each other and for the disk: three files at a time. */
export default defineConfig({
  test: {
    environment: 'node',
    pool: 'forks',
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    include: ['interop/**/*.test.ts'],
    testTimeout: 10 * MINUTE_MS,
    hookTimeout: MINUTE_MS,
    reporters: ['verbose'],
  },
});
