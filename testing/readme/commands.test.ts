import { describe, expect, it } from 'vitest';
import { portsIn, requestOf, withPorts } from './commands.ts';

describe('requestOf', () => {
  it('reads a line as curl would', () => {
    expect(requestOf('curl http://x/y')).toEqual({ method: 'GET', url: 'http://x/y' });
    expect(requestOf("curl -L -X PUT --data-binary 'a b' http://x/y")).toEqual({
      method: 'PUT',
      url: 'http://x/y',
      body: 'a b',
    });
  });

  it('refuses what it does not understand', () => {
    expect(() => requestOf('curl --compressed http://x/y')).toThrow('--compressed');
    expect(() => requestOf('curl -L')).toThrow('no URL');
  });
});

describe('ports', () => {
  it('are found and replaced', () => {
    const line = 'main.js --raft 127.0.0.1:7001 --join http://127.0.0.1:8001 --http 127.0.0.1:8001';
    expect(portsIn([line, line])).toEqual(['7001', '8001']);
    const ports = new Map([['8001', 9]]);
    expect(withPorts(line, ports)).toBe(
      'main.js --raft 127.0.0.1:7001 --join http://127.0.0.1:9 --http 127.0.0.1:9',
    );
  });
});
