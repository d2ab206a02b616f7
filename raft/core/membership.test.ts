import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import {
  appended,
  appendReplied,
  commitWith,
  configurationEntry,
  elect,
  entry,
  heldBy,
  kindsOf,
  leadershipOf,
  newLeader,
  newNode,
  only,
  peerOf,
  peerTimersOf,
  posted,
  recordingLogger,
  sent,
  server,
  stand,
  step,
  stepOfPeer,
  theOnly,
  voters,
} from '../../testing/core-fixture.ts';
import {
  ConfigurationChangeCommand as Command,
  Configuration,
  ServerSuffrage,
} from '../configuration.ts';
import { encodePeers } from '../configuration-codec.ts';
import { ErrLeadershipTransferInProgress, ErrNotLeader } from '../errors.ts';
import { LogType } from '../log.ts';
import { AppendEntriesResponse } from '../messages.ts';
import { RaftState } from '../state.ts';
import type { Effects } from './effect.ts';
import {
  acceptsConfigurationChange,
  configurationOf,
  configurationProposal,
  leaderWasRemoved,
  noteConfiguration,
  settleConfiguration,
  truncateConfigurations,
} from './membership.ts';
import type { NodeState } from './node.ts';

const TICKET = 5;

/** A leader of {a, b, c} that has committed its no-op at 2. */
function settled(options: Parameters<typeof newNode>[0] = {}): NodeState {
  const { node } = newLeader(options);
  commitWith(node, 'b', 2);
  return node;
}

function change(node: NodeState, command: Command, id: string, more: object = {}): Effects {
  const serverAddress = `${id}:1`;
  const wish = { command, serverID: id, serverAddress, prevIndex: 0, ...more };
  return step(node, { kind: 'changeConfiguration', change: wish, ticket: TICKET });
}

