import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import {
  appendBy,
  entries,
  entry,
  kindsOf,
  newNode,
  step,
  theOnly,
} from '../../testing/core-fixture.ts';
import { type Log, LogType } from '../log.ts';
import type { AppendEntriesRequest } from '../messages.ts';
import type { Effects } from './effect.ts';
import type { NodeState } from './node.ts';

const TICKET = 7;
const all = [1, 1, 2, 2, 2];

function receive(node: NodeState, request: AppendEntriesRequest): Effects {
  return step(node, { kind: 'appendEntries', request, ticket: TICKET });
}

function termsOf(node: NodeState): (number | undefined)[] {
  return all.map((_, i) => node.terms.termAt(i + 1));
}

/** A follower in term 3 that knows its leader b: [1 1 2 2 2], committed up to 2. */
function follower(options: Parameters<typeof newNode>[0] = {}): NodeState {
  const node = newNode({ log: all, currentTerm: 3, commitIndex: 2, ...options });
  node.leaderAddress = 'b:1';
  node.leaderID = 'b';
  return node;
}

function request(fields: Parameters<typeof appendBy>[1]): AppendEntriesRequest {
  return appendBy('b', { term: 3, ...fields });
}

describe('entries that contradict what is committed', () => {
  it('stop the node without an answer', () => {
    const node = follower({ commitIndex: 4 });
    const out = receive(node, request({ prevLogEntry: 3, prevLogTerm: 2, entries: entries(4, 3) }));
    expect(out.list).toMatchObject([{ kind: 'fatal', error: { code: 'ERR_COMMITTED_CONFLICT' } }]);
    expect(termsOf(node)).toEqual(all);
  });

  it.each([
    ['with a log that still holds it', [1, 1, 5], 1],
    ['that is all there is', [], 1],
  ])('because they contradict a snapshot %s stop the node too', (_what, log, first) => {
    const node = follower({ log, first, snapshot: { index: 3, term: 5 }, currentTerm: 6 });
    const out = receive(node, appendBy('b', { term: 6, entries: entries(1, 1, 1, 1, 1) }));
    expect(out.list).toMatchObject([{ kind: 'fatal', error: { code: 'ERR_COMMITTED_CONFLICT' } }]);
    expect(node.terms.lastIndex).toBe(log.length);
  });

  it('do not matter where nobody can tell: what the snapshot covers is passed over', () => {
    const node = follower({ log: [], snapshot: { index: 3, term: 5 }, currentTerm: 6 });
    const out = receive(node, appendBy('b', { term: 6, entries: entries(1, 1, 1) }));
    expect(kindsOf(out)).toEqual(['awaitDurable', 'reply']);
    expect(theOnly(out, 'reply').reply).toMatchObject({ success: true });
  });
});

describe('a malformed AppendEntries', () => {
  const legacy: Log = { ...entry(6, 3), type: LogType.LogAddPeerDeprecated, data: utf8('x') };

  it.each<[string, Log[], RegExp]>([
    [
      'with a gap',
      [entry(6, 3), entry(8, 3)],
      /expected entry 7 of a term from 3 to 3, got entry 8/,
    ],
    ['that does not follow its previous entry', [entry(7, 3)], /expected entry 6/],
    ['with falling terms', [entry(6, 3), entry(7, 2)], /of a term from 3 to 3, got .* term 2/],
    [
      'with a term below the previous entry’s',
      [entry(6, 1)],
      /of a term from 2 to 3, got .* term 1/,
    ],
    ['with a term above its own', [entry(6, 4)], /of a term from 2 to 3, got .* term 4/],
    [
      'with a configuration nobody can read',
      [{ ...entry(6, 3), type: LogType.LogConfiguration, data: utf8('x') }],
      /failed to decode configuration/,
    ],
    ['with an empty configuration', [{ ...legacy, data: null }], /failed to decode peers/],
    ['with peers nobody can read', [legacy], /failed to decode peers/],
  ])('%s is answered by an error and changes nothing (S108)', (_what, wrong, message) => {
    const node = follower({ currentTerm: 2 });
    const out = receive(node, request({ prevLogEntry: 5, prevLogTerm: 2, entries: wrong }));
    const error = expect.objectContaining({ message: expect.stringMatching(message) });
    expect(out.list).toEqual([{ kind: 'replyError', ticket: TICKET, error }]);
    expect(node).toMatchObject({ currentTerm: 2, leaderID: 'b' });
    expect(termsOf(node)).toEqual([1, 1, 2, 2, 2]);
  });

  it('of an older term is only refused', () => {
    const wrong = appendBy('b', { term: 2, entries: [entry(9, 9)] });
    expect(kindsOf(receive(follower(), wrong))).toEqual(['reply']);
  });
});
