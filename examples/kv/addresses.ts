/** A host and a port as on a command line: `127.0.0.1:8001`, `[::1]:8001`, `db1:8001`. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

const pattern = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]/@]+)):(\d{1,5})$/;

/** Reads `host:port`; `undefined` for anything else, port 0 included. */
export function parseHostPort(text: string): HostPort | undefined {
  const match = pattern.exec(text);
  if (match === null) return undefined;
  const host = match[1] ?? match[2] ?? '';
  const port = Number(match[3]);
  return port >= 1 && port <= 65_535 ? { host, port } : undefined;
}

/** True for the addresses that mean "every interface", where nobody can be reached. */
export function isUnspecifiedHost(host: string): boolean {
  return host === '0.0.0.0' || /^[0:]+$/.test(host);
}

const MAX_ID_LENGTH = 128;

/** True for a name that may stand in an address and on one line of a log. */
export function isMemberID(value: unknown): value is string {
  return (
    typeof value === 'string' && value.length <= MAX_ID_LENGTH && /^[A-Za-z0-9._-]+$/.test(value)
  );
}
