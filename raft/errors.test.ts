import { describe, expect, it } from 'vitest';
import * as errors from './errors.ts';

const { asError, isKeyNotFound, RaftError } = errors;

/** What hashicorp's errors say (S165). */
const texts: Record<string, string> = {
  ErrLeader: 'node is the leader',
  ErrNotLeader: 'node is not the leader',
  ErrNotVoter: 'node is not a voter',
  ErrLeadershipLost: 'leadership lost while committing log',
  ErrAbortedByRestore: 'snapshot restored while committing log',
  ErrRaftShutdown: 'raft is already shutdown',
  ErrEnqueueTimeout: 'timed out enqueuing operation',
  ErrNothingNewToSnapshot: 'nothing new to snapshot',
  ErrUnsupportedProtocol: 'operation not supported with current protocol version',
  ErrCantBootstrap: 'bootstrap only works on new clusters',
  ErrLeadershipTransferInProgress: 'leadership transfer in progress',
  ErrTransportShutdown: 'transport shutdown',
  ErrPipelineShutdown: 'append pipeline closed',
  ErrLogNotFound: 'log not found',
  ErrPipelineReplicationNotSupported: 'pipeline replication not supported',
  ErrKeyNotFound: 'not found',
};

const singletons = Object.entries(errors).filter(
  (named): named is [string, errors.RaftError] => named[1] instanceof RaftError,
);

describe('the errors that are compared by identity', () => {
  it('are all of Go’s, in its words (S165)', () => {
    const said = Object.fromEntries(singletons.map(([name, { message }]) => [name, message]));
    expect(said).toEqual(texts);
  });

  it('have stable codes, each its own', () => {
    const codes = singletons.map(([, { code }]) => code);
    expect(new Set(codes).size).toBe(codes.length);
    for (const [name, { code }] of singletons) {
      expect(code).toBe(name.replace(/[A-Z]/g, '_$&').slice(1).toUpperCase());
    }
  });

  it('cannot be changed, and print without a stack', () => {
    for (const [, error] of singletons) {
      expect(Object.isFrozen(error)).toBe(true);
      expect(error.stack).toBe(`RaftError [${error.code}]: ${error.message}`);
    }
  });
});

describe('isKeyNotFound', () => {
  it('knows the error by identity and by its text, as Go does (S116)', () => {
    expect(isKeyNotFound(errors.ErrKeyNotFound)).toBe(true);
    expect(isKeyNotFound(new Error('not found'))).toBe(true);
    expect(isKeyNotFound(new Error('key not found'))).toBe(false);
    expect(isKeyNotFound('not found')).toBe(false);
  });
});

describe('asError', () => {
  it('leaves errors alone and wraps what else was thrown', () => {
    const error = new RaftError('ERR_X', 'x', { cause: 'y' });
    expect(asError(error)).toBe(error);
    expect(error).toMatchObject({ name: 'RaftError', code: 'ERR_X', cause: 'y' });
    expect(asError('text')).toEqual(new Error('text'));
    expect(asError(undefined).message).toBe('undefined');
  });
});
