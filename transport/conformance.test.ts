import { beforeAll, describe, expect, it } from 'vitest';
import { silentLogger } from '../raft/logger.ts';
import { supportsClose } from '../raft/transport.ts';
import { TestAuthority } from '../testing/certificates.ts';
import {
  type TransportFactory,
  type TransportPair,
  transportConformance,
} from '../testing/conformance/transport.ts';
import { newInmemTransportWithTimeout } from './inmem-transport.ts';
import { newTCPTransport, newTCPTransportWithConfig } from './tcp-stream-layer.ts';
import { newTLSTransport, type TLSCredentials } from './tls-stream-layer.ts';

async function close({ caller, server }: TransportPair): Promise<void> {
  for (const end of [caller, server]) if (supportsClose(end)) await end.close();
}

function hold(factory: TransportFactory): void {
  const cases = transportConformance(factory);
  it.each(cases.map((c) => [c.name, c] as const))('%s', (_name, { run }) => run());
}

describe('InmemTransport', () => {
  hold({
    open() {
      const [, caller] = newInmemTransportWithTimeout('', 5000);
      const [address, server] = newInmemTransportWithTimeout('', 5000);
      caller.connect(address, server);
      return { caller, server };
    },
    close,
  });
});

describe.each(['127.0.0.1:0', '[::1]:0'])('NetworkTransport over TCP on %s', (address) => {
  hold({
    async open() {
      const caller = await newTCPTransport(address, null, 3, 5000, silentLogger);
      const server = await newTCPTransport(address, null, 3, 5000, silentLogger);
      return { caller, server };
    },
    close,
  });
});

describe('NetworkTransport with an address provider, many in flight, and the new times', () => {
  let lookUps = 0;
  hold({
    async open() {
      const config = { maxPool: 3, timeout: 5000, logger: silentLogger };
      const server = await newTCPTransportWithConfig('127.0.0.1:0', null, config);
      const caller = await newTCPTransportWithConfig('127.0.0.1:0', null, {
        ...config,
        maxRPCsInFlight: 130,
        msgpackUseNewTimeFormat: true,
        serverAddressProvider: {
          serverAddr: async () => {
            lookUps += 1;
            return server.localAddr();
          },
        },
      });
      return { caller, server };
    },
    close,
  });
  it('asks the provider', () => expect(lookUps).toBeGreaterThan(20));
});

describe('NetworkTransport over TLS', () => {
  let credentials: TLSCredentials;
  beforeAll(async () => {
    credentials = await (await TestAuthority.create('cluster')).member();
  });
  hold({
    async open() {
      const open = () =>
        newTLSTransport('127.0.0.1:0', null, credentials, {
          maxPool: 3,
          timeout: 5000,
          logger: silentLogger,
        });
      return { caller: await open(), server: await open() };
    },
    close,
  });
});
