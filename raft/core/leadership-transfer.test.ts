import { describe, expect, it } from 'vitest';
import {
  appendBy,
  command,
  commitWith,
  elect,
  heldBy,
  kindsOf,
  leadershipOf,
  newLeader,
  newNode,
  only,
  peerOf,
  recordingLogger,
  server,
  step,
  theOnly,
  timersOf,
  voteBy,
  voteFor,
  voters,
} from '../../testing/core-fixture.ts';
import { Configuration, ConfigurationChangeCommand, ServerSuffrage } from '../configuration.ts';
import { ErrLeadershipTransferInProgress, ErrNotLeader } from '../errors.ts';
import { TimeoutNowRequest } from '../messages.ts';
import { RaftState } from '../state.ts';
import type { Effects } from './effect.ts';
import { pickServer } from './leadership-transfer.ts';
import type { NodeState } from './node.ts';

const TICKET = 3;

function transfer(node: NodeState, id: string | null = 'b', ticket = TICKET): Effects {
  const target = id === null ? null : { id, address: `${id}:7` };
  return step(node, { kind: 'transfer', target, ticket });
}

/** A leader that has committed its no-op with b. */
function settled(options: Parameters<typeof newNode>[0] = {}): NodeState {
  const { node } = newLeader(options);
  commitWith(node, 'b', 2);
  return node;
}

function failed(code: string, message: RegExp, ticket = TICKET) {
  const error = expect.objectContaining({ code, message: expect.stringMatching(message) });
  return { kind: 'settleError', ticket, error };
}

describe('picking a server', () => {
  it.each([
    [{}, undefined],
    [{ a: 9 }, 'a'],
    [{ a: 9, b: 8 }, 'a'],
    [{ c: 9, b: 8, a: 8 }, 'c'],
    [{ a: 7, b: 11, c: 8 }, 'b'],
    [{ b: 8, a: 8 }, 'b'],
  ])('of %o takes %s: who holds most, the first in a tie (test 54)', (held, picked) => {
    const { node, leadership } = newLeader({ id: 'z', servers: voters('z', ...Object.keys(held)) });
    for (const [id, index] of Object.entries(held)) peerOf(node, id).matchIndex = index;
    expect(pickServer(node, leadership)?.server.id).toBe(picked);
  });

  it('passes over nonvoters (test 65, #398)', () => {
    const servers = new Configuration([server('a'), server('b', ServerSuffrage.Nonvoter)]);
    const { node } = newLeader({ servers });
    expect(transfer(node, null).list).toEqual([
      failed('ERR_NO_TRANSFER_TARGET', /^cannot find peer$/),
    ]);
  });

  it('passes over a server that has nothing yet, though its next index is high', () => {
    const node = settled();
    const wish = { serverID: 'd', serverAddress: 'd:1', prevIndex: 0 };
    const change = { command: ConfigurationChangeCommand.AddVoter, ...wish };
    step(node, { kind: 'changeConfiguration', change, ticket: 1 });
    expect(peerOf(node, 'd').nextIndex).toBe(4);
    transfer(node, null);
    expect(leadershipOf(node).transfer?.id).toBe('b');
    step(node, { kind: 'timer', timer: 'transfer' });
    expect(only(transfer(node, 'd'), 'sendTimeoutNow')).toEqual([]);
    expect(leadershipOf(node).transfer?.phase).toBe('catching-up');
  });
});

