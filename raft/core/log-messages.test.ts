import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import {
  appendBy,
  appendReplied,
  beatReplied,
  candidacyOf,
  elect,
  entries,
  headerOf,
  newNode,
  only,
  preVoteFrom,
  sent,
  server,
  stand,
  step,
  voteBy,
  voteFor,
  voteFrom,
  voters,
} from '../../testing/core-fixture.ts';
import { KeptLog } from '../../testing/log-fixture.ts';
import { Configuration, ServerSuffrage } from '../configuration.ts';
import { LogType } from '../log.ts';
import { RequestPreVoteRequest } from '../messages.ts';
import type { NodeState } from './node.ts';

type Options = Parameters<typeof newNode>[0];

/** What a node writes, as level and keys by text, while `run` goes on. */
function written(options: Options, run: (node: NodeState) => void): Record<string, string> {
  const log = new KeptLog();
  run(newNode({ ...options, logger: log }));
  return Object.fromEntries(
    log.lines.map(({ message }) => [message, log.shapesOf(message).join()]),
  );
}

function preVoteBy(from: string, fields: { term: number; index?: number; lastTerm?: number }) {
  const { term, index = 9, lastTerm = 9 } = fields;
  const rpcHeader = headerOf(from);
  const logs = { lastLogIndex: index, lastLogTerm: lastTerm };
  return new RequestPreVoteRequest({ rpcHeader, term, ...logs });
}

/** Asks a node for its vote and its pre-vote. */
function asks(from: string, fields: { term: number; index?: number; lastTerm?: number }) {
  const { term, index: lastLogIndex = 9, lastTerm: lastLogTerm = 9 } = fields;
  const vote = voteBy(from, { term, lastLogIndex, lastLogTerm });
  return (node: NodeState): void => {
    step(node, { kind: 'requestPreVote', request: preVoteBy(from, fields), ticket: 1 });
    step(node, { kind: 'requestVote', request: vote, ticket: 2 });
  };
}

function append(from: string, fields: Parameters<typeof appendBy>[1]) {
  return (node: NodeState): void => {
    step(node, { kind: 'appendEntries', request: appendBy(from, fields), ticket: 1 });
  };
}

function twins(reason: string, shape: string): Record<string, string> {
  return {
    [`rejecting pre-vote request since ${reason}`]: `warn ${shape}`,
    [`rejecting vote request since ${reason}`]: `warn ${shape}`,
  };
}

const nonvoter = server('d', ServerSuffrage.Nonvoter);
const withNonvoter = new Configuration([...voters('a', 'b', 'c').servers, nonvoter]);

describe('a node that is asked for its vote logs', () => {
  it('that it does not know the candidate', () => {
    const lines = written({}, asks('x', { term: 1, index: 0, lastTerm: 0 }));
    expect(lines).toEqual(twins('node is not in configuration', 'from'));
  });

  it('that it has a leader', () => {
    const lines = written({}, (node) => {
      append('b', { term: 2, prevLogEntry: 1, prevLogTerm: 1 })(node);
      asks('c', { term: 3 })(node);
    });
    expect(lines).toEqual(twins('we have a leader', 'from leader leader-id'));
  });

  it('that the candidate is no voter', () => {
    const lines = written({ servers: withNonvoter }, (node) => {
      asks('d', { term: 1, index: 0, lastTerm: 0 })(node);
    });
    expect(lines).toEqual(twins('node is not a voter', 'from'));
  });

  it('that its own last term is greater', () => {
    const lines = written({ log: [1, 4] }, asks('c', { term: 4, index: 9, lastTerm: 3 }));
    const shape = 'candidate last-term last-candidate-term';
    expect(lines).toEqual(twins('our last term is greater', shape));
  });

  it('that its own last index is greater', () => {
    const lines = written({ log: [1, 4] }, asks('c', { term: 4, index: 1, lastTerm: 4 }));
    const shape = 'candidate last-index last-candidate-index';
    expect(lines).toEqual(twins('our last index is greater', shape));
  });

  it('that it has voted in this term', () => {
    const options = { currentTerm: 5, vote: voteFor('b', 5) };
    const vote = (from: string) => (node: NodeState) => {
      const request = voteBy(from, { term: 5, lastLogIndex: 9, lastLogTerm: 5 });
      step(node, { kind: 'requestVote', request, ticket: 1 });
    };
    const same = { 'duplicate requestVote for same term': 'info term' };
    expect(written(options, vote('c'))).toEqual(same);
    const again = { ...same, 'duplicate requestVote from': 'warn candidate' };
    expect(written(options, vote('b'))).toEqual(again);
  });

  it('that the term is newer than its own', () => {
    expect(written({}, asks('c', { term: 2 }))).toEqual({
      'received a requestPreVote with a newer term, grant the pre-vote': 'debug',
      'lost leadership because received a requestVote with a newer term': 'debug',
    });
  });
});

