import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import {
  appendBy,
  configurationEntry,
  elect,
  entries,
  entry,
  headerOf,
  kindsOf,
  newNode,
  recordingLogger,
  stand,
  step,
  theOnly,
  voters,
} from '../../testing/core-fixture.ts';
import { encodeConfiguration, encodePeers } from '../configuration-codec.ts';
import { InstallSnapshotRequest, InstallSnapshotResponse } from '../messages.ts';
import { RaftState } from '../state.ts';
import type { Effects } from './effect.ts';
import type { NodeState } from './node.ts';

const TICKET = 7;
const two = voters('a', 'b');

/** A follower in term 3 whose log is [1 1 2 2 2], of which two are applied. */
function follower(options: Parameters<typeof newNode>[0] = {}): NodeState {
  const node = newNode({ log: [1, 1, 2, 2, 2], currentTerm: 3, commitIndex: 2, ...options });
  node.leaderAddress = 'b:1';
  node.leaderID = 'b';
  return node;
}

function install(node: NodeState, fields: object = {}, ms = 0): Effects {
  const request = new InstallSnapshotRequest({
    rpcHeader: headerOf('b'),
    snapshotVersion: 1,
    term: 3,
    lastLogIndex: 9,
    lastLogTerm: 3,
    configuration: encodeConfiguration(two),
    configurationIndex: 4,
    size: 100,
    ...fields,
  });
  return step(node, { kind: 'installSnapshot', request, ticket: TICKET }, ms);
}

/** Lets the whole snapshot arrive and be restored. */
function complete(node: NodeState, ms = 0): Effects {
  const received = step(node, { kind: 'snapshotReceived', outcome: { reply: { id: 'snap' } } });
  expect(kindsOf(received)).toEqual(['restoreSnapshot']);
  return step(node, { kind: 'snapshotRestored' }, ms);
}

const yes = { success: true, term: 3 };