describe('handing over', () => {
  it('to a server that has everything tells it to stand, at the given address (S90)', () => {
    const node = settled();
    const out = transfer(node);
    const { transfer: current } = leadershipOf(node);
    const told = { kind: 'sendTimeoutNow', transfer: current, id: 'b', address: 'b:7' };
    expect(out.list.at(-1)).toEqual(told);
    expect(current).toMatchObject({ phase: 'told', ticket: TICKET });
    expect(timersOf(out)).toEqual(['transfer=2000']);
  });

  it('brings the server up to date first, by what it acknowledges (S83, S91)', () => {
    const node = settled();
    step(node, { kind: 'propose', proposals: [command, command] });
    expect(only(transfer(node), 'sendTimeoutNow')).toEqual([]);
    expect(leadershipOf(node).transfer?.phase).toBe('catching-up');
    expect(only(heldBy(node, 'c', 4), 'sendTimeoutNow')).toEqual([]);
    expect(only(heldBy(node, 'b', 3), 'sendTimeoutNow')).toEqual([]);
    expect(only(heldBy(node, 'b', 4), 'sendTimeoutNow')).toHaveLength(1);
    expect(only(heldBy(node, 'b', 4), 'sendTimeoutNow')).toEqual([]);
  });

  it('picks the server itself when nobody is named (S90)', () => {
    const node = settled();
    expect(theOnly(transfer(node, null), 'sendTimeoutNow')).toMatchObject({
      id: 'b',
      address: 'b:1',
    });
  });

  it('takes nothing new meanwhile, but goes on answering who leads (S60, test 63, #581)', () => {
    const node = settled();
    transfer(node);
    const error = ErrLeadershipTransferInProgress;
    const proposals = [command];
    const refused = step(node, { kind: 'propose', proposals });
    expect(refused.list).toEqual([{ kind: 'refuse', proposals, error }]);
    expect(transfer(node, 'c', 9).list).toEqual([{ kind: 'settleError', ticket: 9, error }]);
    expect(transfer(node, null, 9).list).toEqual([{ kind: 'settleError', ticket: 9, error }]);
    expect(only(step(node, { kind: 'verify', ticket: 9 }), 'settleError')).toEqual([]);
  });

  it.each([
    ['to whom nobody knows', 'abc', 'ERR_UNKNOWN_PEER', /cannot find replication state for abc/],
    ['to itself', 'a', 'ERR_UNKNOWN_PEER', /cannot find replication state for a/],
    ['to a nonvoter', 'n', 'ERR_TRANSFER_TO_NONVOTER', /expected a voter .* n is none/],
  ])('%s is refused (S90, test 59)', (_what, id, code, message) => {
    const servers = [...voters('a', 'b').servers, server('n', ServerSuffrage.Nonvoter)];
    const node = settled({ servers: new Configuration(servers) });
    expect(transfer(node, id).list).toEqual([failed(code, message)]);
    expect(leadershipOf(node).transfer).toBeNull();
  });

  it('with nobody else is refused (test 56)', () => {
    const { node } = newLeader({ servers: voters('a') });
    expect(transfer(node, null).list).toEqual([
      failed('ERR_NO_TRANSFER_TARGET', /cannot find peer/),
    ]);
  });

  it('by whoever does not lead is refused (S89, #413)', () => {
    const error = ErrNotLeader;
    expect(transfer(newNode()).list).toEqual([{ kind: 'settleError', ticket: TICKET, error }]);
  });
});

