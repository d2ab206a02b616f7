import { describe, expect, it } from 'vitest';
import {
  appendBy,
  appended,
  beatReplied,
  command,
  commitWith,
  elect,
  entries,
  heldBy,
  kindsOf,
  leadershipOf,
  newNode,
  only,
  posted,
  recordingLogger,
  step,
  stepOfPeer,
  theOnly,
  voters,
} from '../../testing/core-fixture.ts';
import { ConfigurationChangeCommand } from '../configuration.ts';
import {
  ErrAbortedByRestore,
  ErrLeadershipLost,
  ErrLeadershipTransferInProgress,
  ErrNotLeader,
} from '../errors.ts';
import { LogType } from '../log.ts';
import type { Effects } from './effect.ts';
import type { NodeState } from './node.ts';

const TICKET = 7;
const META = { version: 1, index: 50, size: 100 };

/** A leader of term 2 whose log [1, 2] is committed, and whose first heartbeats are answered. */
function leader(): NodeState {
  const node = newNode();
  const { out } = elect(node);
  for (const beat of only(out, 'sendHeartbeat')) beatReplied(node, beat);
  commitWith(node, 'b', 2);
  return node;
}

function restore(node: NodeState, meta = META, ticket = TICKET): Effects {
  return step(node, { kind: 'restore', meta, ticket });
}

function written(node: NodeState, error: Error | null = null, ticket = TICKET): Effects {
  const leadership = leadershipOf(node);
  return step(node, { kind: 'restoreWritten', leadership, ticket, error });
}

/** The bytes are copied, and a quorum follows the leader. */
function verified(node: NodeState): Effects {
  const [beat] = only(written(node), 'sendHeartbeat');
  if (beat === undefined) throw new Error('expected a question to the quorum');
  return posted(node, beatReplied(node, beat));
}

function stored(node: NodeState): Effects {
  return step(node, { kind: 'restoreStored', outcome: { reply: { id: 'snap' } } });
}

/** The whole way to the end. */
function complete(node: NodeState): Effects {
  restore(node);
  verified(node);
  stored(node);
  return step(node, { kind: 'snapshotRestored' });
}

function propose(node: NodeState): Effects {
  return step(node, { kind: 'propose', proposals: [command] });
}

/** Answers every heartbeat that is sent, three times over; what was settled by that. */
function answered(node: NodeState, out: Effects): unknown[] {
  const settled: unknown[] = only(out, 'settle');
  let beats = only(out, 'sendHeartbeat');
  for (let round = 0; round < 3; round += 1) {
    const answers = beats.map((beat) => beatReplied(node, beat));
    settled.push(...answers.flatMap((answer) => only(answer, 'settle')));
    beats = answers.flatMap((answer) => only(answer, 'sendHeartbeat'));
  }
  return settled;
}

describe('a user restore', () => {
  it('copies, verifies, stores, restores, and writes a no-op behind the hole (S153)', () => {
    const node = leader();
    const copy = theOnly(restore(node), 'writeRestore');
    expect(copy).toMatchObject({ index: 51, term: 2, version: 1, size: 100 });
    expect(copy).toMatchObject({ configuration: voters('a', 'b', 'c'), configurationIndex: 1 });
    expect(kindsOf(verified(node))).toEqual(['storeRestore']);
    expect(stored(node).list).toEqual([
      { kind: 'failInFlight', after: 2, error: ErrAbortedByRestore },
      { kind: 'restoreSnapshot', id: 'snap', index: 51, term: 2 },
    ]);
    const out = step(node, { kind: 'snapshotRestored' });
    expect(kindsOf(out).slice(0, 2)).toEqual(['dropLog', 'startAppend']);
    expect(theOnly(out, 'startAppend').entries).toMatchObject([
      { index: 52, term: 2, type: LogType.LogNoop },
    ]);
    expect(theOnly(out, 'bindEntry')).toMatchObject({ ticket: TICKET, index: 52 });
    expect(node).toMatchObject({ snapshotIndex: 51, snapshotTerm: 2, lastApplied: 51 });
    expect(node.terms.runs).toEqual([{ first: 52, last: 52, term: 2 }]);
  });

  it('burns the index behind the log when the snapshot is older (S153)', () => {
    const node = leader();
    const copy = theOnly(restore(node, { ...META, index: 1 }), 'writeRestore');
    expect(copy.index).toBe(3);
  });

  it('is not committed by itself: only the no-op behind it is (S154)', () => {
    const node = leader();
    complete(node);
    expect([node.commitIndex, node.lastApplied]).toEqual([2, 51]);
    appended(node, 52);
    expect(node.commitIndex).toBe(2);
    const out = heldBy(node, 'b', 52);
    expect(node.commitIndex).toBe(52);
    expect(theOnly(out, 'apply').upTo).toBe(52);
  });

  it('sends the snapshot to every follower, for none can have the burned index (S154)', () => {
    const node = leader();
    for (const peer of leadershipOf(node).peers.values()) peer.sending = false;
    const out = complete(node);
    expect(only(out, 'sendSnapshot').map(({ peer }) => peer.server.id)).toEqual(['b', 'c']);
  });

  it('lets a read see the new state only when it is committed', () => {
    const node = leader();
    const asked = step(node, { kind: 'readIndex', ticket: 1 });
    restore(node);
    step(node, { kind: 'restoreVerified', leadership: leadershipOf(node) });
    stored(node);
    step(node, { kind: 'snapshotRestored' });
    expect(answered(node, asked)).toEqual([]);
    expect(answered(node, step(node, { kind: 'readIndex', ticket: 2 }))).toEqual([]);
    expect(answered(node, commitWith(node, 'b', 52))).toMatchObject([
      { ticket: 1, value: 52 },
      { ticket: 2, value: 52 },
    ]);
  });
});

