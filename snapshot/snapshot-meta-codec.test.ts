import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { utf8 } from '../internal/bytes.ts';
import { Crc64 } from '../internal/crc64.ts';
import { Configuration } from '../raft/configuration.ts';
import { RaftError } from '../raft/errors.ts';
import { decodeSnapshotMeta, encodeSnapshotMeta } from './snapshot-meta-codec.ts';

// Written by hashicorp/raft v1.7.3, for the 13 bytes of STATE.
const GOLDEN =
  '{"Version":1,"ID":"3-10-1795249495969","Index":10,"Term":3,' +
  '"Peers":"kq4xMjcuMC4wLjE6NzAwMa4xMjcuMC4wLjE6NzAwMw==",' +
  '"Configuration":{"Servers":[' +
  '{"Suffrage":0,"ID":"a\\u003cb\\u003e\\u0026c","Address":"127.0.0.1:7001"},' +
  '{"Suffrage":1,"ID":"héllo\\u2028\\"\\\\\\n\\u0001\x7f","Address":"127.0.0.1:7002"},' +
  '{"Suffrage":0,"ID":"c","Address":"127.0.0.1:7003"}]},' +
  '"ConfigurationIndex":2,"Size":13,"CRC":"WJ5o9c7iucU="}\n';
const GOLDEN_EMPTY =
  '{"Version":1,"ID":"3-11-1795249495984","Index":11,"Term":3,"Peers":"wA==",' +
  '"Configuration":{"Servers":null},"ConfigurationIndex":2,"Size":0,"CRC":"AAAAAAAAAAA="}\n';
const STATE = stateBytes(13);

function stateBytes(length: number): Uint8Array {
  let state = 1;
  return new Uint8Array(length).map(() => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0;
    return state >>> 24;
  });
}

describe('meta.json', () => {
  it('is read and written as Go wrote it, byte for byte', () => {
    for (const text of [GOLDEN, GOLDEN_EMPTY]) {
      expect(encodeSnapshotMeta(decodeSnapshotMeta(text))).toBe(text);
    }
    const { meta, crc } = decodeSnapshotMeta(GOLDEN);
    expect(meta).toMatchObject({ version: 1, id: '3-10-1795249495969', index: 10, term: 3 });
    expect(meta).toMatchObject({ configurationIndex: 2, size: STATE.length });
    expect(meta.configuration.servers[1]).toEqual({
      suffrage: 1,
      id: 'héllo\u2028"\\\n\x01\x7f',
      address: '127.0.0.1:7002',
    });
    expect(crc).toEqual(new Crc64().update(STATE).digest());
  });

  it('writes what is unfinished with null', () => {
    const { meta } = decodeSnapshotMeta('{"Version":1,"ID":"x"}');
    expect(encodeSnapshotMeta({ meta, crc: null })).toBe(
      '{"Version":1,"ID":"x","Index":0,"Term":0,"Peers":null,' +
        '"Configuration":{"Servers":null},"ConfigurationIndex":0,"Size":0,"CRC":null}\n',
    );
  });

  it('reads keys in any case, skips unknown ones, takes null and absent ones for zero', () => {
    const text =
      '{"index":7,"TERM":2,"Future":{"a":[1]},"PEERS":"wA==","size":null,' +
      '"configuration":{"servers":[{"suffrage":2,"id":"a","ADDRESS":"b"}],"Extra":1}}';
    expect(decodeSnapshotMeta(text)).toEqual({
      meta: {
        version: 0,
        id: '',
        index: 7,
        term: 2,
        peers: Uint8Array.of(0xc0),
        configuration: new Configuration([{ suffrage: 2, id: 'a', address: 'b' }]),
        configurationIndex: 0,
        size: 0,
      },
      crc: null,
    });
  });

  it.each([
    ['', 'malformed meta.json: '],
    ['null', 'meta.json must be an object, got null'],
    ['[]', 'meta.json must be an object, got []'],
    ['{"Index":9007199254740993}', 'Index must be an integer from 0 to 9007199254740991'],
    ['{"Term":18446744073709551615}', 'Term must be an integer from 0 to 9007199254740991'],
    ['{"Size":-1}', 'Size must be an integer from 0 to 9007199254740991, got -1'],
    ['{"Version":"1"}', 'Version must be an integer from 0 to 9007199254740991, got "1"'],
    ['{"ID":1}', 'ID must be a string, got 1'],
    ['{"CRC":"*"}', 'CRC must be base64, got "*"'],
    ['{"Peers":[1]}', 'Peers must be base64, got [1]'],
    ['{"Configuration":[]}', 'Configuration must be an object, got []'],
    ['{"Configuration":{"Servers":{}}}', 'Servers must be an array, got {}'],
    ['{"Configuration":{"Servers":[1]}}', 'Server must be an object, got 1'],
    ['{"Configuration":{"Servers":[{"Suffrage":3}]}}', 'Suffrage must be 0, 1 or 2, got 3'],
  ])('refuses %s (S199)', (text, complaint) => {
    expect(() => decodeSnapshotMeta(text)).toThrow(complaint);
  });

  it('answers any damage with its own error', () => {
    const bytes = utf8(GOLDEN);
    const damage = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { maxLength: 4 });
    const property = fc.property(damage, (changes) => {
      const damaged = bytes.slice();
      for (const [at, byte] of changes) damaged[at] = byte;
      try {
        decodeSnapshotMeta(new TextDecoder().decode(damaged));
      } catch (error) {
        expect(error).toBeInstanceOf(RaftError);
        expect(error).toMatchObject({ code: 'ERR_MALFORMED_SNAPSHOT_META' });
      }
    });
    fc.assert(property, { seed: 3, numRuns: 2000 });
  });
});