describe('a handing-over ends', () => {
  const error = new Error('unreachable');

  it('well when the leadership is lost, to whomever (S92)', () => {
    const node = settled();
    transfer(node);
    const request = { term: 3, lastLogIndex: 2, lastLogTerm: 2, leadershipTransfer: true };
    const out = step(node, { kind: 'requestVote', request: voteBy('c', request), ticket: 9 });
    expect(only(out, 'settle')).toEqual([{ kind: 'settle', ticket: TICKET, value: undefined }]);
    expect(timersOf(out)).toContain('transfer=off');
  });

  it('badly when it takes too long: the leader takes requests again (S92, #493)', () => {
    const { log, lines } = recordingLogger();
    const node = settled({ logger: log });
    transfer(node);
    const out = step(node, { kind: 'timer', timer: 'transfer' });
    const text = /^leadership transfer timeout$/;
    expect(out.list).toEqual([failed('ERR_LEADERSHIP_TRANSFER_TIMEOUT', text)]);
    expect(lines.at(-1)).toBe('debug: leadership transfer timeout');
    expect(kindsOf(step(node, { kind: 'propose', proposals: [command] }))).toContain('startAppend');
    expect(step(node, { kind: 'timer', timer: 'transfer' }).list).toEqual([]);
  });

  it('badly when the server cannot be told (test 60, #493)', () => {
    const node = settled();
    const { transfer: current } = theOnly(transfer(node), 'sendTimeoutNow');
    const out = step(node, { kind: 'timeoutNowReply', transfer: current, error });
    const text = /^failed to make TimeoutNow RPC to b: unreachable$/;
    expect(out.list).toEqual([failed('ERR_TIMEOUT_NOW_FAILED', text)]);
    expect(timersOf(out)).toEqual(['transfer=off']);
  });

  it('not yet when the server was told: it gets a fresh wait for its election (S92)', () => {
    const node = settled();
    const { transfer: current } = theOnly(transfer(node), 'sendTimeoutNow');
    const out = step(node, { kind: 'timeoutNowReply', transfer: current, error: null });
    expect([out.list, timersOf(out)]).toEqual([[], ['transfer=2000']]);
    expect(leadershipOf(node).transfer).toBe(current);
  });

  it('and a late answer to it does not end the next one', () => {
    const node = settled();
    const { transfer: first } = theOnly(transfer(node), 'sendTimeoutNow');
    step(node, { kind: 'timer', timer: 'transfer' });
    transfer(node, 'c', 9);
    for (const late of [error, null]) {
      const out = step(node, { kind: 'timeoutNowReply', transfer: first, error: late });
      expect([out.list, out.timers]).toEqual([[], []]);
    }
    expect(leadershipOf(node).transfer?.ticket).toBe(9);
  });

  it('and a later leadership starts without it (S45, S94, #696)', () => {
    const node = settled();
    const { transfer: first } = theOnly(transfer(node), 'sendTimeoutNow');
    step(node, { kind: 'timeoutNow', request: new TimeoutNowRequest(), ticket: 1 });
    const late = { kind: 'timeoutNowReply', transfer: first, error } as const;
    expect(step(node, late).list).toEqual([]);
    step(node, { kind: 'timer', timer: 'election' });
    expect(node.role).toBe(RaftState.Candidate);
    step(node, {
      kind: 'appendEntries',
      request: appendBy('b', { term: node.currentTerm + 1 }),
      ticket: 2,
    });
    elect(node, 99_999);
    expect(leadershipOf(node).transfer).toBeNull();
    expect(kindsOf(step(node, { kind: 'propose', proposals: [command] }))).toContain('startAppend');
  });
});

describe('a server that is told to stand', () => {
  function timeoutNow(node: NodeState): Effects {
    return step(node, { kind: 'timeoutNow', request: new TimeoutNowRequest(), ticket: 1 });
  }

  it('stands at once, without pre-votes, and says why it does (S95)', () => {
    const node = newNode();
    node.leaderAddress = 'b:1';
    const out = timeoutNow(node);
    expect(kindsOf(out)).toEqual([
      'observe',
      'observe',
      'reply',
      'persistHardState',
      'sendVote',
      'sendVote',
    ]);
    expect(theOnly(out, 'persistHardState')).toMatchObject({ term: 2, vote: voteFor('a', 2) });
    expect(only(out, 'sendVote')[0]?.request.leadershipTransfer).toBe(true);
    expect(timersOf(out)).toEqual(['heartbeat=off', 'election=2000']);
  });

  it('follows whoever has won its term instead (§5.2)', () => {
    const node = newNode();
    timeoutNow(node);
    step(node, { kind: 'appendEntries', request: appendBy('b', { term: 2 }), ticket: 2 });
    expect(node).toMatchObject({ role: RaftState.Follower, candidateFromTransfer: false });
  });

  it('refuses the traffic of its old leader, and stays a candidate (S96, #487)', () => {
    const node = newNode();
    timeoutNow(node);
    const out = step(node, {
      kind: 'appendEntries',
      request: appendBy('b', { term: 1 }),
      ticket: 2,
    });
    expect(theOnly(out, 'reply').reply).toMatchObject({ success: false, term: 2 });
    expect(node.role).toBe(RaftState.Candidate);
  });

  it('gives up its own leadership', () => {
    const { node } = newLeader();
    const out = timeoutNow(node);
    expect(kindsOf(out)).toContain('failInFlight');
    expect(node).toMatchObject({ role: RaftState.Candidate, currentTerm: 3 });
  });
});
