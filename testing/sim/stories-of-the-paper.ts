import { utf8 } from '../../internal/bytes.ts';
import { Configuration } from '../../raft/configuration.ts';
import {
  AppendEntriesRequest,
  RequestPreVoteRequest,
  RequestPreVoteResponse,
} from '../../raft/messages.ts';
import { RaftState } from '../../raft/state.ts';
import { appended, entry, granted, header, members, type Story, state, voteOf } from './stage.ts';

const preVoteOf = (term: number, id: string) =>
  new RequestPreVoteRequest({ term, rpcHeader: header(id) });

/** Stories that break, or keep, the properties of figure 3. */
export const storiesOfThePaper: readonly Story[] = [
  [
    'a healthy election and commit',
    null,
    (stage) => {
      stage.elect(3);
      stage.step('a', { commit: 3 });
      stage.court.applied(stage.node('a'), entry(2, 1), state(2));
      stage.step('a', { applied: 3 });
      stage.court.outcome(stage.node('a'), utf8('x=2'), 'applied', 2);
      stage.step('a');
      stage.court.ended();
    },
  ],
  [
    'two leaders in a term',
    'election-safety',
    (stage) => {
      stage.elect(1);
      stage.step('b', { role: RaftState.Leader, term: 1 });
    },
  ],
  [
    'two votes in a term',
    'one-vote-a-term',
    (stage) => {
      stage.keys('c', { CurrentTerm: 2, LastVoteTerm: 2, LastVoteCand: utf8('sim:a') });
      stage.court.replySent('sim:c', 'sim:a', voteOf(2, 'a'), granted(2));
      stage.keys('c', { LastVoteCand: utf8('sim:b') });
      stage.court.replySent('sim:c', 'sim:b', voteOf(2, 'b'), granted(2));
    },
  ],
  [
    'a leader that cuts its log',
    'leader-append-only',
    (stage) => {
      stage.elect(4);
      stage.issue('a', { kind: 'replace', from: 3, logs: [entry(3, 1)] });
    },
  ],
  [
    'a leader that forgets a head',
    null,
    (stage) => {
      stage.elect(4);
      stage.step('a', { commit: 4 });
      stage.snapshot('a', 3, 1);
      stage.write('a', { kind: 'delete', min: 1, max: 3 });
    },
  ],
  [
    'one index and term, two contents',
    'log-matching',
    (stage) => {
      stage.elect(2);
      stage.store('a', entry(3, 1, 'p=1'));
      stage.store('b', entry(3, 1, 'p=2'));
    },
  ],
  [
    'one index and term, two pasts',
    'log-matching',
    (stage) => {
      stage.elect(2);
      stage.store('a', entry(3, 1), entry(4, 3));
      stage.store('b', entry(3, 2), entry(4, 3));
    },
  ],
  [
    'a leader without a committed entry',
    'leader-completeness',
    (stage) => {
      stage.elect(2);
      for (const id of ['a', 'b']) stage.store(id, entry(3, 1));
      stage.step('a', { commit: 3 });
      stage.keys('c', { CurrentTerm: 2, LastVoteTerm: 2 });
      stage.step('c', { role: RaftState.Leader, term: 2, last: 2 });
    },
  ],
  [
    'a leader that learns of its votes when a later one has committed',
    null,
    (stage) => {
      stage.elect(2);
      for (const id of ['b', 'c']) {
        stage.keys(id, { CurrentTerm: 3, LastVoteTerm: 3 });
        stage.store(id, entry(3, 3));
      }
      stage.step('b', { role: RaftState.Leader, term: 3, commit: 3 });
      stage.keys('a', { CurrentTerm: 2, LastVoteTerm: 2 });
      stage.step('a', { role: RaftState.Leader, term: 2 });
    },
  ],
  [
    'two commands at an index',
    'state-machine-safety',
    (stage) => {
      stage.court.applied(stage.node('a'), entry(2, 1, 'p=1'), state(2, 1));
      stage.court.applied(stage.node('b'), entry(2, 1, 'p=2'), state(2, 1));
    },
  ],
  [
    'a snapshot that saw a later write',
    'snapshot-equals-replay',
    (stage) => {
      stage.court.applied(stage.node('a'), entry(2, 1), state(2, 1, 7));
      stage.court.restored(stage.node('b'), state(2, 1, 8));
    },
  ],
  [
    'a term that goes back',
    'monotonic',
    (stage) => {
      stage.step('a', { term: 4 });
      stage.step('a', { term: 3 });
    },
  ],
  [
    'a commit index that goes back',
    'monotonic',
    (stage) => {
      stage.elect(3);
      stage.step('a', { commit: 3 });
      stage.step('a', { commit: 2 });
    },
  ],
  [
    'a log that ends below what was applied',
    'monotonic',
    (stage) => {
      stage.elect(3);
      stage.step('a', { commit: 3, applied: 3, last: 2 });
    },
  ],
  [
    'a term on disk that goes back',
    'monotonic',
    (stage) => {
      stage.keys('a', { CurrentTerm: 4 });
      stage.keys('a', { CurrentTerm: 3 });
    },
  ],
  [
    'a command applied twice',
    'state-ordering',
    (stage) => {
      stage.elect(3);
      stage.step('a', { commit: 3 });
      for (const index of [2, 3, 3]) {
        stage.court.applied(stage.node('a'), entry(index, 1), state(index));
      }
    },
  ],
  [
    'a command left out',
    'state-ordering',
    (stage) => {
      stage.elect(3);
      stage.step('a', { commit: 3 });
      stage.court.applied(stage.node('a'), entry(3, 1), state(3));
      stage.step('a');
    },
  ],
  [
    'a command applied before it is committed',
    'state-ordering',
    (stage) => {
      stage.elect(3);
      stage.court.applied(stage.node('a'), entry(2, 1), state(2));
      stage.step('a');
    },
  ],
  [
    'a snapshot of a state that nobody came to',
    'snapshot-equals-replay',
    (stage) => {
      stage.court.restored(stage.node('b'), state(2));
    },
  ],
  [
    'a state that a user offered',
    null,
    (stage) => {
      stage.court.offered(state(9));
      stage.court.restored(stage.node('b'), state(9));
    },
  ],
  [
    'a second vote after a restart',
    'one-vote-a-term',
    (stage) => {
      stage.keys('c', { CurrentTerm: 2, LastVoteTerm: 2, LastVoteCand: utf8('sim:a') });
      stage.court.started(stage.node('c'));
      stage.keys('c', { LastVoteTerm: 2, LastVoteCand: utf8('sim:b') });
    },
  ],
  [
    'two changes of the membership at a time',
    'one-uncommitted-configuration',
    (stage) => {
      stage.elect(1);
      stage.step('a', { commit: 1 });
      const change = (index: number) => ({ ...entry(1, 1), index });
      stage.store('a', change(2));
      stage.step('a');
      stage.store('a', change(3));
      stage.step('a');
    },
  ],
  [
    'a candidate that goes by a configuration that was cut',
    'newest-configuration-in-force',
    (stage) => {
      stage.elect(1);
      stage.keys('b', { CurrentTerm: 2 });
      stage.step('b', { servers: new Configuration(members.servers.slice(0, 2)) });
      stage.court.requestSent('sim:b', 'sim:a', voteOf(2, 'b'));
    },
  ],
  [
    'a candidate that goes by its newest configuration',
    null,
    (stage) => {
      stage.elect(1);
      stage.keys('b', { CurrentTerm: 2 });
      stage.court.requestSent('sim:b', 'sim:a', voteOf(2, 'b'));
    },
  ],
  [
    'a pre-vote that is taken for a word of the leader',
    'pre-vote-is-no-contact',
    (stage) => {
      stage.step('b');
      Object.assign(stage.shown.get('b') ?? {}, { heardAtMs: 500 });
      stage.court.replySent('sim:b', 'sim:a', preVoteOf(2, 'a'), new RequestPreVoteResponse({}));
    },
  ],
  [
    'a pre-vote after the last word of the leader, and one after the own leadership',
    null,
    (stage) => {
      stage.elect(1);
      stage.step('b');
      Object.assign(stage.shown.get('b') ?? {}, { heardAtMs: 500 });
      const beat = new AppendEntriesRequest({ term: 1, rpcHeader: header('a') });
      stage.court.replySent('sim:b', 'sim:a', beat, appended(1));
      stage.step('a', { role: RaftState.Follower, heardAtMs: 600 });
      const answer = new RequestPreVoteResponse({});
      for (const id of ['a', 'b']) {
        stage.court.replySent(`sim:${id}`, 'sim:c', preVoteOf(2, 'c'), answer);
      }
    },
  ],
];
