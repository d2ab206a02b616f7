import { copyBytes } from '../../internal/bytes.ts';
import type { Log } from '../../raft/log.ts';
import {
  AppendEntriesRequest,
  AppendEntriesResponse,
  InstallSnapshotRequest,
  InstallSnapshotResponse,
  RequestPreVoteRequest,
  RequestPreVoteResponse,
  RequestVoteRequest,
  RequestVoteResponse,
  type RPCHeader,
  type RPCReply,
  type RPCRequest,
  TimeoutNowRequest,
  TimeoutNowResponse,
} from '../../raft/messages.ts';

function copyOrNull(bytes: Uint8Array | null): Uint8Array | null {
  return bytes === null ? null : copyBytes(bytes);
}

function copyHeader(header: RPCHeader): RPCHeader {
  return Object.freeze({ ...header, id: copyOrNull(header.id), addr: copyOrNull(header.addr) });
}

function copyLog(log: Log): Log {
  return Object.freeze({
    ...log,
    data: copyOrNull(log.data),
    extensions: copyOrNull(log.extensions),
  });
}

/** A request that shares no memory with its source, as if it had been on a wire. */
export function copyRequest(request: RPCRequest): RPCRequest {
  const rpcHeader = copyHeader(request.rpcHeader);
  switch (request.kind) {
    case 'AppendEntriesRequest': {
      const entries = request.entries === null ? null : Object.freeze(request.entries.map(copyLog));
      const leader = copyOrNull(request.leader);
      return Object.freeze(new AppendEntriesRequest({ ...request, rpcHeader, leader, entries }));
    }
    case 'RequestVoteRequest': {
      const candidate = copyOrNull(request.candidate);
      return Object.freeze(new RequestVoteRequest({ ...request, rpcHeader, candidate }));
    }
    case 'RequestPreVoteRequest':
      return Object.freeze(new RequestPreVoteRequest({ ...request, rpcHeader }));
    case 'InstallSnapshotRequest': {
      const leader = copyOrNull(request.leader);
      const peers = copyOrNull(request.peers);
      const configuration = copyOrNull(request.configuration);
      const fields = { ...request, rpcHeader, leader, peers, configuration };
      return Object.freeze(new InstallSnapshotRequest(fields));
    }
    case 'TimeoutNowRequest':
      return Object.freeze(new TimeoutNowRequest({ rpcHeader }));
  }
}

/** A reply that shares no memory with its source. */
export function copyReply(reply: RPCReply): RPCReply {
  const rpcHeader = copyHeader(reply.rpcHeader);
  switch (reply.kind) {
    case 'AppendEntriesResponse':
      return Object.freeze(new AppendEntriesResponse({ ...reply, rpcHeader }));
    case 'RequestVoteResponse': {
      const peers = copyOrNull(reply.peers);
      return Object.freeze(new RequestVoteResponse({ ...reply, rpcHeader, peers }));
    }
    case 'RequestPreVoteResponse':
      return Object.freeze(new RequestPreVoteResponse({ ...reply, rpcHeader }));
    case 'InstallSnapshotResponse':
      return Object.freeze(new InstallSnapshotResponse({ ...reply, rpcHeader }));
    case 'TimeoutNowResponse':
      return Object.freeze(new TimeoutNowResponse({ rpcHeader }));
  }
}

function text(bytes: Uint8Array | null): string {
  return bytes === null ? '-' : String.fromCharCode(...bytes);
}

/** A message in one short line. */
export function describeMessage(message: RPCRequest | RPCReply): string {
  switch (message.kind) {
    case 'AppendEntriesRequest': {
      const { term, prevLogEntry, prevLogTerm, entries, leaderCommitIndex } = message;
      const carried = entries?.map((log) => `${log.index}:${log.term}`) ?? [];
      const span = carried.length < 2 ? carried.join() : `${carried[0]}..${carried.at(-1)}`;
      return `append t${term} prev ${prevLogEntry}:${prevLogTerm} [${span}] c${leaderCommitIndex}`;
    }
    case 'AppendEntriesResponse':
      return `append-reply t${message.term} ${message.success ? 'ok' : 'no'} ${message.lastLog}`;
    case 'RequestVoteRequest': {
      const how = message.leadershipTransfer ? ' transfer' : '';
      return `vote t${message.term} last ${message.lastLogIndex}:${message.lastLogTerm}${how}`;
    }
    case 'RequestPreVoteRequest':
      return `pre-vote t${message.term} last ${message.lastLogIndex}:${message.lastLogTerm}`;
    case 'RequestVoteResponse':
    case 'RequestPreVoteResponse': {
      const what = message.kind === 'RequestVoteResponse' ? 'vote' : 'pre-vote';
      return `${what}-reply t${message.term} ${message.granted ? 'yes' : 'no'}`;
    }
    case 'InstallSnapshotRequest':
      return `snapshot t${message.term} last ${message.lastLogIndex}:${message.lastLogTerm}`;
    case 'InstallSnapshotResponse':
      return `snapshot-reply t${message.term} ${message.success ? 'ok' : 'no'}`;
    case 'TimeoutNowRequest':
      return `timeout-now from ${text(message.rpcHeader.id)}`;
    case 'TimeoutNowResponse':
      return 'timeout-now-reply';
  }
}
