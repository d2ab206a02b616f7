import type { Mutant } from './mutant.ts';
import { DIVIDED, SLOW_TO_YIELD } from './runs.ts';
import { deposeWhileReading, orphanLongSuffixes, oustQuietly } from './scripts.ts';

/** One bug or more for each of the rules 1 to 12 that attacking the design found. */
export const brokenRules: readonly Mutant[] = [
  {
    name: 'goes-on-after-failed-disk',
    rule: 1,
    title: 'a node goes on after its disk has failed it',
    edits: [
      {
        file: 'raft/runtime/store-writer.ts',
        find: '    this.#latch(error);\n    tell(job, error);\n',
        replace: '    for (const done of job.done) done();\n    if (error) return;\n',
      },
    ],
    run: { faults: ['refuse', 'sync-fails'] },
    seeds: 5,
    caughtBy: ['first-failure-is-last', 'persist-before-reply'],
  },
  {
    name: 'main-lane-does-not-wait',
    rule: 2,
    title: 'the main lane takes the next input while the disk still works for the last one',
    edits: [
      {
        file: 'raft/runtime/main-lane.ts',
        find: '        if (pending !== undefined) {\n',
        replace:
          '        pending?.catch((error) => this.#fail(error));\n' +
          '        if (pending === null) {\n',
      },
    ],
    run: { faults: DIVIDED },
    seeds: 20,
    caughtBy: ['persist-before-reply', 'first-failure-is-last'],
  },
  {
    name: 'tail-overtakes-cut',
    rule: 3,
    title: 'what replaces a tail overtakes the cut, and is cut with it',
    edits: [
      {
        file: 'raft/runtime/store-writer.ts',
        find: '        await this.#deleteTail(from);\n' + '        await logs.storeLogs(entries);',
        replace:
          '        await logs.storeLogs(entries);\n' + '        await this.#deleteTail(from);',
      },
    ],
    run: { faults: DIVIDED, profile: { atomicStores: false } },
    seeds: 20,
    caughtBy: ['persist-before-reply', 'committed-never-cut', 'log-without-holes'],
  },
  {
    name: 'reply-before-fsync',
    rule: 4,
    title: 'entries are acknowledged when they are in memory, not when the disk has them',
    edits: [
      {
        file: 'raft/runtime/effects.ts',
        find: "return this.#stored(writer.appendAndWait(batch), 'failed to append to logs');",
        replace: 'void writer.appendAndWait(batch).catch(() => {}); return undefined;',
      },
      {
        file: 'raft/runtime/effects.ts',
        find: 'return writer.untilDurable(effect.index);',
        replace: 'return undefined;',
      },
    ],
    run: { faults: [] },
    seeds: 5,
    caughtBy: ['persist-before-reply'],
  },
  {
    name: 'start-without-sync',
    rule: 5,
    title: 'a node that was killed trusts what it reads before it is synced',
    edits: [
      {
        file: 'raft/runtime/startup.ts',
        find: '  await syncEverything(sources, currentTerm, lastLog);\n',
        replace: '',
      },
    ],
    run: {
      faults: ['kill', 'kill-then-power-loss'],
      faultEveryMs: 100,
      profile: {
        memberChanges: false,
        diskSpeed: { minSyncMs: 5, maxSyncMs: 20 },
        workEveryMs: 10,
      },
    },
    seeds: 40,
    caughtBy: ['persist-before-reply', 'election-safety', 'leader-completeness'],
  },
  {
    name: 'sends-after-deposed',
    rule: 6,
    title: 'entries that were read before leadership was lost are sent after it',
    edits: [
      {
        file: 'raft/runtime/peer-sender.ts',
        find: '    if (!this.#isCurrent(effect)) return;\n    const { peer, prevIndex',
        replace: '    const { peer, prevIndex',
      },
    ],
    run: {
      faults: [],
      script: deposeWhileReading,
      durationMs: 4000,
      profile: {
        nodes: 5,
        spares: 0,
        memberChanges: false,
        readDelayMs: 10,
        trailingLogs: 1000,
        preVoteDisabled: true,
        workEveryMs: 20,
        heartbeatTimeoutMs: 100,
        electionTimeoutMs: 100,
        leaseTimeoutMs: 100,
        maxAppendEntries: 2,
      },
    },
    seeds: 40,
    caughtBy: ['leader-speaks-for-its-term'],
  },
  {
    name: 'heartbeat-behind-main-695',
    rule: 7,
    title: 'a heartbeat is answered from a state that is still being written',
    edits: [
      {
        file: 'raft/runtime/inbound.ts',
        find: 'lastIndex } = this.#o.published();',
        replace:
          'lastIndex } = { term: node.currentTerm, role: node.role, lastIndex: 0, ' +
          'leaderAddress: node.leaderAddress, leaderID: node.leaderID };',
      },
    ],
    run: { faults: DIVIDED },
    seeds: 20,
    caughtBy: ['persist-before-reply'],
  },
  {
    name: 'suffix-kept-behind-snapshot-697',
    rule: 8,
    title: 'a log that contradicts an installed snapshot is kept behind it',
    edits: [
      {
        file: 'raft/core/install-snapshot.ts',
        find: 'const keepsSuffix = node.terms.termAt(index) === term;',
        replace: 'const keepsSuffix = node.terms.lastIndex >= index;',
      },
    ],
    run: {
      faults: [],
      script: orphanLongSuffixes,
      profile: {
        nodes: 3,
        spares: 0,
        memberChanges: false,
        trailingLogs: 20,
        snapshotIntervalMs: 20,
        snapshotThreshold: 1,
        workEveryMs: 20,
        heartbeatTimeoutMs: 100,
        electionTimeoutMs: 100,
        leaseTimeoutMs: 100,
      },
    },
    seeds: 40,
    caughtBy: ['log-matching', 'liveness'],
  },
  {
    name: 'vote-before-all-keys',
    rule: 9,
    title: 'a vote is given before all of its keys are written',
    edits: [
      {
        file: 'raft/runtime/store-writer.ts',
        find: 'await stable.setUint64(KEY_LAST_VOTE_TERM, vote.term);',
        replace: 'void stable.setUint64(KEY_LAST_VOTE_TERM, vote.term);',
      },
    ],
    run: { faults: DIVIDED, profile: { atomicStores: false } },
    seeds: 5,
    caughtBy: ['persist-before-reply'],
  },
  {
    name: 'cuts-matching-entries',
    rule: 10,
    title: 'a follower cuts its log at every request, also below what is applied',
    edits: [
      {
        file: 'raft/core/append-entries.ts',
        find: 'if (ours === entry.term || covered) continue;',
        replace: 'if (covered) continue;',
      },
      {
        file: 'raft/core/append-entries.ts',
        find: 'if (entry.index <= Math.max(node.commitIndex, node.lastApplied)) {',
        replace: 'if (entry.index < 0) {',
      },
    ],
    run: { faults: ['storm'] },
    seeds: 20,
    caughtBy: ['committed-never-cut'],
  },
  {
    name: 'read-without-quorum',
    rule: 11,
    title: 'a linear read does not ask a quorum',
    edits: [
      {
        file: 'raft/core/verify-leader.ts',
        find: '  else ask(node, leadership, { ticket, readIndex: node.commitIndex }, out);',
        replace: "  else out.push({ kind: 'settle', ticket, value: node.commitIndex });",
      },
    ],
    run: { faults: [], script: oustQuietly, profile: SLOW_TO_YIELD },
    seeds: 40,
    caughtBy: ['linear-reads'],
  },
  {
    name: 'read-before-own-commit',
    rule: 11,
    title: 'a new leader serves linear reads before it has committed anything of its own',
    edits: [
      {
        file: 'raft/core/verify-leader.ts',
        find: 'else if (!mayRead(node, leadership)) leadership.reads.hold(ticket);',
        replace: '',
      },
    ],
    run: { faults: ['kill', 'isolate', 'pause'], profile: { workEveryMs: 5 } },
    seeds: 100,
    caughtBy: ['linear-reads'],
  },
  {
    name: 'head-beyond-snapshot',
    rule: 12,
    title: 'the head of the log is forgotten beyond the snapshot',
    edits: [
      {
        file: 'raft/core/compaction.ts',
        find: 'const upTo = Math.min(index, lastDurable - node.config.trailingLogs);',
        replace: 'const upTo = lastDurable - node.config.trailingLogs;',
      },
    ],
    run: {
      faults: [],
      profile: { memberChanges: false, trailingLogs: 0, snapshotThreshold: 1, workEveryMs: 3 },
    },
    seeds: 10,
    caughtBy: ['committed-never-cut', 'log-without-holes'],
  },
];