describe('a snapshot from the leader', () => {
  it('is stored, given to the FSM, put in place of the log, in order (S27, S120, S149)', () => {
    const { log, lines } = recordingLogger();
    const node = follower({ logger: log });
    expect(install(node).list).toEqual([
      {
        kind: 'receiveSnapshot',
        ticket: TICKET,
        version: 1,
        index: 9,
        term: 3,
        configuration: two,
        configurationIndex: 4,
        size: 100,
      },
    ]);
    expect(node.lastApplied).toBe(2);
    const received = step(node, { kind: 'snapshotReceived', outcome: { reply: { id: 'snap' } } });
    expect(received.list).toEqual([{ kind: 'restoreSnapshot', id: 'snap', index: 9, term: 3 }]);
    const out = step(node, { kind: 'snapshotRestored' }, 80);
    expect(out.list).toMatchObject([
      { kind: 'dropLog' },
      { kind: 'reply', ticket: TICKET, reply: yes },
    ]);
    expect(theOnly(out, 'reply').reply).toBeInstanceOf(InstallSnapshotResponse);
    expect(node.terms.runs).toEqual([]);
    expect(node).toMatchObject({ snapshotIndex: 9, snapshotTerm: 3, lastContactMs: 80 });
    expect(node).toMatchObject({ commitIndex: 9, lastApplied: 9, installation: null });
    const latest = { latest: two, latestIndex: 4, committed: two, committedIndex: 4 };
    expect(node.configurations).toMatchObject(latest);
    expect(lines).toEqual([
      'info: removing all old logs from log store',
      'info: Installed remote snapshot',
    ]);
  });

  it('leaves the entries behind it when its last entry is in the log', () => {
    const node = follower();
    install(node, { lastLogIndex: 4, lastLogTerm: 2 });
    const out = complete(node);
    expect(kindsOf(out)).toEqual(['compactLog', 'reply']);
    expect(theOnly(out, 'compactLog').upTo).toBe(3);
    expect(node.terms.runs).toEqual([{ first: 4, last: 5, term: 2 }]);
    expect(node).toMatchObject({ snapshotIndex: 4, commitIndex: 4, lastApplied: 4 });
  });

  it('forgets no entry when all of them may be wanted', () => {
    const node = follower({ config: { trailingLogs: 10 } });
    install(node, { lastLogIndex: 4, lastLogTerm: 2 });
    expect(kindsOf(complete(node))).toEqual(['reply']);
    expect(node.terms.firstIndex).toBe(1);
  });

  it('throws the log away when its last entry contradicts it (S122, #697)', () => {
    const node = follower();
    install(node, { lastLogIndex: 4, lastLogTerm: 3 });
    expect(kindsOf(complete(node))).toEqual(['dropLog', 'reply']);
    const next = { term: 3, prevLogEntry: 4, prevLogTerm: 3, entries: entries(5, 3) };
    const out = step(node, { kind: 'appendEntries', request: appendBy('b', next), ticket: 8 });
    expect(theOnly(out, 'reply').reply).toMatchObject({ success: true });
  });

  it('that holds nothing new is read to its end and answered, and changes nothing', () => {
    const node = follower({ commitIndex: 4 });
    const out = install(node, { lastLogIndex: 4, lastLogTerm: 2 }, 60);
    expect(out.list).toMatchObject([
      { kind: 'drainSnapshot', ticket: TICKET },
      { kind: 'reply', ticket: TICKET, reply: yes },
    ]);
    expect(node).toMatchObject({ snapshotIndex: 0, lastContactMs: 60, installation: null });
  });

  it('takes the place of an uncommitted restore that it contradicts, though it ends before', () => {
    const node = newNode({ log: [], snapshot: { index: 50, term: 2 }, currentTerm: 3 });
    expect(kindsOf(install(node, { lastLogIndex: 9 }))).toContain('receiveSnapshot');
    complete(node);
    expect(node).toMatchObject({ snapshotIndex: 9, snapshotTerm: 3, lastApplied: 9 });
    expect(node.commitIndex).toBe(9);
    const same = newNode({ log: [], snapshot: { index: 50, term: 3 }, currentTerm: 3 });
    expect(kindsOf(install(same, { lastLogIndex: 9 }))).toContain('drainSnapshot');
  });

  it('that cannot be received leaves everything as it was', () => {
    const node = follower();
    install(node);
    const error = new Error('short read');
    const out = step(node, { kind: 'snapshotReceived', outcome: { error } });
    expect(out.list).toEqual([{ kind: 'replyError', ticket: TICKET, error }]);
    expect(node).toMatchObject({ snapshotIndex: 0, lastApplied: 2, installation: null });
    expect(node.terms.lastIndex).toBe(5);
    expect(step(node, { kind: 'snapshotRestored' }).list).toEqual([]);
    expect(step(node, { kind: 'snapshotReceived', outcome: { error } }).list).toEqual([]);
  });
});

describe('the term of a snapshot', () => {
  it('that is too small is refused (S120)', () => {
    const { log, lines } = recordingLogger();
    const node = follower({ logger: log });
    const out = install(node, { term: 2, lastLogTerm: 2 });
    expect(out.list).toMatchObject([{ kind: 'reply', reply: { success: false, term: 3 } }]);
    expect(lines[0]).toMatch(/ignoring installSnapshot request with older term than current term/);
  });

  it('that is newer is saved first, and its sender leads (S120)', () => {
    const node = follower();
    const out = install(node, { term: 5, rpcHeader: headerOf('c') });
    expect(out.list).toMatchObject([
      { kind: 'observe', data: { leaderID: '' } },
      { kind: 'persistHardState', term: 5, vote: null },
      { kind: 'observe', data: { leaderID: 'c' } },
      { kind: 'receiveSnapshot', ticket: TICKET },
    ]);
  });

  it('that equals a candidate’s ends its candidacy', () => {
    const node = newNode({ config: { preVote: false } });
    stand(node);
    install(node, { term: 2, lastLogTerm: 2 });
    expect(node).toMatchObject({ role: RaftState.Follower, leaderID: 'b' });
  });

  it('that is newer ends a leadership', () => {
    const node = newNode();
    elect(node);
    expect(kindsOf(install(node, { term: 5 }))).toContain('failInFlight');
  });
});

