import { describe, expect, it } from 'vitest';
import { stranger } from '../../testing/behaviour-fixture.ts';
import {
  appendBy,
  elect,
  entries,
  headerOf,
  newNode,
  stand,
  step,
} from '../../testing/core-fixture.ts';
import { AbleHookedStore, logOf, TestCluster } from '../../testing/runtime-fixture.ts';
import type { Effects } from '../core/effect.ts';
import { type NodeState, termOf } from '../core/node.ts';
import { AppendEntriesRequest, AppendEntriesResponse, TimeoutNowRequest } from '../messages.ts';
import { RaftState } from '../state.ts';

// The cases that the source of hashicorp/raft lists as not yet tested.
//
//     index   1  2  3 | 4  5  6  7
//     term    1  2  2 | 2  3  3  3
//
// The snapshot ends at 3, the commit index is 5, the term is 5.

const TERM = 5;
const SNAPSHOT = { index: 3, term: 2 };
const LOG = [2, 3, 3, 3];
const COMMIT = 5;

const roles = {
  follower: () => node(TERM),
  'candidate that asks for pre-votes': () => {
    const candidate = node(TERM);
    stand(candidate);
    return candidate;
  },
  'candidate that was told to stand': () => {
    const candidate = node(TERM - 1);
    step(candidate, { kind: 'timeoutNow', request: new TimeoutNowRequest(), ticket: 1 });
    return candidate;
  },
  leader: () => {
    const leader = node(TERM - 1);
    elect(leader);
    return leader;
  },
} as const;

function node(currentTerm: number): NodeState {
  return newNode({ log: LOG, first: 4, snapshot: SNAPSHOT, commitIndex: COMMIT, currentTerm });
}

/** A request as the sender of the table makes it. */
interface Sent {
  readonly term: number;
  readonly prev: number;
  readonly prevTerm: number;
  readonly terms: readonly number[];
  readonly commit: number;
}

function receive(to: NodeState, { term, prev, prevTerm, terms, commit }: Sent): Effects {
  const request = appendBy('b', {
    term,
    prevLogEntry: prev,
    prevLogTerm: prevTerm,
    entries: entries(prev + 1, ...terms),
    leaderCommitIndex: commit,
  });
  return step(to, { kind: 'appendEntries', request, ticket: 7 }, 80);
}

/** What the sender asked for, by what its whole log looks like. */
function request(log: readonly number[], prev: number, count: number, rest = {}): Sent {
  const prevTerm = prev === 0 ? 0 : (log[prev - 1] ?? 0);
  return { term: TERM, prev, prevTerm, terms: log.slice(prev, prev + count), commit: 0, ...rest };
}

/** The terms of a node's log by index, the snapshot's last entry included. */
function logOfNode(of: NodeState): Map<number, number> {
  const found = new Map<number, number>();
  for (let index = of.snapshotIndex; index <= of.terms.lastIndex; index += 1) {
    const term = termOf(of, index);
    if (term !== undefined) found.set(index, term);
  }
  return found;
}

/** What a follower must make of a request: figure 2, one entry at a time, on a plain map. */
interface Expected {
  answer: 'refused' | 'no such entry' | 'accepted' | 'fatal';
  currentTerm: number;
  log: Map<number, number>;
  commitIndex: number;
  /** Where entries were cut; 0 when none were. */
  cutFrom: number;
  /** The first entry that was written; 0 when none was. */
  written: number;
}