describe('a follower logs', () => {
  it('that it lacks the previous entry, or has another one', () => {
    const missing = written({}, append('b', { term: 2, prevLogEntry: 7, prevLogTerm: 2 }));
    expect(missing).toEqual({
      'failed to get previous log': 'warn previous-index last-index error',
    });
    const other = written(
      { log: [1, 1] },
      append('b', { term: 3, prevLogEntry: 2, prevLogTerm: 2 }),
    );
    expect(other).toEqual({ 'previous log term mis-match': 'warn ours remote' });
  });

  it('that an entry is a configuration that cannot be read', () => {
    const [entry] = entries(2, 2);
    if (entry === undefined) throw new Error('there is one entry');
    const bad = { ...entry, type: LogType.LogConfiguration, data: utf8('?') };
    const fields = { term: 2, prevLogEntry: 1, prevLogTerm: 1, entries: [bad] };
    expect(written({}, append('b', fields))).toEqual({
      'failed to append entry': 'warn index error',
    });
  });

  it('that it cuts what contradicts the leader', () => {
    const fields = { term: 3, prevLogEntry: 1, prevLogTerm: 1, entries: entries(2, 3) };
    const lines = written({ log: [1, 2] }, append('b', fields));
    expect(lines).toEqual({ 'clearing log suffix': 'warn from to' });
  });

  it('once, that it must not stand', () => {
    const stable = { servers: voters('b', 'c') };
    expect(written(stable, stand)).toEqual({
      'not part of stable configuration, aborting election': 'warn',
    });
    const unstable = (node: NodeState): void => {
      node.configurations.latestIndex = 2;
      stand(node);
      stand(node);
    };
    const log = new KeptLog();
    unstable(newNode({ servers: voters('b', 'c'), log: [1, 1], logger: log }));
    const text =
      'heartbeat timeout reached, not part of a stable configuration or a non-voter, ' +
      'not triggering a leader election';
    expect(log.lines).toEqual([{ level: 'warn', message: text, fields: {} }]);
  });
});

describe('a candidate logs', () => {
  it('that somebody knows of a newer term', () => {
    const preVote = written({}, (node) => {
      stand(node);
      preVoteFrom(node, 'b', false, 7);
    });
    const text = 'pre-vote denied: found newer term, falling back to follower';
    expect(preVote).toMatchObject({ [text]: 'debug term' });
    const vote = written({ config: { preVote: false } }, (node) => {
      stand(node);
      voteFrom(node, 'b', false, 7);
    });
    expect(vote).toMatchObject({ 'newer term discovered, fallback to follower': 'debug term' });
  });

  it('that somebody does not know pre-votes', () => {
    const lines = written({}, (node) => {
      stand(node);
      const outcome = { error: new Error('unexpected command') };
      step(node, { kind: 'preVoteReply', candidacy: candidacyOf(node), from: 'b', outcome });
    });
    expect(lines).toMatchObject({
      'target does not support pre-vote RPC, treating as granted': 'error target error term',
    });
  });
});

describe('a leader logs', () => {
  it('that a peer knows of a newer term, and that it steps down for it', () => {
    const lines = written({}, (node) => {
      const { out } = elect(node);
      const [beat] = only(out, 'sendHeartbeat');
      if (beat === undefined) throw new Error('a leader sends heartbeats');
      const [post] = only(beatReplied(node, beat, { term: 9 }), 'post');
      if (post !== undefined) step(node, post.input);
    });
    expect(lines).toMatchObject({
      'peer has newer term, stopping replication': 'error peer',
      'new leader elected, stepping down': 'warn',
    });
  });

  it('that a follower refuses entries', () => {
    const lines = written({}, (node) => {
      const { out } = elect(node);
      const [effect] = only(out, 'sendAppend');
      if (effect === undefined) throw new Error('a leader sends its first entry');
      sent(node, effect);
      appendReplied(node, effect, { success: false });
    });
    expect(lines).toMatchObject({
      'appendEntries rejected, sending older logs': 'warn peer next',
    });
  });
});