describe('while the bytes come', () => {
  it('the leader goes on to commit what it has, and appends nothing', () => {
    const node = leader();
    propose(node);
    restore(node);
    expect(node.terms.lastIndex).toBe(3);
    const out = commitWith(node, 'b', 3);
    expect(theOnly(out, 'apply').upTo).toBe(3);
    expect(kindsOf(verified(node))).toEqual(['storeRestore']);
  });

  it('a second restore is refused (S153)', () => {
    const node = leader();
    restore(node);
    const { error, ticket } = theOnly(restore(node, META, 8), 'settleError');
    expect([error, ticket]).toMatchObject([{ code: 'ERR_RESTORE_IN_PROGRESS' }, 8]);
    expect(leadershipOf(node).restore?.ticket).toBe(TICKET);
  });

  it('the answer to an earlier one is not taken for it', () => {
    const node = leader();
    restore(node);
    written(node, new Error('bad'));
    restore(node, META, 8);
    expect(written(node, null, TICKET).list).toEqual([]);
    expect(leadershipOf(node).restore?.ticket).toBe(8);
  });

  it('a copy that fails leaves everything as it was (S153)', () => {
    const node = leader();
    restore(node);
    const error = new Error('failed to write snapshot: bad');
    expect(written(node, error).list).toEqual([{ kind: 'settleError', ticket: TICKET, error }]);
    expect(node).toMatchObject({ snapshotIndex: 0, lastApplied: 2 });
    expect(theOnly(propose(node), 'startAppend').entries).toMatchObject([{ index: 3 }]);
  });

  it('the end of the leadership ends it, and drops what was copied (rule 10)', () => {
    const node = leader();
    const leadership = leadershipOf(node);
    restore(node);
    const out = step(node, { kind: 'newerTerm', leadership, term: 3 });
    expect(theOnly(out, 'dropRestore').ticket).toBe(TICKET);
    expect(theOnly(out, 'settleError')).toMatchObject({ ticket: TICKET, error: ErrLeadershipLost });
    const late = { kind: 'restoreWritten', leadership, ticket: TICKET, error: null } as const;
    expect(step(node, late).list).toEqual([]);
  });
});