describe('a change of the membership', () => {
  it('is in force when it is appended: entry, future, new peer, in this order (S129)', () => {
    const node = settled();
    const out = change(node, Command.AddVoter, 'd');
    const four = voters('a', 'b', 'c', 'd');
    const d = peerOf(node, 'd');
    expect(out.list.map(({ kind }) => kind)).toEqual([
      'startAppend',
      'sendAppend',
      'bindEntry',
      'observe',
      'sendHeartbeat',
      'sendAppend',
    ]);
    const added = theOnly(out, 'startAppend').entries;
    expect(added).toEqual([{ ...configurationEntry(3, 2, four), appendedAt: expect.anything() }]);
    expect(theOnly(out, 'bindEntry')).toEqual({ kind: 'bindEntry', ticket: TICKET, index: 3 });
    const observation = { kind: 'PeerObservation', removed: false, peer: server('d') };
    expect(theOnly(out, 'observe').data).toEqual(observation);
    expect(only(out, 'sendAppend').at(-1)).toMatchObject({
      peer: d,
      prevIndex: 3,
      first: 4,
      last: 3,
    });
    expect(node.configurations).toMatchObject({ latestIndex: 3, latest: four, committedIndex: 1 });
    expect(leadershipOf(node).commitment.matchIndexOf('d')).toBe(0);
  });

  it('is committed by a majority of the new configuration', () => {
    const node = settled();
    change(node, Command.AddVoter, 'd');
    appended(node, 3);
    heldBy(node, 'c', 3);
    expect(node.commitIndex).toBe(2);
    heldBy(node, 'b', 3);
    expect(node).toMatchObject({ commitIndex: 3, configurations: { committedIndex: 3 } });
  });

  it('that changes nothing takes its place in the log all the same (S125)', () => {
    const node = settled();
    const out = change(node, Command.RemoveServer, 'z');
    expect(kindsOf(out)).toEqual(['startAppend', 'sendAppend', 'bindEntry']);
    expect(node.configurations.latestIndex).toBe(3);
  });

  it('is refused by whoever does not lead', () => {
    const out = change(newNode(), Command.AddVoter, 'd');
    expect(out.list).toEqual([{ kind: 'settleError', ticket: TICKET, error: ErrNotLeader }]);
  });

  it('is refused while leadership is handed over', () => {
    const node = settled();
    step(node, { kind: 'transfer', target: { id: 'c', address: 'c:1' }, ticket: 1 });
    const error = ErrLeadershipTransferInProgress;
    const out = change(node, Command.AddVoter, 'd');
    expect(out.list).toEqual([{ kind: 'settleError', ticket: TICKET, error }]);
  });

  it.each([
    [
      'an outdated index',
      Command.AddVoter,
      'd',
      { prevIndex: 7 },
      /changed since 7 \(latest is 1\)/,
    ],
    ['an empty name', Command.AddVoter, '', {}, /empty ID/],
    [
      'an address that is taken',
      Command.AddVoter,
      'd',
      { serverAddress: 'b:1' },
      /duplicate address/,
    ],
  ])(
    'is refused for %s, and nothing is written (S127, S128)',
    (_what, command, id, more, message) => {
      const node = settled();
      const out = change(node, command, id, more);
      const error = expect.objectContaining({ message: expect.stringMatching(message) });
      expect(out.list).toEqual([{ kind: 'settleError', ticket: TICKET, error }]);
      expect(node.configurations.latestIndex).toBe(1);
    },
  );

  it('moves a peer to its new address: what is in flight means nothing (S86, #471)', () => {
    const { log, lines } = recordingLogger();
    const node = settled({ logger: log });
    const b = peerOf(node, 'b');
    const out = change(node, Command.AddVoter, 'b', { serverAddress: 'b:9' });
    expect(kindsOf(out)).toContain('closePipeline');
    expect(only(out, 'sendAppend').at(-1)).toMatchObject({ peer: b, epoch: 1, first: 3, last: 3 });
    expect(b).toMatchObject({ server: { address: 'b:9' }, inFlight: 0 });
    expect(lines.at(-1)).toBe('info: updating peer');
  });

  it('keeps its peers when only their suffrage changes (S86)', () => {
    const node = settled();
    const b = peerOf(node, 'b');
    const out = change(node, Command.DemoteVoter, 'b');
    expect(only(out, 'closePipeline')).toEqual([]);
    expect(peerOf(node, 'b')).toBe(b);
    expect(b.server.suffrage).toBe(ServerSuffrage.Nonvoter);
    expect(leadershipOf(node).commitment.matchIndexOf('b')).toBeUndefined();
  });

  it('may commit by what it leaves', () => {
    const { node } = newLeader({ servers: voters('a', 'b') });
    commitWith(node, 'b', 2);
    step(node, { kind: 'propose', proposals: [{ type: 0, data: null, extensions: null }] });
    appended(node, 3);
    expect(node.commitIndex).toBe(2);
    const out = change(node, Command.RemoveServer, 'b');
    posted(node, out);
    expect(node.commitIndex).toBe(3);
  });
});

describe('one change at a time', () => {
  it('waits for an entry of this term, and for the change before it (S46, S48, S133)', () => {
    const { node } = newLeader();
    expect(acceptsConfigurationChange(node)).toBe(false);
    expect(() => change(node, Command.AddVoter, 'd')).toThrow(/only one change/);
    commitWith(node, 'b', 2);
    expect(acceptsConfigurationChange(node)).toBe(true);
    change(node, Command.AddNonvoter, 'd');
    expect(acceptsConfigurationChange(node)).toBe(false);
    commitWith(node, 'b', 3);
    expect(acceptsConfigurationChange(node)).toBe(true);
  });

  it('waits for a change that an earlier leader began', () => {
    const node = newNode({ log: [1, 1] });
    noteConfiguration(node, configurationEntry(2, 1, voters('a', 'b', 'c', 'd')));
    elect(node);
    commitWith(node, 'b', 3);
    expect(acceptsConfigurationChange(node)).toBe(false);
    commitWith(node, 'c', 3);
    expect(acceptsConfigurationChange(node)).toBe(true);
  });

  it('lets in what is refused anyway', () => {
    expect(acceptsConfigurationChange(newNode())).toBe(true);
    const node = settled();
    step(node, { kind: 'transfer', target: { id: 'c', address: 'c:1' }, ticket: 1 });
    expect(acceptsConfigurationChange(node)).toBe(true);
  });
});

