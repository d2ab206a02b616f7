import type { Mutant } from './mutant.ts';
import { DIVIDED, LATE_ANSWERS, ORPHANS } from './runs.ts';
import { answerLate, orphanLongSuffixes } from './scripts.ts';

/** Bugs in how entries spread and commit. */
export const brokenReplication: readonly Mutant[] = [
  {
    name: 'commit-by-counting',
    title: 'entries of an older term are committed by counting',
    edits: [
      {
        file: 'raft/core/commitment.ts',
        find: 'majority < this.startIndex',
        replace: 'majority < 1',
      },
    ],
    run: { faults: DIVIDED },
    seeds: 400,
    caughtBy: ['committed-on-quorum'],
  },
  {
    name: 'previous-term-unchecked',
    title: 'a follower appends behind an entry of another term',
    edits: [
      {
        file: 'raft/core/append-entries.ts',
        find: '  if (ours !== remote) {',
        replace: '  if (ours !== remote && index < 0) {',
      },
    ],
    run: {
      faults: ['isolate', 'split', 'kill', 'pause'],
      profile: { memberChanges: false, trailingLogs: 1000, workEveryMs: 10 },
    },
    seeds: 400,
    caughtBy: ['log-matching', 'persist-before-reply'],
  },
  {
    name: 'stale-reply-counted',
    title: 'an answer to an earlier leadership counts for the present one',
    edits: [
      {
        file: 'raft/core/core.ts',
        find: '  const { leadership } = input;\n  if (node.leadership !== leadership) return;',
        replace: '  const { leadership } = node;\n  if (leadership === null) return;',
      },
    ],
    run: { faults: [], script: answerLate, profile: LATE_ANSWERS },
    seeds: 100,
    caughtBy: ['committed-on-quorum'],
  },
  {
    name: 'commit-quorum-off-by-one',
    title: 'an entry is committed by one server too few',
    edits: [
      {
        file: 'raft/core/commitment.ts',
        find: 'Math.floor((sorted.length - 1) / 2)',
        replace: 'Math.min(Math.floor((sorted.length - 1) / 2) + 1, sorted.length - 1)',
      },
    ],
    run: {},
    seeds: 20,
    caughtBy: ['committed-on-quorum'],
  },
  {
    name: 'nonvoter-counted',
    title: 'servers without a vote count towards a commit',
    edits: [
      {
        file: 'raft/core/commitment.ts',
        find: '    for (const { id } of votersOf(configuration)) this.#matchIndexes.set(id, 0);',
        replace: '    for (const { id } of configuration.servers) this.#matchIndexes.set(id, 0);',
      },
      {
        file: 'raft/core/commitment.ts',
        find: '    for (const { id } of votersOf(configuration)) {',
        replace: '    for (const { id } of configuration.servers) {',
      },
    ],
    run: { profile: { memberChanges: true } },
    seeds: 400,
    caughtBy: ['committed-on-quorum'],
  },
  {
    name: 'own-write-counted-early',
    title: 'a leader counts its own entries before its disk has them',
    edits: [
      {
        file: 'raft/runtime/effects.ts',
        find: '    telemetry.dispatched(batch[0]?.index ?? 0, last, startMs);',
        replace:
          '    telemetry.dispatched(batch[0]?.index ?? 0, last, startMs);\n' +
          "    this.#o.post({ kind: 'commitAdvanced', leadership });\n" +
          '    leadership.commitment.match(this.#o.node.self.id, last);',
      },
    ],
    run: {},
    seeds: 60,
    caughtBy: ['committed-on-quorum'],
  },
  {
    name: 'commit-without-leader',
    title: 'a follower takes whatever it has for committed',
    edits: [
      {
        file: 'raft/core/append-entries.ts',
        find: 'const commitIndex = Math.min(leaderCommit, lastNew);',
        replace: 'const commitIndex = Math.max(leaderCommit > 0 ? lastNew : 0, 0);',
      },
    ],
    run: {},
    seeds: 40,
    caughtBy: ['committed-on-quorum', 'committed-never-cut', 'state-ordering'],
  },
  {
    name: 'stale-memory',
    title: 'memory still serves the tail that was replaced on the disk',
    edits: [
      {
        file: 'raft/runtime/effects.ts',
        find:
          "      case 'replaceTail':\n" +
          '        entries.append(effect.entries, writer.durableIndex);',
        replace: `      case 'replaceTail':`,
      },
    ],
    run: { faults: [], script: orphanLongSuffixes, profile: ORPHANS },
    seeds: 200,
    caughtBy: [
      'state-machine-safety',
      'state-ordering',
      'log-matching',
      'leader-speaks-for-its-term',
    ],
  },
  {
    name: 'broken-pipeline-forgotten-612',
    title: 'a pipeline that breaks under a request is never given up',
    edits: [
      {
        file: 'raft/runtime/peer-sender.ts',
        find:
          "        this.#o.node.log.error(fields, 'failed to pipeline appendEntries');\n" +
          '      }\n' +
          "      this.#step({ kind: 'sendFailed', leadership, peer, epoch, error });",
        replace:
          "        this.#o.node.log.error(fields, 'failed to pipeline appendEntries');\n" +
          '      }',
      },
      {
        file: 'raft/core/replication.ts',
        find:
          '    node.log.error({ peer: peer.server.id, error: outcome.error }, ' +
          "'failed to appendEntries to');\n" +
          '    fallBack(peer, out);\n' +
          '    pause(leadership, peer, out);',
        replace:
          '    node.log.error({ peer: peer.server.id, error: outcome.error }, ' +
          "'failed to appendEntries to');\n" +
          "    if (peer.state !== 'pipeline') {\n" +
          '      fallBack(peer, out);\n' +
          '      pause(leadership, peer, out);\n' +
          '    }',
      },
    ],
    run: { faults: ['reset', 'loss', 'storm'] },
    seeds: 40,
    caughtBy: ['liveness', 'every-future-settles-once'],
  },
];
