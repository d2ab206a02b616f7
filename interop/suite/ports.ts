import { createServer } from 'node:net';
import process from 'node:process';

/** Below the ports that the system hands out for outgoing connections: they take one unasked. */
const LOWEST = 20_000;
const SLICES = 8;
const SLICE_PORTS = 1500;
const taken = new Set<number>();

/**
 * Where this process may look. Workers of one run look at the same time, and between seeing that a
 * port is free and using it another one would come.
 */
function firstPort(): number {
  const { VITEST_POOL_ID: worker } = process.env;
  return LOWEST + (Number(worker ?? process.pid) % SLICES) * SLICE_PORTS;
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

/** A loopback address that nobody listens on, and that was not handed out before. */
export async function freeAddress(): Promise<string> {
  for (;;) {
    const port = firstPort() + Math.floor(Math.random() * SLICE_PORTS);
    if (taken.has(port) || !(await isFree(port))) continue;
    taken.add(port);
    return `127.0.0.1:${port}`;
  }
}
