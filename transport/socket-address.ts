import type net from 'node:net';
import type { ServerAddress } from '../raft/configuration.ts';
import { RaftError } from '../raft/errors.ts';

/** The bound address is none that peers could dial. Go: `errNotAdvertisable`. */
function notAdvertisable(address: string): RaftError {
  return new RaftError(
    'ERR_NOT_ADVERTISABLE',
    `local bind address is not advertisable: expected a concrete address, got ${address}`,
  );
}

/** A host and a port. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Splits `host:port`, the host in brackets when it has colons. Throws when it is neither. */
export function splitHostPort(address: string): HostPort {
  const match = /^(?:\[([^\]]*)\]|([^:[\]]*)):(\d{1,5})$/.exec(address);
  const port = Number(match?.[3]);
  if (match === null || !(port <= 65_535)) {
    throw new RaftError(
      'ERR_INVALID_ADDRESS',
      `expected an address of the form host:port or [ipv6]:port, got ${JSON.stringify(address)}`,
    );
  }
  return { host: match[1] ?? match[2] ?? '', port };
}

/** Undoes {@link splitHostPort}. */
export function joinHostPort(host: string, port: number): ServerAddress {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

function isUnspecified(host: string): boolean {
  return host === '' || /^(0\.0\.0\.0|[0:]+|::ffff:0\.0\.0\.0)$/.test(host);
}

/** The address of a server that is listening, and the one to tell peers. */
function advertisedAddress(server: net.Server, advertise: ServerAddress | null): ServerAddress {
  if (advertise !== null) {
    if (isUnspecified(splitHostPort(advertise).host)) throw notAdvertisable(advertise);
    return advertise;
  }
  const bound = server.address();
  if (bound === null || typeof bound === 'string') {
    throw new RaftError('ERR_NOT_TCP', 'local address is not a TCP address');
  }
  const address = joinHostPort(bound.address, bound.port);
  if (isUnspecified(bound.address)) throw notAdvertisable(address);
  return address;
}

/**
 * Makes `server` listen on `bindAddr`; resolves with the address that peers are told. A server that
 * cannot be reached by any is closed again.
 */
export async function listenOn(
  server: net.Server,
  bindAddr: string,
  advertise: ServerAddress | null,
): Promise<ServerAddress> {
  const { host, port } = splitHostPort(bindAddr);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(host === '' ? { port } : { host, port }, () => {
      server.off('error', reject);
      resolve();
    });
  });
  try {
    return advertisedAddress(server, advertise);
  } catch (error) {
    server.close();
    throw error;
  }
}
