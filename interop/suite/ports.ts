import { createServer } from 'node:net';

const LOWEST = 20_000;
const HIGHEST = 32_000;
const taken = new Set<number>();

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/**
 * A loopback address that nobody listens on. Below the ports that the system hands out for outgoing
 * connections, so that it stays free until it is used.
 */
export async function freeAddress(): Promise<string> {
  for (;;) {
    const port = LOWEST + Math.floor(Math.random() * (HIGHEST - LOWEST));
    if (taken.has(port) || !(await isFree(port))) continue;
    taken.add(port);
    return `127.0.0.1:${port}`;
  }
}