describe('a snapshot request', () => {
  it('of version 0 brings legacy peers (S120, S151)', () => {
    const node = follower();
    const peers = encodePeers(two, node.self);
    const rpcHeader = { protocolVersion: 0, id: null, addr: null };
    const out = install(node, { snapshotVersion: 0, peers, rpcHeader, leader: utf8('b:1') });
    expect(theOnly(out, 'receiveSnapshot')).toMatchObject({ version: 1, configurationIndex: 9 });
    expect(theOnly(out, 'receiveSnapshot').configuration.servers[0]?.id).toBe('a:1');
    expect(node.leaderAddress).toBe('b:1');
  });

  it.each([
    ['of an unknown version', { snapshotVersion: 2 }, 'unsupported snapshot version 2'],
    ['of a negative version', { snapshotVersion: -1 }, 'unsupported snapshot version -1'],
    [
      'with peers nobody can read',
      { snapshotVersion: 0, peers: utf8('x') },
      'failed to decode peers',
    ],
    ['with no peers at all', { snapshotVersion: 0, peers: null }, 'failed to decode peers'],
    ['with a configuration nobody can read', { configuration: utf8('x') }, 'failed to decode conf'],
    ['with no configuration', { configuration: null }, 'failed to decode conf'],
    [
      'of a term that is to come',
      { lastLogTerm: 4 },
      'expected a snapshot that a leader of term 3',
    ],
    ['with a configuration behind its end', { configurationIndex: 10 }, 'expected a snapshot that'],
    ['of no entry at all', { lastLogIndex: 0, configurationIndex: 0 }, 'expected a snapshot that'],
    ['of a negative size', { size: -1 }, 'expected a snapshot that'],
  ])('%s is answered by an error (S120, test 76)', (_what, fields, message) => {
    const node = follower();
    const out = install(node, fields);
    const error = expect.objectContaining({ message: expect.stringContaining(message) });
    expect(out.list).toEqual([{ kind: 'replyError', ticket: TICKET, error }]);
    expect(node).toMatchObject({ installation: null, currentTerm: 3, lastApplied: 2 });
  });
});

describe('the configurations under a snapshot', () => {
  const four = voters('a', 'b', 'c', 'd');
  const five = voters('a', 'b', 'c', 'd', 'e');

  /** A follower that got 6 and 8, two configurations, before it could know what is committed. */
  function ahead(): NodeState {
    const node = follower();
    const added = [configurationEntry(6, 3, four), entry(7, 3), configurationEntry(8, 3, five)];
    const fields = { term: 3, prevLogEntry: 5, prevLogTerm: 2, entries: added };
    step(node, { kind: 'appendEntries', request: appendBy('b', fields), ticket: 8 });
    return node;
  }

  it('stay what the log behind it says', () => {
    const node = ahead();
    install(node, { lastLogIndex: 5, lastLogTerm: 2, configurationIndex: 1 });
    complete(node);
    const kept = { latest: five, latestIndex: 8, committed: four, committedIndex: 6 };
    expect(node.configurations).toMatchObject(kept);
    const fields = { term: 4, prevLogEntry: 7, prevLogTerm: 3, entries: entries(8, 4) };
    step(node, { kind: 'appendEntries', request: appendBy('c', fields), ticket: 8 });
    expect(node.configurations).toMatchObject({ latest: four, latestIndex: 6 });
  });

  it('move on to the snapshot’s when that is newer than the committed one', () => {
    const node = ahead();
    install(node, {
      lastLogIndex: 7,
      lastLogTerm: 3,
      configurationIndex: 6,
      configuration: encodeConfiguration(four),
    });
    complete(node);
    expect(node.configurations).toMatchObject({
      latestIndex: 8,
      committedIndex: 6,
      committed: four,
    });
  });

  it('are all the snapshot’s when it covers them', () => {
    const node = ahead();
    install(node, {
      lastLogIndex: 8,
      lastLogTerm: 3,
      configurationIndex: 8,
      configuration: encodeConfiguration(five),
    });
    complete(node);
    expect(node.configurations).toMatchObject({
      latestIndex: 8,
      committedIndex: 8,
      committed: five,
    });
  });

  it('of a log that was thrown away go with it', () => {
    const node = ahead();
    install(node, { term: 4, lastLogIndex: 7, lastLogTerm: 4, configurationIndex: 1 });
    complete(node);
    expect(node.configurations).toMatchObject({ latestIndex: 1, latest: two, committedIndex: 1 });
  });
});
