import type { Mutant } from './mutant.ts';
import { CRASHES } from './runs.ts';
import { hangTheLeader, loseNames } from './scripts.ts';

/** Bugs in what is kept on disks and in snapshots. */
export const brokenStorage: readonly Mutant[] = [
  {
    name: 'vote-in-two-steps-661',
    title: 'the term of a vote is written before its candidate',
    edits: [
      {
        file: 'raft/runtime/store-writer.ts',
        find:
          '      await stable.set(KEY_LAST_VOTE_CANDIDATE, vote.candidate);\n' +
          '      await stable.setUint64(KEY_LAST_VOTE_TERM, vote.term);',
        replace:
          '      await stable.setUint64(KEY_LAST_VOTE_TERM, vote.term);\n' +
          '      await stable.set(KEY_LAST_VOTE_CANDIDATE, vote.candidate);',
      },
    ],
    run: { faults: CRASHES, profile: { atomicStores: false } },
    seeds: 100,
    caughtBy: ['one-vote-a-term'],
  },
  {
    name: 'hung-disk-ignored-503',
    title: 'nobody notices that a write does not end',
    edits: [
      {
        file: 'raft/runtime/store-writer.ts',
        find: '  #giveUp(watched: Watched, ageMs: number): void {',
        replace:
          '  #giveUp(watched: Watched, ageMs: number): void {\n' + '    if (ageMs > 0) return;',
      },
    ],
    run: {
      faults: [],
      durationMs: 14_000,
      script: hangTheLeader,
      profile: { nodes: 3, memberChanges: false, workEveryMs: 60 },
    },
    seeds: 4,
    caughtBy: ['hung-disk-ends-the-node'],
  },
  {
    name: 'suffix-dropped-at-install',
    title: 'an installed snapshot drops what stands behind it, too',
    edits: [
      {
        file: 'raft/core/install-snapshot.ts',
        find: 'const keepsSuffix = node.terms.termAt(index) === term;',
        replace: 'const keepsSuffix = node.terms.termAt(index) === term && index < 0;',
      },
    ],
    run: {
      faults: ['isolate', 'one-way', 'loss', 'reset', 'pause', 'storm'],
      profile: { snapshotThreshold: 1, snapshotIntervalMs: 50, trailingLogs: 0, workEveryMs: 10 },
    },
    seeds: 1000,
    caughtBy: [
      'committed-on-quorum',
      'leader-completeness',
      'persist-before-reply',
      'committed-never-cut',
    ],
  },
  {
    name: 'old-snapshot-installed',
    title: 'a snapshot that holds less than is applied is installed',
    edits: [
      {
        file: 'raft/core/install-snapshot.ts',
        find: '  if (request.lastLogIndex <= node.lastApplied && !replacesOurs(node, request)) {',
        replace: '  if (request.lastLogIndex < 0) {',
      },
    ],
    run: {
      faults: ['isolate', 'loss', 'reset', 'pause', 'storm', 'reordering'],
      profile: { snapshotThreshold: 1, snapshotIntervalMs: 50, trailingLogs: 0, workEveryMs: 10 },
    },
    seeds: 1000,
    caughtBy: ['monotonic', 'committed-never-cut'],
  },
  {
    name: 'late-snapshot-goes-back-248',
    title: 'a snapshot that is finished late replaces a newer one',
    edits: [
      {
        file: 'raft/core/compaction.ts',
        find: '  if (index < node.snapshotIndex) return;\n',
        replace: '',
      },
    ],
    run: {
      faults: ['isolate', 'loss', 'pause', 'reset', 'slow-disk'],
      profile: {
        snapshotThreshold: 1,
        snapshotIntervalMs: 50,
        trailingLogs: 0,
        workEveryMs: 5,
        diskSpeed: { minSyncMs: 5, maxSyncMs: 30 },
      },
    },
    seeds: 1000,
    caughtBy: ['liveness', 'log-without-holes', 'monotonic'],
  },
  {
    name: 'snapshot-name-not-synced',
    title: 'a snapshot is told to be there before its name is durable',
    edits: [
      {
        file: 'snapshot/file-snapshot-sink.ts',
        find: '      fileSystem.syncDirectory(parentDirectory),',
        replace:
          '      parentDirectory === "" ? ' +
          'fileSystem.syncDirectory(parentDirectory) : Promise.resolve(),',
      },
    ],
    run: { profile: { snapshotThreshold: 1, snapshotIntervalMs: 100, trailingLogs: 0 } },
    seeds: 100,
    caughtBy: ['committed-never-cut', 'persist-before-reply', 'log-without-holes'],
  },
  {
    name: 'left-snapshot-not-synced',
    title: 'a snapshot that a killed process left is built upon before its name is durable',
    edits: [
      {
        file: 'snapshot/file-snapshot-store.ts',
        find: '      await init.fileSystem.syncDirectory(path);',
        replace: '',
      },
    ],
    run: {
      faults: ['isolate', 'pause'],
      script: loseNames,
      profile: { snapshotThreshold: 1, snapshotIntervalMs: 50, trailingLogs: 0, workEveryMs: 10 },
    },
    seeds: 200,
    caughtBy: ['committed-never-cut', 'persist-before-reply', 'log-without-holes'],
  },
  {
    name: 'entry-checksum-unread',
    title: 'the checksum of an entry is not compared',
    edits: [
      {
        file: 'store/entry-codec.ts',
        find: '  if (stored !== actual) {',
        replace: '  if (stored !== actual && stored < 0) {',
      },
    ],
    run: {
      faults: ['rot-entry', 'kill', 'isolate'],
      faultEveryMs: 60,
      profile: {
        nodes: 3,
        memberChanges: false,
        userRestores: false,
        trailingLogs: 50,
        snapshotThreshold: 30,
      },
    },
    seeds: 400,
    caughtBy: ['state-machine-safety', 'log-matching', 'leader-speaks-for-its-term'],
  },
  {
    name: 'snapshot-index-off-by-one',
    title: 'a snapshot says that it holds one entry less than it does',
    edits: [
      {
        file: 'raft/runtime/fsm-loop.ts',
        find: 'const [index, term] = [this.#lastIndex, this.#lastTerm];',
        replace: 'const [index, term] = [Math.max(this.#lastIndex - 1, 1), this.#lastTerm];',
      },
    ],
    run: {
      faults: [...CRASHES, 'isolate'],
      profile: { snapshotThreshold: 1, snapshotIntervalMs: 100, userRestores: false },
    },
    seeds: 60,
    caughtBy: ['state-ordering', 'state-machine-safety'],
  },
  {
    name: 'applied-twice-after-install',
    title: 'what was handed over before a snapshot came is applied behind it once more',
    edits: [
      {
        file: 'raft/runtime/fsm-loop.ts',
        find: '    return this.#errand(this.#handedTo, async () => {',
        replace: '    return this.#errand(0, async () => {',
      },
      {
        file: 'raft/runtime/fsm-loop.ts',
        find: '      this.#handedTo = index;\n',
        replace:
          '      if (this.#finished < this.#handedTo) await this.#applyBatch();\n' +
          '      this.#handedTo = index;\n',
      },
    ],
    run: {
      faults: ['isolate', 'loss', 'reset', 'pause', 'storm'],
      profile: {
        applyMs: 3,
        snapshotThreshold: 1,
        snapshotIntervalMs: 50,
        trailingLogs: 0,
        workEveryMs: 10,
        userRestores: false,
      },
    },
    seeds: 400,
    caughtBy: ['state-ordering', 'state-machine-safety'],
  },
];
