import { utf8 } from '../../internal/bytes.ts';
import type { Config } from '../config.ts';
import type { Self } from '../core/node.ts';
import { RaftError } from '../errors.ts';
import type { Transport } from '../transport.ts';

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
