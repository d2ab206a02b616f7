import type { Mutant } from './mutant.ts';
import { CHANGES } from './runs.ts';

/** Bugs in changes of the membership and of the leader. */
export const brokenMembership: readonly Mutant[] = [
  {
    name: 'two-changes-at-once',
    title: 'a change of the membership does not wait for the one before it',
    edits: [
      {
        file: 'raft/core/membership.ts',
        find: '    configurations.latestIndex === configurations.committedIndex &&\n',
        replace: '',
      },
    ],
    run: { profile: CHANGES },
    seeds: 100,
    caughtBy: ['one-uncommitted-configuration'],
  },
];
