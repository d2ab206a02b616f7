import { describe, expect, it } from 'vitest';
import {
  candidacyOf,
  configurationEntry,
  newNode,
  only,
  recordingLogger,
  server,
  stand,
  timersOf,
  voters,
} from '../../testing/core-fixture.ts';
import { Configuration, ServerSuffrage } from '../configuration.ts';
import { RaftState } from '../state.ts';
import { noteConfiguration, settleConfiguration } from './membership.ts';

describe('a follower whose heartbeat timer rings', () => {
  it('looks again later when it heard its leader just now (S26)', () => {
    const node = newNode();
    node.leaderAddress = 'b:1';
    node.lastContactMs = 1000;
    const out = stand(node, 1999);
    expect(timersOf(out)).toEqual(['heartbeat=1']);
    expect(out.list).toEqual([]);
    expect(node).toMatchObject({ role: RaftState.Follower, leaderAddress: 'b:1' });
  });

  it('stands after a heartbeat timeout of silence, and forgets its leader first (S30)', () => {
    const { log, lines } = recordingLogger();
    const node = newNode({ logger: log });
    node.leaderAddress = 'b:1';
    node.leaderID = 'b';
    node.lastContactMs = 1000;
    const out = stand(node, 2000);
    expect(out.list.slice(0, 2)).toMatchObject([
      { kind: 'observe', data: { kind: 'LeaderObservation', leaderAddr: '', leaderID: '' } },
      { kind: 'observe', data: { kind: 'RaftState', state: RaftState.Candidate } },
    ]);
    expect(lines[0]).toBe('warn: heartbeat timeout reached, starting election');
    expect(node.role).toBe(RaftState.Candidate);
  });

  it('takes never having heard a leader for silence (S26)', () => {
    const node = newNode();
    stand(node, 0);
    expect(node.role).toBe(RaftState.Candidate);
  });

  it('stands one to two timeouts after the last contact, whenever it looks (S26)', () => {
    for (const drawn of [0, 0.75, 1 - Number.EPSILON]) {
      for (const lookedAtMs of [5000, 5001, 5500, 5999]) {
        const node = { ...newNode(), random: { next: () => drawn } };
        node.lastContactMs = 5000;
        const [timer = ''] = timersOf(stand(node, lookedAtMs));
        const ringsAtMs = lookedAtMs + Number(timer.replace('heartbeat=', ''));
        expect(ringsAtMs).toBeCloseTo(6000 + drawn * 1000, 6);
        expect(node.role).toBe(RaftState.Follower);
        stand(node, ringsAtMs);
        expect(node.role).toBe(RaftState.Candidate);
      }
    }
  });

  it('takes a contact that a clock puts into the future for one of now', () => {
    const node = newNode();
    node.lastContactMs = 9000;
    expect(timersOf(stand(node, 5000))).toEqual(['heartbeat=1000']);
  });
});

describe('a follower that must not stand', () => {
  const others = [server('b'), server('c')];
  const nonvoter = new Configuration([...others, server('a', ServerSuffrage.Nonvoter)]);

  it.each([
    ['knows nobody', new Configuration(), 1, 'no known peers, aborting election'],
    [
      'was removed',
      new Configuration(others),
      1,
      'not part of stable configuration, aborting election',
    ],
    ['is a nonvoter', nonvoter, 1, 'not part of stable configuration, aborting election'],
    [
      'is a nonvoter in a configuration that is not committed',
      nonvoter,
      0,
      'heartbeat timeout reached, not part of a stable configuration or a non-voter, ' +
        'not triggering a leader election',
    ],
  ])('because it %s says so once and goes on listening (S30, test 19)', (...row) => {
    const [, servers, committedIndex, reason] = row;
    const { log, lines } = recordingLogger();
    const node = newNode({ servers, logger: log });
    node.configurations.committedIndex = Math.min(committedIndex, node.configurations.latestIndex);
    node.leaderAddress = 'b:1';
    const first = stand(node);
    const second = stand(node);
    expect(node).toMatchObject({ role: RaftState.Follower, leaderAddress: '' });
    expect(lines).toEqual([`warn: ${reason}`]);
    expect([timersOf(first), timersOf(second)]).toEqual([['heartbeat=1000'], ['heartbeat=1000']]);
  });

  it('stands, without a vote of its own, when only an uncommitted change leaves it out', () => {
    const node = newNode({ log: [1, 1], commitIndex: 1, config: { preVote: false } });
    noteConfiguration(node, configurationEntry(2, 1, voters('b', 'c')));
    const out = stand(node);
    expect(node).toMatchObject({ role: RaftState.Candidate, currentTerm: 2, vote: null });
    expect(only(out, 'sendVote').map(({ to }) => to.id)).toEqual(['b', 'c']);
    expect(candidacyOf(node).votes.granted).toBe(0);
  });

  it('stays quiet once it knows that the change is committed (S135)', () => {
    const node = newNode({ log: [1, 1], commitIndex: 2 });
    noteConfiguration(node, configurationEntry(2, 1, voters('b', 'c')));
    settleConfiguration(node);
    stand(node);
    expect(node.role).toBe(RaftState.Follower);
  });

  it('stands when it is a voter of an uncommitted configuration (S13, S30, test 19)', () => {
    const node = newNode({ servers: voters('a', 'b') });
    node.configurations.committedIndex = 0;
    stand(node);
    expect(node.role).toBe(RaftState.Candidate);
  });
});
