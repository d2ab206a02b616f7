import { describe, expect, it } from 'vitest';
import { Configuration, ServerSuffrage } from './configuration.ts';
import {
  decodeConfiguration,
  decodePeers,
  encodeConfiguration,
  encodePeers,
} from './configuration-codec.ts';
import { RaftError } from './errors.ts';

const peers = {
  encodePeer: (_id: string, address: string) => new TextEncoder().encode(address),
  decodePeer: (bytes: Uint8Array) => new TextDecoder().decode(bytes),
};

const three = new Configuration([
  { suffrage: ServerSuffrage.Voter, id: 'a', address: 'b' },
  { suffrage: ServerSuffrage.Nonvoter, id: 'ünïcode', address: 'x'.repeat(40) },
  { suffrage: ServerSuffrage.Staging, id: '', address: '[::1]:80' },
]);

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}

function bytes(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));
}

describe('encodeConfiguration', () => {
  it('writes what Go writes', () => {
    expect(hex(encodeConfiguration(new Configuration()))).toBe('81a753657276657273c0');
    const one = new Configuration([three.servers[0] ?? expect.fail()]);
    expect(hex(encodeConfiguration(one))).toBe(
      '81a7536572766572739183a741646472657373a162a24944a161a8537566667261676500',
    );
  });

  it('gives exactly its bytes, in memory of their own', () => {
    const encoded = encodeConfiguration(three);
    expect(encoded.buffer.byteLength).toBe(encoded.length);
  });
});

describe('decodeConfiguration', () => {
  it('reads back what was written (test 87)', () => {
    expect(decodeConfiguration(encodeConfiguration(three))).toEqual(three);
    expect(decodeConfiguration(encodeConfiguration(new Configuration())).servers).toEqual([]);
  });

  it('does not care about forms that Go does not care about', () => {
    // The outer struct as an array; the server as an array, its strings as bin8, str8 and raw16.
    const liberal = bytes('91 91 93 d1 0001 c4 01 61 d9 01 62');
    expect(decodeConfiguration(liberal).servers).toEqual([
      { suffrage: ServerSuffrage.Nonvoter, id: 'a', address: 'b' },
    ]);
    // Keys in another order, one unknown, one twice: the last one counts.
    const shuffled = bytes(
      '81 a7 53657276657273 91 84 a2 4944 a1 78 a3 466f6f 82 01 90 02 c0 a2 4944 a1 61' +
        'a7 41646472657373 da 0001 62',
    );
    expect(decodeConfiguration(shuffled).servers).toEqual([
      { suffrage: ServerSuffrage.Voter, id: 'a', address: 'b' },
    ]);
  });

  it.each([
    ['nothing', '', /expected a whole value/],
    ['a number', '07', /expected a struct as a map or an array, got 0x07/],
    ['a truncated server', '81 a7 53657276657273 91', /expected a whole value/],
    ['an unknown suffrage', '91 91 93 03 a1 61 a1 62', /Servers: Suffrage: expected a suffrage/],
    ['a count that lies', '91 dd 7f ff ff ff', /expected a message of at most/],
    ['too many servers', `91 dd 00 01 00 01 ${'c0'.repeat(65_537)}`, /at most 65536 elements/],
    ['an id that is no UTF-8', '91 91 93 00 a1 ff a1 62', /Servers: ID: expected a name in UTF-8/],
    ['a float for a number', '91 91 91 ca 00000000', /expected a whole number, got 0xca/],
  ])('refuses %s', (_what, text, message) => {
    const decode = () => decodeConfiguration(bytes(text));
    expect(decode).toThrow(RaftError);
    expect(decode).toThrow(message);
    expect(decode).toThrow(expect.objectContaining({ code: 'ERR_MALFORMED_CONFIGURATION' }));
  });
});

describe('legacy peers', () => {
  it('hold the addresses of voters only (test 86)', () => {
    const two = new Configuration([
      { suffrage: ServerSuffrage.Voter, id: 'id', address: 'over here' },
      { suffrage: ServerSuffrage.Nonvoter, id: 'n', address: 'not me' },
    ]);
    expect(hex(encodePeers(two, peers))).toBe('91a96f7665722068657265');
    expect(decodePeers(encodePeers(two, peers), peers).servers).toEqual([
      { suffrage: ServerSuffrage.Voter, id: 'over here', address: 'over here' },
    ]);
  });

  it('give back three voters whose id is their address (test 86)', () => {
    const voters = ['a', 'b', 'c'].map((name) => ({
      suffrage: ServerSuffrage.Voter,
      id: name,
      address: name,
    }));
    const configuration = new Configuration(voters);
    expect(decodePeers(encodePeers(configuration, peers), peers)).toEqual(configuration);
  });

  it('are nil without voters', () => {
    expect(hex(encodePeers(new Configuration(), peers))).toBe('c0');
    expect(decodePeers(bytes('c0'), peers).servers).toEqual([]);
  });

  it('that are garbage give a RaftError', () => {
    expect(() => decodePeers(bytes('a1 61'), peers)).toThrow(/failed to decode peers: expected an/);
  });
});