describe('a leader that was deposed while it copied', () => {
  it('stores nothing: no quorum follows it any more (rule 10)', () => {
    const node = leader();
    const leadership = leadershipOf(node);
    restore(node);
    const beats = only(written(node), 'sendHeartbeat');
    expect(beats).toHaveLength(2);
    const [beat] = beats;
    if (beat === undefined) throw new Error('expected a question');
    const out = posted(node, beatReplied(node, beat, { term: 3, success: false }));
    expect(theOnly(out, 'dropRestore').ticket).toBe(TICKET);
    expect(only(out, 'settleError')).toEqual([
      { kind: 'settleError', ticket: TICKET, error: ErrLeadershipLost },
    ]);
    expect(step(node, { kind: 'restoreVerified', leadership }).list).toEqual([]);
    expect(node).toMatchObject({ snapshotIndex: 0, lastApplied: 2 });
  });

  it('asks a quorum after the copy: an answer from before counts for nothing (rule 10)', () => {
    const node = leader();
    const before = only(step(node, { kind: 'verify', ticket: 1 }), 'sendHeartbeat');
    restore(node);
    written(node);
    for (const beat of before) expect(only(beatReplied(node, beat), 'post')).toEqual([]);
  });

  it('burns no index for a leadership that is not the one it was asked under (rule 10)', () => {
    const node = leader();
    const leadership = leadershipOf(node);
    restore(node);
    step(node, { kind: 'newerTerm', leadership, term: 3 });
    expect(step(node, { kind: 'restoreVerified', leadership }).list).toEqual([]);
  });

  it('stops, rather than to differ, when a restore of its own never reached a quorum', () => {
    const node = leader();
    complete(node);
    step(node, { kind: 'newerTerm', leadership: leadershipOf(node), term: 3 });
    const next = { term: 3, prevLogEntry: 2, prevLogTerm: 2, entries: entries(3, 3) };
    const out = step(node, { kind: 'appendEntries', request: appendBy('b', next), ticket: 9 });
    expect(theOnly(out, 'fatal').error).toMatchObject({ code: 'ERR_SNAPSHOT_CONTRADICTED' });
    expect(only(out, 'reply')).toEqual([]);
  });

  it('is told so also by an empty request of the leader that has its index', () => {
    const node = newNode({ log: [], snapshot: { index: 51, term: 2 }, currentTerm: 3 });
    const probe = { term: 3, prevLogEntry: 40, prevLogTerm: 3 };
    const out = step(node, { kind: 'appendEntries', request: appendBy('b', probe), ticket: 9 });
    expect(theOnly(out, 'fatal').error).toMatchObject({ code: 'ERR_SNAPSHOT_CONTRADICTED' });
    const fine = { term: 3, prevLogEntry: 40, prevLogTerm: 2, entries: entries(41, 2, 2) };
    const other = newNode({ log: [], snapshot: { index: 51, term: 2 }, currentTerm: 3 });
    const good = step(other, { kind: 'appendEntries', request: appendBy('b', fine), ticket: 9 });
    expect(theOnly(good, 'reply').reply).toMatchObject({ success: true });
  });
});

describe('a restore is refused', () => {
  it('by whoever does not lead (S152)', () => {
    const node = newNode();
    expect(theOnly(restore(node), 'settleError').error).toBe(ErrNotLeader);
  });

  it('while the leadership is being handed over (S60)', () => {
    const node = leader();
    step(node, { kind: 'transfer', target: null, ticket: 1 });
    const { error } = theOnly(restore(node), 'settleError');
    expect(error).toBe(ErrLeadershipTransferInProgress);
  });

  it('at its last moment, when the leadership began to be handed over meanwhile', () => {
    const node = leader();
    restore(node);
    step(node, { kind: 'transfer', target: null, ticket: 1 });
    const out = verified(node);
    expect(kindsOf(out)).toEqual(['dropRestore', 'settleError']);
    expect(theOnly(out, 'settleError').error).toBe(ErrLeadershipTransferInProgress);
    expect(leadershipOf(node).restore).toBeNull();
  });

  it.each([-1, 2])('for version %i, which nobody can read (S153)', (version) => {
    const { error } = theOnly(restore(leader(), { ...META, version }), 'settleError');
    expect(error.message).toBe(`unsupported snapshot version ${version}`);
  });

  it('while a configuration is not committed (S153)', () => {
    const node = leader();
    const change = { serverID: 'd', serverAddress: 'd:1', prevIndex: 0 };
    const command = ConfigurationChangeCommand.AddNonvoter;
    step(node, { kind: 'changeConfiguration', change: { command, ...change }, ticket: 1 });
    const { error } = theOnly(restore(node), 'settleError');
    expect(error.message).toBe(
      'cannot restore snapshot now, wait until the configuration entry at 3 has been applied ' +
        '(have applied 1)',
    );
  });

  it('when the store cannot keep it; nothing was aborted for it (S153)', () => {
    const node = leader();
    restore(node);
    verified(node);
    const error = new Error('failed to close snapshot: bad');
    const out = step(node, { kind: 'restoreStored', outcome: { error } });
    expect(out.list).toEqual([{ kind: 'settleError', ticket: TICKET, error }]);
    expect(theOnly(propose(node), 'startAppend').entries).toMatchObject([{ index: 3 }]);
  });
});

it('a leader alone is its own quorum', () => {
  const { log, lines } = recordingLogger();
  const node = newNode({ servers: voters('a'), logger: log });
  step(node, { kind: 'timer', timer: 'heartbeat' });
  posted(node, appended(node, 2));
  restore(node);
  expect(kindsOf(posted(node, written(node)))).toEqual(['storeRestore']);
  stored(node);
  step(node, { kind: 'snapshotRestored' });
  expect(lines.join('\n')).toContain('restored user snapshot');
  const leadership = leadershipOf(node);
  expect(only(stepOfPeer(node, { kind: 'appended', leadership, index: 52 }), 'post')).toHaveLength(
    1,
  );
});
