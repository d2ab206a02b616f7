import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import {
  appendBy,
  configurationEntry,
  elect,
  entries,
  entry,
  kindsOf,
  newNode,
  recordingLogger,
  stand,
  step,
  theOnly,
  voters,
} from '../../testing/core-fixture.ts';
import { AppendEntriesRequest, TimeoutNowRequest } from '../messages.ts';
import { RaftState } from '../state.ts';
import type { Effects } from './effect.ts';
import type { NodeState } from './node.ts';

const TICKET = 7;

function receive(node: NodeState, request: AppendEntriesRequest, ms = 0): Effects {
  return step(node, { kind: 'appendEntries', request, ticket: TICKET }, ms);
}

/** The terms of the node's entries, one for each. */
function termsOf(node: NodeState): (number | undefined)[] {
  const { firstIndex, lastIndex } = node.terms;
  if (lastIndex === 0) return [];
  return Array.from({ length: lastIndex - firstIndex + 1 }, (_, i) =>
    node.terms.termAt(firstIndex + i),
  );
}

/** A follower in term 3 that knows its leader b: [1 1 2 2 2], committed up to 2. */
function follower(options: Parameters<typeof newNode>[0] = {}): NodeState {
  const node = newNode({ log: [1, 1, 2, 2, 2], currentTerm: 3, commitIndex: 2, ...options });
  node.leaderAddress = 'b:1';
  node.leaderID = 'b';
  return node;
}

const accepted = { success: true, noRetryBackoff: false, term: 3, lastLog: 5 };
const refused = { success: false, noRetryBackoff: true, term: 3, lastLog: 5 };

function request(fields: Parameters<typeof appendBy>[1]): AppendEntriesRequest {
  return appendBy('b', { term: 3, ...fields });
}

describe('the term of an AppendEntries', () => {
  it('that is too small is refused at once, and the leader stays who it is (S102)', () => {
    const node = follower();
    const out = receive(node, appendBy('c', { term: 2, entries: entries(1, 1) }), 50);
    const reply = { success: false, noRetryBackoff: false, term: 3, lastLog: 5 };
    expect(out.list).toMatchObject([{ kind: 'reply', ticket: TICKET, reply }]);
    expect(node.leaderID).toBe('b');
    expect(node.lastContactMs).toBeUndefined();
  });

  it('that is newer is saved before anything that rests on it (S101, S102, S110)', () => {
    const node = follower();
    const added = entries(6, 4);
    const ask = { term: 4, prevLogEntry: 5, prevLogTerm: 2, entries: added, leaderCommitIndex: 6 };
    const out = receive(node, appendBy('c', ask));
    expect(out.list).toMatchObject([
      { kind: 'observe', data: { kind: 'LeaderObservation', leaderID: '' } },
      { kind: 'persistHardState', term: 4, vote: null },
      { kind: 'observe', data: { kind: 'LeaderObservation', leaderID: 'c', leaderAddr: 'c:1' } },
      { kind: 'append', entries: added },
      { kind: 'awaitDurable', index: 6 },
      { kind: 'apply', upTo: 6 },
      { kind: 'reply', ticket: TICKET, reply: { ...accepted, term: 4 } },
    ]);
  });

  it('that equals a candidate’s ends its candidacy and saves nothing (S102)', () => {
    const node = newNode({ config: { preVote: false } });
    stand(node);
    expect(node.role).toBe(RaftState.Candidate);
    const out = receive(node, appendBy('b', { term: node.currentTerm }));
    expect(kindsOf(out)).toEqual(['observe', 'observe', 'awaitDurable', 'reply']);
    expect(out.list[0]).toMatchObject({ data: { kind: 'RaftState', state: RaftState.Follower } });
    expect(node.candidacy).toBeNull();
  });

  it('that is newer ends a leadership', () => {
    const node = newNode();
    elect(node);
    const out = receive(node, appendBy('b', { term: 9 }));
    expect(node.role).toBe(RaftState.Follower);
    expect(kindsOf(out)).toContain('failInFlight');
    expect(theOnly(out, 'persistHardState')).toMatchObject({ term: 9 });
  });

  it('that is newer ends the candidacy of a transfer too', () => {
    const node = newNode();
    step(node, { kind: 'timeoutNow', request: new TimeoutNowRequest(), ticket: 1 });
    receive(node, appendBy('b', { term: node.currentTerm + 1 }));
    expect(node.role).toBe(RaftState.Follower);
  });
});