function expectedOf(of: NodeState, sent: Sent): Expected {
  const log = logOfNode(of);
  const { currentTerm, commitIndex } = of;
  const last = of.terms.lastIndex;
  const same = { log, commitIndex, cutFrom: 0, written: 0 };
  if (sent.term < currentTerm) return { answer: 'refused', currentTerm, ...same };
  const known = { currentTerm: sent.term, ...same };
  const { prev } = sent;
  if (prev > last) return { answer: 'no such entry', ...known };
  if (prev >= of.snapshotIndex && log.get(prev) !== sent.prevTerm) {
    return { answer: 'no such entry', ...known };
  }
  const after = new Map(log);
  const result: Expected = { answer: 'accepted', ...known, log: after };
  for (const [i, term] of sent.terms.entries()) {
    const index = prev + 1 + i;
    if (index < of.snapshotIndex || after.get(index) === term) continue;
    if (index <= commitIndex) return { answer: 'fatal', ...known };
    if (after.has(index)) {
      result.cutFrom = index;
      for (let cut = index; cut <= last; cut += 1) after.delete(cut);
    }
    after.set(index, term);
    if (result.written === 0) result.written = index;
  }
  const lastNew = prev + sent.terms.length;
  result.commitIndex = Math.max(commitIndex, Math.min(sent.commit, lastNew));
  return result;
}

/** Holds one step to what was expected of it; says what the case was. */
function check(of: NodeState, sent: Sent): Expected['answer'] {
  const expected = expectedOf(of, sent);
  const { role, lastContactMs, leaderID } = of;
  const { lastIndex } = of.terms;
  const { commitIndex } = of;
  const out = receive(of, sent);
  const { answer, written, cutFrom } = expected;
  const isRefused = answer === 'refused';
  const isAccepted = answer === 'accepted';
  const fresh = written === 0 ? [] : sent.terms.slice(written - sent.prev - 1);
  const write = cutFrom > 0 ? ['replaceTail', cutFrom, lastIndex] : ['append'];
  const contact = role === RaftState.Leader && !isRefused ? 80 : lastContactMs;
  const reply = {
    term: expected.currentTerm,
    lastLog: lastIndex,
    success: isAccepted,
    noRetryBackoff: answer === 'no such entry',
  };
  const wanted = {
    sent,
    currentTerm: expected.currentTerm,
    log: [...expected.log],
    commitIndex: expected.commitIndex,
    lastApplied: expected.commitIndex,
    role: isRefused ? role : RaftState.Follower,
    leaderID: isRefused ? leaderID : 'b',
    lastContactMs: isAccepted ? 80 : contact,
    effects: [
      ...(isAccepted && fresh.length > 0
        ? [[...write, ...fresh.map((term, i) => [written + i, term])]]
        : []),
      ...(isAccepted
        ? [['awaitDurable', Math.min(sent.prev + sent.terms.length, maxOf(expected.log))]]
        : []),
      ...(expected.commitIndex > commitIndex ? [['apply', expected.commitIndex]] : []),
      answer === 'fatal' ? ['fatal'] : ['reply', reply],
    ],
  };
  const found = {
    sent,
    currentTerm: of.currentTerm,
    log: [...logOfNode(of)],
    commitIndex: of.commitIndex,
    lastApplied: of.lastApplied,
    role: of.role,
    leaderID: of.leaderID,
    lastContactMs: of.lastContactMs,
    effects: effectsOf(out),
  };
  expect(JSON.stringify(found)).toBe(JSON.stringify(wanted));
  return answer;
}

function maxOf(log: Map<number, number>): number {
  return Math.max(...[...log.keys()].filter((index) => index > SNAPSHOT.index));
}

/** What a step asks of the disk, of the FSM and of the sender, in order. */
function effectsOf({ list }: Effects): unknown[] {
  return list.flatMap((effect): unknown[] => {
    const written = 'entries' in effect ? effect.entries.map((e) => [e.index, e.term]) : [];
    switch (effect.kind) {
      case 'append':
        return [['append', ...written]];
      case 'replaceTail':
        return [['replaceTail', effect.from, effect.upTo, ...written]];
      case 'awaitDurable':
        return [['awaitDurable', effect.index]];
      case 'apply':
        return [['apply', effect.upTo]];
      case 'fatal':
        return [['fatal']];
      case 'reply': {
        if (!(effect.reply instanceof AppendEntriesResponse)) return [effect.reply];
        const { term, lastLog, success, noRetryBackoff } = effect.reply;
        return [['reply', { term, lastLog, success, noRetryBackoff }]];
      }
      default:
        return [];
    }
  });
}

