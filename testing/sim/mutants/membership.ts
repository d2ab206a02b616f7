import type { Mutant } from './mutant.ts';
import { CHANGES, DIVIDED, TRANSFERS } from './runs.ts';

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
  {
    name: 'configuration-not-rolled-back',
    title: 'a configuration stays in force although its entry was cut',
    edits: [
      {
        file: 'raft/core/membership.ts',
        find: '  configurations.latest = configurations.committed;\n',
        replace: '',
      },
    ],
    run: { faults: DIVIDED, profile: CHANGES },
    seeds: 500,
    caughtBy: ['newest-configuration-in-force'],
  },
  {
    name: 'transfer-flag-stuck-696',
    title: 'the flag of a transfer stays set into a later time in office',
    edits: [
      {
        file: 'raft/core/leader.ts',
        find: '    transfer: null,',
        replace: '    transfer: node.unfinished ?? null,',
      },
      {
        file: 'raft/core/leader.ts',
        find: '  abandonTransfer(node, leadership, out);',
        replace:
          '  node.unfinished = leadership.transfer;\n  abandonTransfer(node, leadership, out);',
      },
    ],
    run: { faults: [], profile: TRANSFERS },
    seeds: 200,
    caughtBy: ['liveness', 'every-future-settles-once'],
  },
];