describe('the sender of an AppendEntries', () => {
  it('is known by the old field when the header names nobody (S103)', () => {
    const node = newNode();
    receive(node, new AppendEntriesRequest({ term: 1, leader: utf8('old:1') }));
    expect(node).toMatchObject({ leaderAddress: 'old:1', leaderID: '' });
  });

  it('may leave its name out altogether', () => {
    const node = newNode();
    const out = receive(node, new AppendEntriesRequest({ term: 1 }));
    expect(node.leaderAddress).toBe('');
    expect(theOnly(out, 'reply').reply).toMatchObject({ success: true });
  });

  it('is told to observers only when it is news', () => {
    const node = newNode();
    expect(kindsOf(receive(node, appendBy('b', { term: 1 })))).toContain('observe');
    expect(kindsOf(receive(node, appendBy('b', { term: 1 })))).not.toContain('observe');
  });
});

describe('the entry before the new ones', () => {
  const snapshot = { index: 3, term: 2 };

  it.each([
    ['is not asked for', 0, 0, true],
    ['is in the log', 4, 2, true],
    ['is the last one', 5, 2, true],
    ['has another term in the log', 4, 1, false],
    ['has another term at the end', 5, 3, false],
    ['lies past the end', 6, 2, false],
  ])('%s (S27, S104, S105)', (_what, prevLogEntry, prevLogTerm, success) => {
    const node = follower();
    const out = receive(node, request({ prevLogEntry, prevLogTerm }), 80);
    const reply = success ? accepted : refused;
    const waits = [{ kind: 'awaitDurable', index: prevLogEntry }];
    expect(out.list).toMatchObject([...(success ? waits : []), { kind: 'reply', reply }]);
    expect(node.lastContactMs).toBe(success ? 80 : undefined);
  });

  it.each([
    ['inside the snapshot: it is committed, so it matches', [2, 2], 4, 1, 1, true],
    ['exactly at the snapshot, which is all there is', [], 1, 3, 2, true],
    ['exactly at the snapshot, with a log behind it', [2, 2], 4, 3, 2, true],
    ['exactly at the snapshot, of another term', [], 1, 3, 1, false],
    ['exactly at the snapshot, of another term, with a log behind it', [2, 2], 4, 3, 1, false],
    ['behind the snapshot', [2, 2], 4, 4, 2, true],
    ['past a log that is only a snapshot', [], 1, 4, 2, false],
  ])('is %s (S104)', (_what, log, first, prevLogEntry, prevLogTerm, success) => {
    const node = follower({ log, first, snapshot });
    const out = receive(node, request({ prevLogEntry, prevLogTerm }));
    const reply = theOnly(out, 'reply').reply;
    expect(reply).toMatchObject({ success, lastLog: log.length === 0 ? 3 : 5 });
  });

  it('that differs or is missing is told to the log (S104)', () => {
    const { log, lines } = recordingLogger();
    const node = follower({ logger: log });
    receive(node, request({ prevLogEntry: 5, prevLogTerm: 1 }));
    receive(node, request({ prevLogEntry: 9, prevLogTerm: 1 }));
    expect(lines).toEqual([
      'warn: previous log term mis-match',
      'warn: failed to get previous log',
    ]);
  });
});

describe('the entries of an AppendEntries', () => {
  const all = [1, 1, 2, 2, 2];

  it.each<[string, Parameters<typeof appendBy>[1], number[], object[]]>([
    [
      'that are all new are appended',
      { prevLogEntry: 5, prevLogTerm: 2, entries: entries(6, 3, 3) },
      [...all, 3, 3],
      [
        { kind: 'append', entries: entries(6, 3, 3) },
        { kind: 'awaitDurable', index: 7 },
      ],
    ],
    [
      'that are all here already are only waited for',
      { prevLogEntry: 2, prevLogTerm: 1, entries: entries(3, 2, 2) },
      all,
      [{ kind: 'awaitDurable', index: 4 }],
    ],
    [
      'that are partly here: the rest is appended',
      { prevLogEntry: 3, prevLogTerm: 2, entries: entries(4, 2, 2, 3) },
      [...all, 3],
      [
        { kind: 'append', entries: entries(6, 3) },
        { kind: 'awaitDurable', index: 6 },
      ],
    ],
    [
      'that all contradict ours take their place',
      { prevLogEntry: 2, prevLogTerm: 1, entries: entries(3, 3) },
      [1, 1, 3],
      [
        { kind: 'replaceTail', from: 3, upTo: 5, entries: entries(3, 3) },
        { kind: 'awaitDurable', index: 3 },
      ],
    ],
    [
      'that are partly here and partly contradict: only the contradiction is cut',
      { prevLogEntry: 2, prevLogTerm: 1, entries: entries(3, 2, 3, 3) },
      [1, 1, 2, 3, 3],
      [
        { kind: 'replaceTail', from: 4, upTo: 5, entries: entries(4, 3, 3) },
        { kind: 'awaitDurable', index: 5 },
      ],
    ],
    [
      'that are an empty list change nothing',
      { prevLogEntry: 5, prevLogTerm: 2, entries: [] },
      all,
      [{ kind: 'awaitDurable', index: 5 }],
    ],
  ])('%s (S106)', (_what, fields, terms, effects) => {
    const node = follower();
    const out = receive(node, request(fields));
    expect(out.list).toMatchObject([...effects, { kind: 'reply', reply: accepted }]);
    expect(termsOf(node)).toEqual(terms);
  });

  it('that the snapshot covers are passed over', () => {
    const node = follower({ log: [], snapshot: { index: 3, term: 2 } });
    const out = receive(node, request({ entries: entries(1, 1, 1, 2, 2, 3) }));
    expect(theOnly(out, 'append').entries).toEqual(entries(4, 2, 3));
    expect(node.terms.runs).toEqual([
      { first: 4, last: 4, term: 2 },
      { first: 5, last: 5, term: 3 },
    ]);
  });

  it('that are all covered by the snapshot leave an empty log empty', () => {
    const node = follower({ log: [], snapshot: { index: 3, term: 2 } });
    const out = receive(node, request({ entries: entries(1, 1, 1) }));
    expect(out.list).toMatchObject([
      { kind: 'awaitDurable', index: 0 },
      { kind: 'reply', reply: { success: true, lastLog: 3 } },
    ]);
  });

  it('are cut just above what is committed', () => {
    const node = follower({ commitIndex: 3 });
    const out = receive(node, request({ prevLogEntry: 3, prevLogTerm: 2, entries: entries(4, 3) }));
    expect(kindsOf(out)).toEqual(['replaceTail', 'awaitDurable', 'reply']);
  });

  it('that cut a suffix say so in the log (S106)', () => {
    const { log, lines } = recordingLogger();
    receive(
      follower({ logger: log }),
      request({ prevLogEntry: 2, entries: entries(3, 3), prevLogTerm: 1 }),
    );
    expect(lines).toEqual(['warn: clearing log suffix']);
  });
});