describe('the term check of AppendEntries', () => {
  it('a term that is too small changes nothing (S101, S102)', () => {
    const sent = request([1, 2, 2, 2, 3, 3, 3, 4], 7, 1, { term: 4, commit: 8 });
    for (const role of Object.values(roles)) expect(check(role(), sent)).toBe('refused');
  });

  it('a term that is too large is saved and ends the role; the request is processed (S102)', () => {
    const sent = request([1, 2, 2, 2, 3, 3, 3, 6], 7, 1, { term: 6, commit: 8 });
    for (const role of Object.values(roles)) {
      const of = role();
      const { list } = receive(role(), sent);
      expect(list.find(({ kind }) => kind === 'persistHardState')).toMatchObject({ term: 6 });
      expect(check(of, sent)).toBe('accepted');
    }
  });

  it('the right term makes a candidate a follower, and the request is processed (S102)', () => {
    const sent = request([1, 2, 2, 2, 3, 3, 3, 5], 7, 1);
    const candidate = roles['candidate that asks for pre-votes']();
    expect(check(candidate, sent)).toBe('accepted');
    expect(candidate.candidacy).toBeNull();
  });
});

describe('the previous entry of AppendEntries', () => {
  it.each([
    ['before the snapshot’s end is taken to match', 2, 2, 'accepted'],
    ['before the snapshot’s end is taken to match, whatever its term', 2, 1, 'accepted'],
    ['exactly at the snapshot is held against its term', 3, 2, 'accepted'],
    ['exactly at the snapshot, of another term, is refused', 3, 1, 'no such entry'],
    ['in the log is held against its entry', 5, 3, 'accepted'],
    ['in the log, of another term, is refused', 5, 2, 'no such entry'],
    ['at the end of the log is held against the last entry', 7, 3, 'accepted'],
    ['at the end of the log, of another term, is refused', 7, 4, 'no such entry'],
    ['past the end of the log is refused', 8, 3, 'no such entry'],
  ])('%s (S104)', (_, prev, prevTerm, answer) => {
    const sent = { term: TERM, prev, prevTerm, terms: [], commit: 7 };
    expect(check(roles.follower(), sent)).toBe(answer);
  });
});

describe('the new entries of AppendEntries', () => {
  it.each<[string, number, number[], number[]]>([
    ['all new: all are added', 7, [5, 5], [2, 3, 3, 3, 5, 5]],
    ['all duplicates: none is removed', 3, [2, 3], LOG],
    ['some duplicate, some new: the new ones are added', 5, [3, 3, 5], [2, 3, 3, 3, 5]],
    ['all conflicting: they take the place of ours', 5, [4, 4], [2, 3, 4, 4]],
    ['all conflicting, fewer than ours: ours are gone', 5, [4], [2, 3, 4]],
    ['some duplicate, some conflicting: the first are kept', 4, [3, 3, 5, 5], [2, 3, 3, 5, 5]],
    ['partly compacted: the rest is held against the log', 1, [2, 2, 2, 3, 3, 3, 5], [...LOG, 5]],
    ['all compacted: nothing changes', 0, [1, 2], LOG],
  ])('%s (S106)', (_, prev, terms, log) => {
    const of = roles.follower();
    const prevTerm = prev === 0 ? 0 : ([1, 2, 2, ...LOG][prev - 1] ?? 0);
    expect(check(of, { term: TERM, prev, prevTerm, terms, commit: 0 })).toBe('accepted');
    expect([...logOfNode(of).values()].slice(1)).toEqual(log);
  });

  it.each([
    ['the last committed entry', 4, [4]],
    ['an entry below the commit index', 3, [3]],
    ['the snapshot’s last entry', 2, [3]],
  ])('that contradict %s stop the node, and nothing is cut (S106)', (_, prev, terms) => {
    const prevTerm = [1, 2, 2, ...LOG][prev - 1] ?? 0;
    const sent = { term: TERM, prev, prevTerm, terms, commit: 9 };
    expect(check(roles.follower(), sent)).toBe('fatal');
  });
});