describe('a server that is removed', () => {
  function removing() {
    const node = settled();
    const b = peerOf(node, 'b');
    const out = change(node, Command.RemoveServer, 'b');
    const request = only(out, 'sendAppend').find(({ peer }) => peer === b);
    if (request === undefined) throw new Error('expected the removal to be sent');
    return { node, leadership: leadershipOf(node), b, out, request };
  }

  it('is still sent its own removal, and no heartbeats any more', () => {
    const { node, b, out, request, leadership } = removing();
    expect(request).toMatchObject({ first: 3, last: 3 });
    expect(peerTimersOf(out, b)).toContain('beat=off');
    expect(leadership.peers.has('b')).toBe(false);
    expect(
      stepOfPeer(node, { kind: 'peerTimer', leadership, peer: b, timer: 'beat' }).list,
    ).toEqual([]);
    const observation = { kind: 'PeerObservation', removed: true, peer: server('b') };
    expect(only(out, 'observe').map(({ data }) => data)).toEqual([observation]);
  });

  it('is told when that is committed, and is then left alone (S72, #174, #564)', () => {
    const { node, b, request } = removing();
    sent(node, request);
    expect(only(appendReplied(node, request, {}), 'stopPeer')).toEqual([]);
    appended(node, 3);
    const out = commitWith(node, 'c', 3);
    const last = only(out, 'sendAppend').find(({ peer }) => peer === b);
    expect(last).toMatchObject({ prevIndex: 3, first: 4, last: 3, commitIndex: 3 });
    if (last === undefined) return;
    sent(node, last);
    const done = appendReplied(node, last, {});
    expect(only(done, 'stopPeer')).toEqual([{ kind: 'stopPeer', peer: b }]);
    expect(peerTimersOf(done, b)).toEqual(['commit=off', 'retry=off']);
    step(node, { kind: 'propose', proposals: [{ type: 0, data: null, extensions: null }] });
    expect(b.sendIndex).toBe(4);
  });

  it('takes no word of heartbeats and timers any more', () => {
    const { node, leadership, b, request } = removing();
    const round = leadership.round + 9;
    const beat = { kind: 'heartbeatReply', leadership, peer: b, round, sentAtMs: 77 } as const;
    const reply = new AppendEntriesResponse({ term: 9 });
    expect(stepOfPeer(node, { ...beat, outcome: { reply } }).list).toEqual([]);
    expect(b).toMatchObject({ lastContactMs: 0, beating: false });
    const { epoch } = request;
    const error = new Error('unreachable');
    stepOfPeer(node, { kind: 'sendFailed', leadership, peer: b, epoch, error });
    for (const timer of ['commit', 'retry', 'beat'] as const) {
      const out = stepOfPeer(node, { kind: 'peerTimer', leadership, peer: b, timer });
      expect([out.list, out.timers]).toEqual([[], []]);
    }
  });

  it('that cannot be reached is left alone at once', () => {
    const { node, leadership, b } = removing();
    const error = new Error('unreachable');
    const out = stepOfPeer(node, { kind: 'sendFailed', leadership, peer: b, epoch: 0, error });
    expect(kindsOf(out)).toEqual(['closePipeline', 'stopPeer']);
    expect(peerTimersOf(out, b)).toEqual(['commit=off', 'retry=off']);
  });

  it('that needs a snapshot gets none', () => {
    const { node, leadership, b } = removing();
    const gone = { kind: 'entriesUnavailable', leadership, peer: b, epoch: 0 } as const;
    expect(kindsOf(stepOfPeer(node, gone))).toEqual(['stopPeer']);
  });

  it('in the middle of a pause or a snapshot is left alone at once', () => {
    for (const state of ['pipeline', 'snapshot'] as const) {
      const node = settled();
      const b = peerOf(node, 'b');
      b.state = state;
      b.pausing = state === 'pipeline';
      const out = change(node, Command.RemoveServer, 'b');
      expect(only(out, 'stopPeer')).toEqual([{ kind: 'stopPeer', peer: b }]);
      expect(b.removed).toBe(true);
    }
  });

  it('and comes back is somebody new', () => {
    const { node, b } = removing();
    commitWith(node, 'c', 3);
    change(node, Command.AddVoter, 'b');
    expect(peerOf(node, 'b')).not.toBe(b);
    expect(peerOf(node, 'b')).toMatchObject({ matchIndex: 0, nextIndex: 5 });
  });

  it('that knows of it stays quiet (S135)', () => {
    const node = newNode({ servers: voters('b', 'c') });
    stand(node);
    expect(node.role).toBe(RaftState.Follower);
  });
});

