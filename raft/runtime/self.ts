import { utf8 } from '../../internal/bytes.ts';
import type { Config } from '../config.ts';
import type { CoreConfig, Self } from '../core/node.ts';
import { RaftError } from '../errors.ts';
import type { FSM } from '../fsm.ts';
import type { LogStore } from '../log.ts';
import type { SnapshotStore } from '../snapshot.ts';
import type { StableStore } from '../stable.ts';
import type { Transport } from '../transport.ts';

/** Everything a node is made of that comes from outside. */
export interface Parts {
  readonly config: Config;
  readonly fsm: FSM;
  readonly logs: LogStore;
  readonly stable: StableStore;
  readonly snaps: SnapshotStore;
  readonly trans: Transport;
}

/** Who a node is, by its config and its transport. */
export function selfOf(config: Config, trans: Transport): Self {
  const address = trans.localAddr();
  if (config.protocolVersion < 3 && config.localID !== address) {
    throw new RaftError(
      'ERR_INVALID_CONFIG',
      'when running with ProtocolVersion < 3, LocalID must be set to the network address',
    );
  }
  const encodePeer = trans.encodePeer.bind(trans);
  return {
    id: config.localID,
    address,
    header: {
      protocolVersion: config.protocolVersion,
      id: utf8(config.localID),
      addr: encodePeer(config.localID, address),
    },
    encodePeer,
    decodePeer: trans.decodePeer.bind(trans),
  };
}

/** What does not answer for this many election timeouts, and at least 10 s, is given up. */
const PATIENCE_ELECTION_TIMEOUTS = 10;
const MIN_PATIENCE_MS = 10_000;

/** How long whoever sends a snapshot may be silent before it is given up. */
export function silenceLimitMs(config: Config): number {
  return Math.max(MIN_PATIENCE_MS, PATIENCE_ELECTION_TIMEOUTS * config.electionTimeout);
}

/** How long a write may take before its disk is given up. */
export function diskLimitMs(config: Config): number {
  return config.diskTimeout ?? silenceLimitMs(config);
}

/** The part of the config that the rules read. */
export function coreConfigOf(config: Config, preVote: boolean): CoreConfig {
  return {
    protocolVersion: config.protocolVersion,
    heartbeatTimeoutMs: config.heartbeatTimeout,
    electionTimeoutMs: config.electionTimeout,
    commitTimeoutMs: config.commitTimeout,
    leaderLeaseTimeoutMs: config.leaderLeaseTimeout,
    maxAppendEntries: config.maxAppendEntries,
    trailingLogs: config.trailingLogs,
    shutdownOnRemove: config.shutdownOnRemove,
    preVote,
  };
}
