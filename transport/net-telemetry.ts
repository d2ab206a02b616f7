import { isHeartbeat, type RPCRequest } from '../raft/messages.ts';
import {
  type Instruments,
  instrumentsOf,
  type Meter,
  type MetricLabels,
  silentMeter,
} from '../raft/metrics.ts';

function labelled(rpcType: string): MetricLabels {
  return Object.freeze({ rpcType });
}

const HEARTBEAT = labelled('Heartbeat');
const LABELS: Readonly<Record<RPCRequest['kind'], MetricLabels>> = {
  AppendEntriesRequest: labelled('AppendEntries'),
  RequestVoteRequest: labelled('RequestVote'),
  RequestPreVoteRequest: labelled('RequestPreVote'),
  InstallSnapshotRequest: labelled('InstallSnapshot'),
  TimeoutNowRequest: labelled('TimeoutNow'),
};

/** The label of what is measured of a request. Made once: a request costs no object. */
export function labelsOf(request: RPCRequest): MetricLabels {
  return isHeartbeat(request) ? HEARTBEAT : LABELS[request.kind];
}

/** What the serving side of a transport measures. */
export type NetInstruments = Instruments<
  'raft.net.getRPCType' | 'raft.net.rpcDecode' | 'raft.net.rpcEnqueue' | 'raft.net.rpcRespond'
>;

/** The instruments of the serving side. */
export function netInstruments(meter: Meter): NetInstruments {
  return instrumentsOf(meter, [
    'raft.net.getRPCType',
    'raft.net.rpcDecode',
    'raft.net.rpcEnqueue',
    'raft.net.rpcRespond',
  ]);
}

/** Instruments that measure nothing, until a node gives its meter. */
export const silentNetInstruments: NetInstruments = netInstruments(silentMeter);