describe('a leader that is removed', () => {
  function removed(options: Parameters<typeof newNode>[0] = {}) {
    const { log, lines } = recordingLogger();
    const node = settled({ logger: log, ...options });
    change(node, Command.RemoveServer, 'a');
    return { node, lines };
  }

  it('leads until the others have committed it, without counting itself (S134)', () => {
    const { node } = removed();
    appended(node, 3);
    commitWith(node, 'b', 3);
    const command = { type: LogType.LogCommand, data: null, extensions: null };
    expect(kindsOf(step(node, { kind: 'propose', proposals: [command] }))).toContain('startAppend');
    expect(node).toMatchObject({ role: RaftState.Leader, commitIndex: 2 });
    const out = commitWith(node, 'c', 3);
    expect(kindsOf(out)).toContain('shutdownSelf');
    expect(node.commitIndex).toBe(3);
  });

  it('becomes a follower when it may go on (S63)', () => {
    const { node, lines } = removed({ config: { shutdownOnRemove: false } });
    commitWith(node, 'b', 3);
    const out = commitWith(node, 'c', 3);
    expect(node.role).toBe(RaftState.Follower);
    expect(kindsOf(out).indexOf('apply')).toBeLessThan(kindsOf(out).indexOf('failInFlight'));
    expect(lines).toContain('info: removed ourself, transitioning to follower');
  });

  it('is one too that is demoted (S63)', () => {
    const node = settled();
    change(node, Command.DemoteVoter, 'a');
    commitWith(node, 'b', 3);
    expect(kindsOf(commitWith(node, 'c', 3))).toContain('shutdownSelf');
  });

  it('is noticed only when that very change is committed', () => {
    const node = newNode({ servers: voters('b', 'c'), commitIndex: 1 });
    expect(leaderWasRemoved(node, 0)).toBe(true);
    expect(leaderWasRemoved(node, 1)).toBe(false);
    node.configurations.latestIndex = 2;
    expect(leaderWasRemoved(node, 0)).toBe(false);
  });
});

describe('the configurations of a node', () => {
  const older = voters('a', 'b', 'c');
  const newer = voters('a', 'b');

  it('shift when one is appended, settle when it is committed, fall back when it is cut', () => {
    const node = newNode({ log: [1, 1, 1] });
    noteConfiguration(node, entry(2, 1));
    expect(node.configurations.latestIndex).toBe(1);
    noteConfiguration(node, configurationEntry(3, 1, newer));
    expect(node.configurations).toMatchObject({ committed: older, latest: newer, latestIndex: 3 });
    settleConfiguration(node);
    expect(node.configurations.committedIndex).toBe(1);
    truncateConfigurations(node, 4);
    expect(node.configurations.latestIndex).toBe(3);
    truncateConfigurations(node, 3);
    expect(node.configurations).toMatchObject({ latest: older, latestIndex: 1 });
    noteConfiguration(node, configurationEntry(3, 1, newer));
    node.commitIndex = 3;
    settleConfiguration(node);
    expect(node.configurations).toMatchObject({ committed: newer, committedIndex: 3 });
  });

  it('are read from old entries too', () => {
    const node = newNode();
    const data = encodePeers(newer, node.self);
    for (const type of [LogType.LogAddPeerDeprecated, LogType.LogRemovePeerDeprecated]) {
      const found = configurationOf(node, { ...entry(1, 1), type, data });
      expect(found?.servers.map(({ id }) => id)).toEqual(['a:1', 'b:1']);
    }
    expect(configurationOf(node, { ...entry(1, 1), data: utf8('command') })).toBeNull();
  });

  it('are written as the protocol version asks', () => {
    const old = configurationProposal(newNode({ config: { protocolVersion: 1 } }), newer);
    expect(old.type).toBe(LogType.LogRemovePeerDeprecated);
    const now = configurationProposal(newNode(), new Configuration(newer.servers));
    expect(now).toMatchObject({
      type: LogType.LogConfiguration,
      data: configurationEntry(1, 1, newer).data,
    });
  });
});
