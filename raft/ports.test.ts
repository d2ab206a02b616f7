import { describe, expect, it } from 'vitest';
import { utf8, utf8ToString } from '../internal/bytes.ts';
import { ChannelClosedError } from '../internal/channel.ts';
import { ErrKeyNotFound } from './errors.ts';
import { type FSM, isBatchingFSM, isConfigurationStore } from './fsm.ts';
import { silentLogger } from './logger.ts';
import { TimeoutNowRequest, TimeoutNowResponse } from './messages.ts';
import {
  isAtomicStable,
  KEY_CURRENT_TERM,
  KEY_LAST_VOTE_CANDIDATE,
  KEY_LAST_VOTE_TERM,
  readBytes,
  readUint64,
  type StableStore,
} from './stable.ts';
import { RaftState, raftStateToString } from './state.ts';
import {
  RPC,
  type RPCResponse,
  supportsClose,
  supportsPreVote,
  type Transport,
} from './transport.ts';

const fsm: FSM = { apply: () => {}, snapshot: () => expect.fail(), restore: () => {} };

describe('what an FSM can do', () => {
  it('is nothing beyond the port unless it says so', () => {
    expect([isBatchingFSM(fsm), isConfigurationStore(fsm)]).toEqual([false, false]);
    expect(isBatchingFSM({ ...fsm, applyBatch: () => [] } as FSM)).toBe(true);
    expect(isBatchingFSM({ ...fsm, applyBatch: 1 } as FSM)).toBe(false);
    expect(isConfigurationStore({ ...fsm, storeConfiguration: () => {} } as FSM)).toBe(true);
    expect(isConfigurationStore({ ...fsm, storeConfiguration: 1 } as FSM)).toBe(false);
  });
});

describe('the states of a node', () => {
  it('have Go’s numbers and names (S203)', () => {
    expect(RaftState).toEqual({ Follower: 0, Candidate: 1, Leader: 2, Shutdown: 3 });
    const states: number[] = [0, 1, 2, 3, 4];
    expect(states.map((state) => raftStateToString(state as RaftState))).toEqual([
      'Follower',
      'Candidate',
      'Leader',
      'Shutdown',
      'Unknown',
    ]);
  });
});

describe('a stable store', () => {
  const holding = (value: Uint8Array, number: number): StableStore => ({
    set: () => {},
    setUint64: () => {},
    get: () => value,
    getUint64: () => number,
  });
  const failing = (error: Error): StableStore => ({
    ...holding(new Uint8Array(), 0),
    get: () => Promise.reject(error),
    getUint64: () => {
      throw error;
    },
  });

  it('has Go’s keys (S170)', () => {
    const keys = [KEY_CURRENT_TERM, KEY_LAST_VOTE_TERM, KEY_LAST_VOTE_CANDIDATE];
    expect(keys.map(utf8ToString)).toEqual(['CurrentTerm', 'LastVoteTerm', 'LastVoteCand']);
  });

  it('may say in three ways that it has no value (S116)', async () => {
    for (const error of [ErrKeyNotFound, new Error('not found')]) {
      expect(await readUint64(failing(error), KEY_CURRENT_TERM)).toBe(0);
      expect(await readBytes(failing(error), KEY_CURRENT_TERM)).toBeNull();
    }
    expect(await readBytes(holding(new Uint8Array(), 0), KEY_CURRENT_TERM)).toBeNull();
    expect(await readUint64(holding(new Uint8Array(), 0), KEY_CURRENT_TERM)).toBe(0);
  });

  it('gives what it has, and every other error', async () => {
    expect(await readUint64(holding(utf8('x'), 7), KEY_CURRENT_TERM)).toBe(7);
    expect(await readBytes(holding(utf8('x'), 7), KEY_CURRENT_TERM)).toEqual(utf8('x'));
    const broken = new Error('disk on fire');
    await expect(readUint64(failing(broken), KEY_CURRENT_TERM)).rejects.toBe(broken);
    await expect(readBytes(failing(broken), KEY_CURRENT_TERM)).rejects.toBe(broken);
  });

  it('writes several keys at once only when it says so', () => {
    const plain = holding(new Uint8Array(), 0);
    expect(isAtomicStable(plain)).toBe(false);
    expect(isAtomicStable({ ...plain, setMany: () => {} } as StableStore)).toBe(true);
    expect(isAtomicStable({ ...plain, setMany: true } as StableStore)).toBe(false);
  });
});

describe('what a transport can do', () => {
  it('is nothing beyond the port unless it says so', () => {
    const transport = (more: object) => more as Transport;
    expect(supportsPreVote(transport({}))).toBe(false);
    expect(supportsPreVote(transport({ requestPreVote: () => {} }))).toBe(true);
    expect(supportsPreVote(transport({ requestPreVote: 1 }))).toBe(false);
    expect(supportsClose(transport({}))).toBe(false);
    expect(supportsClose(transport({ close: () => {} }))).toBe(true);
    expect(supportsClose(transport({ close: 1 }))).toBe(false);
  });
});

describe('a request that arrived', () => {
  it('is answered once', () => {
    const answers: RPCResponse[] = [];
    const rpc = new RPC(new TimeoutNowRequest(), null, (answer) => answers.push(answer));
    const response = new TimeoutNowResponse();
    rpc.respond(response, null);
    rpc.respond(null, new Error('too late'));
    expect(answers).toEqual([{ response, error: null }]);
    expect([rpc.command.kind, rpc.reader]).toEqual(['TimeoutNowRequest', null]);
  });

  it('is answered through its channel as well, and still once', async () => {
    const answers: RPCResponse[] = [];
    const [sent, tried] = [0, 1].map(
      () => new RPC(new TimeoutNowRequest(), null, (answer) => answers.push(answer)),
    );
    const answer = { response: new TimeoutNowResponse(), error: null };
    await sent?.respChan.send(answer);
    expect(tried?.respChan.trySend(answer)).toBe(true);
    expect(answers).toEqual([answer, answer]);
    await expect(sent?.respChan.send(answer)).rejects.toBeInstanceOf(ChannelClosedError);
    expect(tried?.respChan.trySend(answer)).toBe(false);
    tried?.respond(null, new Error('too late'));
    expect(answers).toHaveLength(2);
  });
});

describe('the silent logger', () => {
  it('takes every line and cannot be changed', () => {
    for (const level of ['trace', 'debug', 'info', 'warn', 'error'] as const) {
      expect(silentLogger[level]({}, 'x')).toBeUndefined();
    }
    expect(Object.isFrozen(silentLogger)).toBe(true);
  });
});
