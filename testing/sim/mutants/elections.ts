import type { Mutant } from './mutant.ts';
import { DIVIDED, ELECTIONS } from './runs.ts';
import { isolateTheLeader } from './scripts.ts';

/** Bugs in how leaders are elected and stay. */
export const brokenElections: readonly Mutant[] = [
  {
    name: 'vote-not-persisted',
    title: 'a vote is given and not written down',
    edits: [
      {
        file: 'raft/core/request-vote.ts',
        find: '  out.persistHardState(node.currentTerm, node.vote);\n' + '  node.lastContactMs',
        replace: '  node.lastContactMs',
      },
    ],
    run: { faults: DIVIDED },
    seeds: 20,
    caughtBy: ['persist-before-reply'],
  },
  {
    name: 'vote-persisted-after-reply',
    title: 'term and vote are written while the answer is on its way',
    edits: [
      {
        file: 'raft/runtime/effects.ts',
        find: 'return writer.persistHardState(effect.term, effect.vote);',
        replace:
          'void writer.persistHardState(effect.term, effect.vote).catch(() => {}); ' +
          'return undefined;',
      },
    ],
    run: { faults: DIVIDED },
    seeds: 20,
    caughtBy: ['persist-before-reply'],
  },
  {
    name: 'own-vote-not-persisted',
    title: 'a candidate does not write down that it votes for itself',
    edits: [
      {
        file: 'raft/core/election.ts',
        find: 'out.persistHardState(term, isVoter ? { term, candidate } : null);',
        replace: 'out.persistHardState(term, null);',
      },
    ],
    run: { faults: DIVIDED },
    seeds: 20,
    caughtBy: ['persist-before-reply'],
  },
  {
    name: 'vote-forgotten-at-restart',
    title: 'a node that is restarted has forgotten its vote',
    edits: [
      {
        file: 'raft/runtime/startup.ts',
        find: 'const vote = term > 0 && candidate !== null ? { term, candidate } : null;',
        replace: 'const vote = term > 0 && candidate !== null ? { term: 0, candidate } : null;',
      },
    ],
    run: { faults: ['kill', 'loss', 'isolate'], faultEveryMs: 60, profile: ELECTIONS },
    seeds: 600,
    caughtBy: ['one-vote-a-term', 'election-safety'],
  },
  {
    name: 'two-votes-in-a-term',
    title: 'a voter gives its vote to whoever asks',
    edits: [
      {
        file: 'raft/core/request-vote.ts',
        find: '    if (!bytesEqual(node.vote.candidate, candidate)) return false;',
        replace: '',
      },
    ],
    run: { faults: DIVIDED },
    seeds: 100,
    caughtBy: ['one-vote-a-term', 'election-safety', 'persist-before-reply'],
  },
  {
    name: 'election-quorum-off-by-one',
    title: 'a candidate needs one vote too few',
    edits: [
      {
        file: 'raft/core/election.ts',
        find: 'const needed = quorumSize(node.configurations.latest);',
        replace: 'const needed = Math.max(quorumSize(node.configurations.latest) - 1, 1);',
      },
    ],
    run: { faults: DIVIDED },
    seeds: 60,
    caughtBy: ['election-safety', 'leader-completeness', 'committed-never-cut'],
  },
  {
    name: 'older-last-term-elected',
    title: 'a candidate whose last entry is of an older term gets votes',
    edits: [
      {
        file: 'raft/core/request-vote.ts',
        find: '  if (last.term > request.lastLogTerm) {',
        replace: '  if (last.term < 0) {',
      },
      {
        file: 'raft/core/pre-vote.ts',
        find: '  if (last.term > request.lastLogTerm) {',
        replace: '  if (last.term < 0) {',
      },
    ],
    run: { faults: DIVIDED },
    seeds: 400,
    caughtBy: ['leader-completeness'],
  },
  {
    name: 'shorter-log-elected',
    title: 'a candidate with a shorter log gets votes',
    edits: [
      {
        file: 'raft/core/request-vote.ts',
        find: '  if (last.term === request.lastLogTerm && last.index > request.lastLogIndex) {',
        replace: '  if (last.term < 0) {',
      },
      {
        file: 'raft/core/pre-vote.ts',
        find: '  if (last.term === request.lastLogTerm && last.index > request.lastLogIndex) {',
        replace: '  if (last.term < 0) {',
      },
    ],
    run: { faults: DIVIDED },
    seeds: 100,
    caughtBy: ['leader-completeness'],
  },
  {
    name: 'pre-vote-refreshes-contact',
    title: 'who is asked for a pre-vote takes it for a word of its leader',
    edits: [
      {
        file: 'raft/core/core.ts',
        find: '      onRequestPreVote(node, input.request, input.ticket, out);',
        replace:
          '      node.lastContactMs = now.ms;\n' +
          '      onRequestPreVote(node, input.request, input.ticket, out);',
      },
    ],
    run: { faults: DIVIDED },
    seeds: 40,
    caughtBy: ['pre-vote-is-no-contact'],
  },
  {
    name: 'lease-too-long',
    title: 'a leader believes for minutes that a quorum hears it',
    edits: [
      {
        file: 'raft/core/lease.ts',
        find: 'const leaseMs = config.leaderLeaseTimeoutMs;',
        replace: 'const leaseMs = config.leaderLeaseTimeoutMs * 1000;',
      },
    ],
    run: {
      faults: [],
      durationMs: 4500,
      script: isolateTheLeader,
      profile: { nodes: 3, memberChanges: false },
    },
    seeds: 20,
    caughtBy: ['leader-keeps-its-lease'],
  },
  {
    name: 'newer-term-ignored',
    title: 'a leader that hears of a newer term goes on leading',
    edits: [
      {
        file: 'raft/core/core.ts',
        find:
          "  node.log.warn({}, 'new leader elected, stepping down');\n" +
          '  followNewerTerm(node, term, now, out);',
        replace:
          "  node.log.warn({}, 'new leader elected, stepping down');\n" +
          '  if (now.ms < 0) followNewerTerm(node, term, now, out);',
      },
      {
        file: 'raft/core/lease.ts',
        find: 'const leaseMs = config.leaderLeaseTimeoutMs;',
        replace: 'const leaseMs = config.leaderLeaseTimeoutMs * 1000;',
      },
    ],
    run: {
      faults: [],
      durationMs: 4500,
      script: isolateTheLeader,
      profile: { nodes: 3, memberChanges: false },
    },
    seeds: 20,
    caughtBy: ['leader-keeps-its-lease', 'liveness'],
  },
];
