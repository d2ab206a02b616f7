import { describe, it } from 'vitest';
import { silentLogger } from '../raft/logger.ts';
import { supportsClose } from '../raft/transport.ts';
import { transportConformance } from '../testing/conformance/transport.ts';
import { newInmemTransportWithTimeout } from './inmem-transport.ts';
import { newTCPTransport } from './tcp-stream-layer.ts';

describe('InmemTransport', () => {
  const cases = transportConformance({
    open() {
      const [, caller] = newInmemTransportWithTimeout('', 5000);
      const [address, server] = newInmemTransportWithTimeout('', 5000);
      caller.connect(address, server);
      return { caller, server };
    },
    async close({ caller, server }) {
      for (const end of [caller, server]) if (supportsClose(end)) await end.close();
    },
  });
  it.each(cases.map((c) => [c.name, c] as const))('%s', (_name, { run }) => run());
});

describe.each(['127.0.0.1:0', '[::1]:0'])('NetworkTransport over TCP on %s', (address) => {
  const cases = transportConformance({
    async open() {
      const caller = await newTCPTransport(address, null, 3, 5000, silentLogger);
      const server = await newTCPTransport(address, null, 3, 5000, silentLogger);
      return { caller, server };
    },
    async close({ caller, server }) {
      for (const end of [caller, server]) if (supportsClose(end)) await end.close();
    },
  });
  it.each(cases.map((c) => [c.name, c] as const))('%s', (_name, { run }) => run());
});