describe('the commit index of AppendEntries', () => {
  it.each([
    ['below ours changes nothing', 7, 0, 4, 5],
    ['within what was sent is followed', 7, 0, 6, 6],
    ['at the end of what was sent is followed', 7, 2, 9, 9],
    ['past the end of what was sent is followed up to that', 7, 1, 20, 8],
    ['past the end of what was sent is not followed into our own rest', 5, 1, 20, 6],
    ['of a request that vouches for nothing is not followed', 0, 0, 20, 5],
  ])('%s (S109)', (_, prev, count, commit, result) => {
    const of = roles.follower();
    const sent = request([1, 2, 2, ...LOG, 5, 5], prev, count, { commit });
    expect(check(of, sent)).toBe('accepted');
    expect(of.commitIndex).toBe(result);
  });
});

describe('every request that a leader can send', () => {
  const senders: Record<string, readonly number[]> = {
    'the same log': [1, 2, 2, ...LOG],
    'a longer log': [1, 2, 2, ...LOG, 5, 5],
    'a shorter log': [1, 2, 2, 2, 3],
    'a log that differs behind the commit index': [1, 2, 2, 2, 3, 4, 4, 4],
    'a log that differs in its last entry': [1, 2, 2, 2, 3, 3, 4],
    'a log that differs at the commit index': [1, 2, 2, 2, 4, 4],
    'a log that differs at the snapshot': [1, 1, 1, ...LOG],
  };
  const rows = Object.keys(roles).flatMap((role) =>
    Object.keys(senders).map((sender) => [role, sender] as const),
  );

  it.each(rows)('to a %s, of one with %s, is taken as figure 2 says', (role, sender) => {
    const make = Object.entries(roles).find(([name]) => name === role)?.[1];
    const log = senders[sender] ?? [];
    if (make === undefined) throw new Error(`expected a role, got ${role}`);
    const seen = new Set<string>();
    for (let prev = 0; prev <= log.length + 2; prev += 1) {
      for (let count = 0; prev + count <= Math.max(prev, log.length); count += 1) {
        for (const commit of [0, 4, 5, 6, 7, 9, 20]) {
          for (const term of [TERM - 1, TERM, TERM + 1]) {
            seen.add(check(make(), request(log, prev, count, { term, commit })));
          }
        }
      }
    }
    expect([...seen]).toEqual(expect.arrayContaining(['refused', 'accepted', 'no such entry']));
    const fatal = sender.endsWith('at the commit index') || sender.endsWith('at the snapshot');
    expect(seen.has('fatal')).toBe(fatal);
  });
});

describe('a storage error during AppendEntries', () => {
  it.each([
    ['while the term is saved', 'CurrentTerm', { term: 6 }],
    [
      'while entries are appended',
      'store',
      { term: 5, prevLogEntry: 2, prevLogTerm: 5, entries: [logOf(3, 5)] },
    ],
    [
      'while a conflict is cut',
      'replace',
      { term: 6, prevLogEntry: 1, prevLogTerm: 5, entries: [logOf(2, 6)] },
    ],
  ])('%s stops the node, and nobody is told that it worked (#163)', async (_, what, fields) => {
    const store = new AbleHookedStore();
    const nodes = new TestCluster();
    const { time } = nodes;
    const raft = await nodes.add({ store }).start();
    const trans = stranger(nodes);
    const send = (values: object) =>
      trans.appendEntries(
        'a',
        'a:1',
        new AppendEntriesRequest({ rpcHeader: headerOf('b'), ...values }),
      );
    await time.result(send({ term: 5, entries: [logOf(1, 5), logOf(2, 5)] }));
    store.onWrite = (write) => {
      if (write.startsWith(what)) throw new Error('bad sector');
    };
    const answer = send(fields).then(
      ({ success }) => success,
      () => 'no answer',
    );
    expect(await time.result(answer)).toBe('no answer');
    expect([raft.state(), raft.fatal?.message]).toEqual([
      RaftState.Shutdown,
      expect.stringContaining('bad sector'),
    ]);
    expect([store.lastIndex(), store.inner.getLog(2).term]).toEqual([2, 5]);
    store.onWrite = () => {};
    await nodes.close();
  });
});
