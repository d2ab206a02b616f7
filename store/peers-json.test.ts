import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ServerSuffrage } from '../raft/configuration.ts';
import { readConfigJSON, readPeersJSON } from './peers-json.ts';

const { Voter, Nonvoter } = ServerSuffrage;
let folder = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'quorate-peers-'));
});
afterAll(() => rm(folder, { recursive: true }));

async function fileOf(content: string | Uint8Array): Promise<string> {
  const path = join(folder, 'peers.json');
  await writeFile(path, content);
  return path;
}

describe('readPeersJSON', () => {
  it('makes a voter of every address, which is its ID (S196, test 115)', async () => {
    const path = await fileOf('["10.0.0.7:7001", "10.0.0.8:7001", "10.0.0.9:7001"]\n');
    const { servers } = await readPeersJSON(path);
    expect(servers).toEqual(
      ['10.0.0.7:7001', '10.0.0.8:7001', '10.0.0.9:7001'].map((address) => ({
        suffrage: Voter,
        id: address,
        address,
      })),
    );
  });

  it('takes null for no servers, of which no cluster can be made (S196, test 114)', async () => {
    const path = await fileOf('null');
    await expect(readPeersJSON(path)).rejects.toThrow('at least one voter');
    await expect(readConfigJSON(path)).rejects.toThrow('at least one voter');
  });

  it('reads the first value and leaves alone what follows (S196)', async () => {
    const path = await fileOf(' ["a]\\"", "b"] and this was written by hand: [');
    const { servers } = await readPeersJSON(path);
    expect(servers.map(({ id }) => id)).toEqual(['a]"', 'b']);
  });

  it('replaces what is no UTF-8 (S196)', async () => {
    const path = await fileOf(Uint8Array.of(0x5b, 0x22, 0x61, 0xff, 0x22, 0x5d));
    const { servers } = await readPeersJSON(path);
    expect(servers.map(({ id }) => id)).toEqual(['a\ufffd']);
  });

  it.each([
    ['', 'peers.json: expected a JSON array of addresses, got nothing'],
    ['{"a":1}', 'peers.json: expected a JSON array of addresses, got {"a":1}'],
    ['nullify', 'peers.json: expected a JSON array of addresses, got nullify'],
    ['["a", 7]', 'peers.json, entry 1: expected an address, got 7'],
    ['[["a"]]', 'peers.json, entry 0: expected an address, got ["a"]'],
    ['["a"', 'got what is no JSON'],
    ['["a",]', 'got what is no JSON'],
    ['["a"}', 'got what is no JSON'],
    ['["a", null]', 'empty ID in configuration'],
    ['["a", "a"]', 'found duplicate ID in configuration: a'],
    ['[]', 'need at least one voter in configuration'],
  ])('refuses %s with one clear error', async (content, text) => {
    const error: unknown = await readPeersJSON(await fileOf(content)).catch((e: unknown) => e);
    expect(error).toMatchObject({
      name: 'RaftError',
      code: expect.stringMatching(/^ERR_(PEERS_JSON|INVALID_CONFIGURATION)$/),
      message: expect.stringContaining(text),
    });
  });

  it('says when the file cannot be read', async () => {
    const error: unknown = await readPeersJSON(join(folder, 'nowhere')).catch((e: unknown) => e);
    expect(error).toMatchObject({
      code: 'ERR_PEERS_JSON',
      message: expect.stringContaining('ENOENT'),
    });
  });
});

describe('readConfigJSON', () => {
  it('takes servers with ID, address and, when it is said, no vote (S196, test 116)', async () => {
    const path = await fileOf(`[
      { "id": "a", "address": "a:1", "non_voter": false },
      { "id": "b", "address": "b:1" },
      { "id": "c", "address": "c:1", "non_voter": true }
    ]`);
    const { servers } = await readConfigJSON(path);
    expect(servers).toEqual([
      { suffrage: Voter, id: 'a', address: 'a:1' },
      { suffrage: Voter, id: 'b', address: 'b:1' },
      { suffrage: Nonvoter, id: 'c', address: 'c:1' },
    ]);
  });

  it('takes names in any case, ignores unknown ones, reads null as left out (S196)', async () => {
    const path = await fileOf('[{"ID":"a","Address":"a:1","NON_VOTER":null,"zone":"x"}]');
    const { servers } = await readConfigJSON(path);
    expect(servers).toEqual([{ suffrage: Voter, id: 'a', address: 'a:1' }]);
  });

  it.each([
    ['["a"]', 'peers.json, entry 0: expected an object with id and address, got a'],
    ['[[]]', 'peers.json, entry 0: expected an object with id and address, got []'],
    ['[{"id":7,"address":"a:1"}]', 'peers.json, entry 0, id: expected a string, got 7'],
    ['[{"id":"a","address":[]}]', 'peers.json, entry 0, address: expected a string, got []'],
    ['[{"id":"a","address":"b","non_voter":"no"}]', 'non_voter: expected true or false, got no'],
    ['[{"id":"a"}]', 'empty address in configuration'],
    ['[null]', 'empty ID in configuration'],
    ['[{"id":"a","address":"x"},{"id":"b","address":"x"}]', 'found duplicate address'],
    ['[{"id":"a","address":"x","non_voter":true}]', 'need at least one voter'],
  ])('refuses %s with one clear error', async (content, text) => {
    await expect(readConfigJSON(await fileOf(content))).rejects.toMatchObject({
      name: 'RaftError',
      message: expect.stringContaining(text),
    });
  });
});
