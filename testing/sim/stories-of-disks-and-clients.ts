import { utf8 } from '../../internal/bytes.ts';
import { LogType } from '../../raft/log.ts';
import {
  AppendEntriesRequest,
  InstallSnapshotRequest,
  InstallSnapshotResponse,
  RequestVoteResponse,
} from '../../raft/messages.ts';
import { RaftState } from '../../raft/state.ts';
import { appended, entry, granted, header, type Story, state, voteOf } from './stage.ts';

/** Stories that break, or keep, what disks and clients rely on. */
export const storiesOfDisksAndClients: readonly Story[] = [
  [
    'a commit that only one disk has',
    'committed-on-quorum',
    (stage) => {
      stage.elect(2);
      stage.store('a', entry(3, 1));
      stage.issue('b', { kind: 'store', logs: [entry(3, 1)] });
      stage.step('a', { commit: 3 });
    },
  ],
  [
    'a commit of an older term by counting',
    'committed-on-quorum',
    (stage) => {
      stage.elect(2);
      stage.keys('b', { CurrentTerm: 2, LastVoteTerm: 2 });
      stage.step('b', { role: RaftState.Leader, term: 2, commit: 2 });
    },
  ],
  [
    'a vote that is not on the disk',
    'persist-before-reply',
    (stage) => {
      stage.keys('c', { CurrentTerm: 2 });
      stage.issue('c', { kind: 'keys', writes: new Map([['LastVoteTerm', 2]]) });
      stage.court.replySent('sim:c', 'sim:a', voteOf(2, 'a'), granted(2));
    },
  ],
  [
    'a term that is not on the disk',
    'persist-before-reply',
    (stage) => {
      stage.court.replySent('sim:c', 'sim:a', voteOf(2, 'a'), new RequestVoteResponse({ term: 2 }));
    },
  ],
  [
    'a request of a term that is not on the disk',
    'persist-before-reply',
    (stage) => {
      stage.court.requestSent('sim:c', 'sim:a', voteOf(2, 'c'));
    },
  ],
  [
    'an acknowledged entry that is not on the disk',
    'persist-before-reply',
    (stage) => {
      stage.elect(2);
      stage.issue('b', { kind: 'store', logs: [entry(3, 1)] });
      const fields = { term: 1, prevLogEntry: 2, prevLogTerm: 1, entries: [entry(3, 1)] };
      const request = new AppendEntriesRequest({ ...fields, rpcHeader: header('a') });
      stage.court.replySent('sim:b', 'sim:a', request, appended(1));
    },
  ],
  [
    'an acknowledged snapshot that is not on the disk',
    'persist-before-reply',
    (stage) => {
      stage.elect(2);
      const request = new InstallSnapshotRequest({ term: 1, lastLogIndex: 9, lastLogTerm: 1 });
      const reply = new InstallSnapshotResponse({ term: 1, success: true });
      stage.court.replySent('sim:b', 'sim:a', request, reply);
    },
  ],
  [
    'an answer after a failed write',
    'first-failure-is-last',
    (stage) => {
      stage.elect(1);
      stage.court.writeFailed('b');
      stage.step('b');
      stage.court.replySent('sim:b', 'sim:a', new AppendEntriesRequest({ term: 1 }), appended(1));
    },
  ],
  [
    'a write after a failed write',
    'first-failure-is-last',
    (stage) => {
      stage.elect(1);
      stage.court.writeFailed('b');
      stage.step('b');
      stage.issue('b', { kind: 'store', logs: [entry(2, 1)] });
    },
  ],
  [
    'a committed entry that is cut',
    'committed-never-cut',
    (stage) => {
      stage.elect(3);
      stage.step('a', { commit: 3 });
      stage.write('b', { kind: 'replace', from: 3, logs: [entry(3, 2)] });
    },
  ],
  [
    'an uncommitted entry that is cut',
    null,
    (stage) => {
      stage.elect(3);
      stage.step('a', { commit: 2 });
      stage.write('b', { kind: 'replace', from: 3, logs: [entry(3, 2)] });
    },
  ],
  [
    'a head that no snapshot covers',
    'committed-never-cut',
    (stage) => {
      stage.elect(4);
      stage.step('a', { commit: 4 });
      stage.snapshot('b', 2, 1);
      stage.write('b', { kind: 'delete', min: 1, max: 3 });
    },
  ],
  [
    'a hole between two writes',
    'log-without-holes',
    (stage) => {
      stage.elect(2);
      stage.store('b', entry(4, 1));
    },
  ],
  [
    'an old log below a snapshot and its successor',
    'log-without-holes',
    (stage) => {
      stage.elect(2);
      stage.snapshot('b', 9, 1);
      stage.store('b', entry(11, 1));
    },
  ],
  [
    'a read that misses an acknowledged write',
    'linear-reads',
    (stage) => {
      stage.court.read(stage.node('a'), 5, state(4));
    },
  ],
  [
    'a confirmed leader that was deposed before',
    'verified-leader',
    (stage) => {
      stage.court.verified(stage.node('a'), 3, 4);
    },
  ],
  [
    'a denied command that is committed',
    'truthful-outcomes',
    (stage) => {
      stage.elect(2);
      stage.court.outcome(stage.node('a'), utf8('x=2'), 'not-applied', 0);
      stage.step('a', { commit: 2 });
    },
  ],
  [
    'an acknowledged command that is not there',
    'truthful-outcomes',
    (stage) => {
      stage.elect(2);
      stage.step('a', { commit: 2 });
      stage.court.outcome(stage.node('a'), utf8('x=9'), 'applied', 2);
      stage.step('a');
    },
  ],
  [
    'a command committed two times',
    'truthful-outcomes',
    (stage) => {
      stage.elect(2);
      for (const id of ['a', 'b']) stage.store(id, entry(3, 1, 'x=2'));
      stage.step('a', { commit: 3 });
    },
  ],
  [
    'a leader that speaks for a term it has left',
    'leader-speaks-for-its-term',
    (stage) => {
      stage.elect(1);
      stage.step('a', { role: RaftState.Follower, term: 2 });
      stage.court.requestSent('sim:a', 'sim:b', new AppendEntriesRequest({ term: 1 }));
    },
  ],
  [
    'a leader that sends what is not in its log',
    'leader-speaks-for-its-term',
    (stage) => {
      stage.elect(2);
      const request = new AppendEntriesRequest({ term: 1, entries: [entry(2, 3)] });
      stage.court.requestSent('sim:a', 'sim:b', request);
    },
  ],
  [
    'a node that stops although its disk works',
    'stops-only-for-cause',
    (stage) => {
      stage.court.retired(stage.node('a'), new Error('entry 3 after 5'));
    },
  ],
  [
    'a node that goes on although its log is damaged',
    'damage-stops-the-node',
    (stage) => {
      stage.elect(2);
      stage.node('a').disk.noteDamageSeen();
      stage.court.stepped(stage.node('a'), 100);
    },
  ],
  [
    'a barrier that is passed too early',
    'barrier-waits',
    (stage) => stage.court.passed(stage.node('a'), 5, state(4)),
  ],
  [
    'a barrier that is passed before it is committed',
    'barrier-waits',
    (stage) => {
      stage.court.passed(stage.node('a'), 0, state(4));
      stage.step('a');
    },
  ],
  [
    'a barrier that is committed',
    null,
    (stage) => {
      stage.elect(2);
      stage.store('a', { ...entry(3, 1), type: LogType.LogBarrier });
      stage.store('b', { ...entry(3, 1), type: LogType.LogBarrier });
      stage.court.passed(stage.node('a'), 0, state(4));
      stage.step('a', { commit: 3 });
    },
  ],
  [
    'a leader that nobody answers any more',
    'leader-keeps-its-lease',
    (stage) => {
      stage.elect(2);
      stage.court.stepped(stage.node('a'), 3_000);
      stage.court.stepped(stage.node('a'), 3_400);
    },
  ],
  [
    'a leader that a quorum answers',
    null,
    (stage) => {
      stage.elect(2);
      stage.court.stepped(stage.node('a'), 3_000);
      const beat = new AppendEntriesRequest({ term: 1, rpcHeader: header('a') });
      stage.court.replySent('sim:b', 'sim:a', beat, appended(1));
      stage.court.stepped(stage.node('a'), 3_400);
    },
  ],
  [
    'a node whose disk hangs',
    'hung-disk-ends-the-node',
    (stage) => {
      stage.hang('b');
      stage.court.stepped(stage.node('b'), 12_000);
    },
  ],
  [
    'a question without an answer',
    'every-future-settles-once',
    (stage) => {
      stage.court.asked({ number: 1, kind: 'apply', node: stage.node('a') });
      stage.court.ended();
    },
  ],
  [
    'a question to a process that was killed',
    null,
    (stage) => {
      stage.court.asked({ number: 1, kind: 'apply', node: stage.node('a') });
      stage.court.started(stage.node('a'));
      stage.court.ended();
    },
  ],
  [
    'an answer that changes',
    'every-future-settles-once',
    (stage) => {
      const question = { number: 1, kind: 'apply', node: stage.node('a') };
      stage.court.asked(question);
      stage.court.answered(question, 'ok');
      stage.court.answered(question, 'ERR_LEADERSHIP_LOST');
    },
  ],
];
