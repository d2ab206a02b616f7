import { describe, expect, it } from 'vitest';
import { Channel } from '../internal/channel.ts';
import { type Clock, systemClock } from '../internal/clock.ts';
import { silentLogger } from '../raft/logger.ts';
import {
  NetworkTransport,
  newNetworkTransport,
  newNetworkTransportWithConfig,
} from './network-transport.ts';
import type { StreamConnection, StreamLayer } from './stream-layer.ts';

/** Timers that ring when told to. */
class ManualClock implements Clock {
  readonly delays: number[] = [];
  readonly rings = new Set<() => void>();
  monotonicMs = () => 0;
  wallTime = () => systemClock.wallTime();
  afterIO = (resume: () => void) => systemClock.afterIO(resume);
  setTimer(delayMs: number, ring: () => void): { cancel(): void } {
    this.delays.push(delayMs);
    this.rings.add(ring);
    return { cancel: () => this.rings.delete(ring) };
  }
  ringAll(): void {
    for (const ring of this.rings) {
      this.rings.delete(ring);
      ring();
    }
  }
}

async function until(isTrue: () => boolean): Promise<void> {
  while (!isTrue()) await new Promise((resolve) => setTimeout(resolve, 1));
}

describe('listening', () => {
  it('failures to accept are retried after 5 ms, doubled up to 1 s (S188, test 137)', async () => {
    const clock = new ManualClock();
    const lines: string[] = [];
    const refusing = new Channel<void>(100);
    const layer: StreamLayer = {
      accept: async (): Promise<StreamConnection> => {
        refusing.trySend();
        throw new Error('accept failed');
      },
      addr: () => 'nowhere:1',
      close: async () => {},
      dial: () => Promise.reject(new Error('no')),
    };
    const logger = { ...silentLogger, error: (_f: object, text: string) => lines.push(text) };
    const transport = new NetworkTransport({
      stream: layer,
      maxPool: 1,
      timeout: 1,
      logger,
      clock,
    });
    for (let i = 0; i < 11; i += 1) {
      await refusing.receive();
      await until(() => clock.delays.length === i + 1);
      clock.ringAll();
    }
    expect(clock.delays).toEqual([5, 10, 20, 40, 80, 160, 320, 640, 1000, 1000, 1000]);
    expect(lines).toEqual(Array.from({ length: 11 }, () => 'failed to accept connection'));
    await transport.close();
    expect(clock.rings.size).toBe(0);
  });

  it('one that succeeds lets the pauses begin anew (S188)', async () => {
    const clock = new ManualClock();
    let calls = 0;
    const stream: StreamConnection = {
      localAddress: 'a:1',
      remoteAddress: 'b:1',
      closed: Promise.resolve(),
      start() {},
      write: () => true,
      pause() {},
      resume() {},
      end() {},
      destroy() {},
    };
    const accept = (): Promise<StreamConnection> => {
      calls += 1;
      return calls % 4 === 0 ? Promise.resolve(stream) : Promise.reject(new Error('failed'));
    };
    const dial = () => Promise.reject(new Error('no'));
    const layer: StreamLayer = { accept, addr: () => 'nowhere:1', close: async () => {}, dial };
    const transport = newNetworkTransportWithConfig({
      stream: layer,
      maxPool: 1,
      timeout: 1,
      logger: silentLogger,
      clock,
    });
    for (let i = 1; i <= 6; i += 1) {
      await until(() => clock.delays.length === i);
      clock.ringAll();
    }
    expect(clock.delays).toEqual([5, 10, 20, 5, 10, 20]);
    await transport.close();
  });

  it('lines of the default logger are hclog lines', async () => {
    const lines: string[] = [];
    let failures = 0;
    const accept = (): Promise<StreamConnection> => {
      failures += 1;
      if (failures === 1) return Promise.reject(new Error('too many "files"'));
      return new Promise(() => {});
    };
    const dial = () => Promise.reject(new Error('no'));
    const layer: StreamLayer = { accept, addr: () => 'nowhere:1', close: async () => {}, dial };
    const transport = newNetworkTransport(layer, 1, 1, { write: (line) => lines.push(line) });
    await until(() => lines.length > 0);
    await transport.close();
    const [moment, ...rest] = (lines[0] ?? '').split(' ');
    expect(moment).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    expect(rest.join(' ')).toBe(
      '[ERROR] raft-net: failed to accept connection: error="too many \\"files\\""\n',
    );
    expect(lines).toHaveLength(1);
  });
});
