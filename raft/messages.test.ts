import { describe, expect, it } from 'vitest';
import { utf8 } from '../internal/bytes.ts';
import {
  AppendEntriesRequest,
  AppendEntriesResponse,
  emptyHeader,
  InstallSnapshotRequest,
  InstallSnapshotResponse,
  isHeartbeat,
  RequestPreVoteRequest,
  RequestPreVoteResponse,
  RequestVoteRequest,
  RequestVoteResponse,
  TimeoutNowRequest,
  TimeoutNowResponse,
} from './messages.ts';

describe('a message', () => {
  it('has Go’s zero values where nothing is given', () => {
    expect({ ...new AppendEntriesRequest({}) }).toEqual({
      kind: 'AppendEntriesRequest',
      rpcHeader: emptyHeader,
      term: 0,
      leader: null,
      prevLogEntry: 0,
      prevLogTerm: 0,
      entries: null,
      leaderCommitIndex: 0,
    });
    expect(new AppendEntriesResponse({})).toMatchObject({ term: 0, lastLog: 0, success: false });
    expect(new AppendEntriesResponse({}).noRetryBackoff).toBe(false);
    expect(new RequestVoteRequest({})).toMatchObject({
      candidate: null,
      leadershipTransfer: false,
    });
    expect(new RequestVoteRequest({})).toMatchObject({ term: 0, lastLogIndex: 0, lastLogTerm: 0 });
    expect(new RequestVoteResponse({})).toMatchObject({ term: 0, peers: null, granted: false });
    expect(new RequestPreVoteRequest({})).toMatchObject({
      term: 0,
      lastLogIndex: 0,
      lastLogTerm: 0,
    });
    expect(new RequestPreVoteResponse({})).toMatchObject({ term: 0, granted: false });
    expect({ ...new InstallSnapshotRequest({}) }).toEqual({
      kind: 'InstallSnapshotRequest',
      rpcHeader: emptyHeader,
      snapshotVersion: 0,
      term: 0,
      leader: null,
      lastLogIndex: 0,
      lastLogTerm: 0,
      peers: null,
      configuration: null,
      configurationIndex: 0,
      size: 0,
    });
    expect(new InstallSnapshotResponse({})).toMatchObject({ term: 0, success: false });
    expect(new TimeoutNowRequest()).toMatchObject({ kind: 'TimeoutNowRequest' });
    expect(new TimeoutNowResponse()).toMatchObject({ kind: 'TimeoutNowResponse' });
  });

  it('says who sent it', () => {
    const rpcHeader = { protocolVersion: 3, id: utf8('a'), addr: utf8('a:1') };
    expect(new TimeoutNowRequest({ rpcHeader }).getRPCHeader()).toBe(rpcHeader);
    expect(new TimeoutNowResponse().getRPCHeader()).toBe(emptyHeader);
  });
});

describe('a heartbeat', () => {
  const named = { protocolVersion: 3, id: utf8('a'), addr: utf8('a:1') };
  const entry = { index: 1, term: 1, type: 0, data: null, extensions: null } as const;

  it.each([
    ['by the header', { term: 2, rpcHeader: named }, true],
    ['by the old field', { term: 2, leader: utf8('a:1') }, true],
    ['with an empty list', { term: 2, rpcHeader: named, entries: [] }, true],
    ['of no term', { rpcHeader: named }, false],
    ['of nobody', { term: 2 }, false],
    ['of nobody, by empty names', { term: 2, leader: utf8('') }, false],
    ['with a previous entry', { term: 2, rpcHeader: named, prevLogEntry: 1 }, false],
    ['with a previous term', { term: 2, rpcHeader: named, prevLogTerm: 1 }, false],
    ['with a commit index', { term: 2, rpcHeader: named, leaderCommitIndex: 1 }, false],
    [
      'with entries',
      { term: 2, rpcHeader: named, entries: [{ ...entry, appendedAt: null }] },
      false,
    ],
  ])('%s: %o (S185)', (_what, fields, expected) => {
    expect(isHeartbeat(new AppendEntriesRequest(fields as never))).toBe(expected);
  });

  it('is no other request (S185)', () => {
    expect(isHeartbeat(new RequestVoteRequest({ term: 2, rpcHeader: named }))).toBe(false);
  });
});