describe('a configuration among the entries', () => {
  const four = voters('a', 'b', 'c', 'd');

  it('is in force at once, and committed with its entry (S108, S109)', () => {
    const node = follower();
    const fields = { prevLogEntry: 5, prevLogTerm: 2, entries: [configurationEntry(6, 3, four)] };
    receive(node, request(fields));
    expect(node.configurations).toMatchObject({ committedIndex: 1, latestIndex: 6, latest: four });
    receive(node, request({ prevLogEntry: 6, prevLogTerm: 3, leaderCommitIndex: 6 }));
    expect(node.configurations).toMatchObject({ committedIndex: 6, committed: four });
  });

  it('is forgotten when it is cut (S106)', () => {
    const node = follower();
    const fields = { prevLogEntry: 5, prevLogTerm: 2, entries: [configurationEntry(6, 3, four)] };
    receive(node, request(fields));
    const cut = { term: 4, prevLogEntry: 5, prevLogTerm: 2, entries: entries(6, 4) };
    receive(node, appendBy('c', cut));
    expect(node.configurations).toMatchObject({ latestIndex: 1, latest: voters('a', 'b', 'c') });
  });

  it('stays when only what is behind it is cut', () => {
    const node = follower();
    const added = [configurationEntry(6, 3, four), entry(7, 3)];
    receive(node, request({ prevLogEntry: 5, prevLogTerm: 2, entries: added }));
    receive(
      node,
      appendBy('c', { term: 4, prevLogEntry: 6, prevLogTerm: 3, entries: entries(7, 4) }),
    );
    expect(node.configurations).toMatchObject({ latestIndex: 6, latest: four });
  });
});

describe('the commit index of an AppendEntries', () => {
  it.each([
    ['is followed', { prevLogEntry: 5, prevLogTerm: 2, leaderCommitIndex: 4 }, 4],
    [
      'goes no further than what was sent',
      { prevLogEntry: 3, prevLogTerm: 2, leaderCommitIndex: 9 },
      3,
    ],
    [
      'goes no further than the last new entry, though more is here',
      { prevLogEntry: 2, prevLogTerm: 1, entries: entries(3, 2), leaderCommitIndex: 9 },
      3,
    ],
    ['never goes back', { prevLogEntry: 5, prevLogTerm: 2, leaderCommitIndex: 1 }, 2],
    ['means nothing in a heartbeat', {}, 2],
  ])('%s (S109)', (_what, fields, commitIndex) => {
    const node = follower();
    const out = receive(node, request(fields));
    expect(node).toMatchObject({ commitIndex, lastApplied: commitIndex });
    const applied = out.list.filter(({ kind }) => kind === 'apply');
    expect(applied).toEqual(commitIndex > 2 ? [{ kind: 'apply', upTo: commitIndex }] : []);
  });

  it('moves only behind the disk (S110)', () => {
    const fields = {
      prevLogEntry: 5,
      prevLogTerm: 2,
      entries: entries(6, 3),
      leaderCommitIndex: 6,
    };
    const out = receive(follower(), request(fields));
    expect(kindsOf(out)).toEqual(['append', 'awaitDurable', 'apply', 'reply']);
  });
});
