import { readFile } from 'node:fs/promises';
import type { Configuration } from '../raft/configuration.ts';
import { asError, RaftError } from '../raft/errors.ts';
import { parseConfigJSON, parsePeersJSON } from '../raft/peers-json.ts';

async function readText(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    const cause = asError(error);
    throw new RaftError('ERR_PEERS_JSON', `cannot read peers.json: ${cause.message}`, { cause });
  }
}

/**
 * Reads an old `peers.json`, a JSON array of addresses: each becomes a voter whose ID is its
 * address. For clusters of protocol versions below 3; others have IDs, which this form does not
 * know. Go: `ReadPeersJSON`.
 *
 * @param path the file, UTF-8
 * @returns what to give to `recoverCluster`; rejects with `ERR_PEERS_JSON`, saying what was
 *   expected and what is there, or with `ERR_INVALID_CONFIGURATION` for servers that cannot be a
 *   cluster
 */
export async function readPeersJSON(path: string): Promise<Configuration> {
  return parsePeersJSON(await readText(path));
}

/**
 * Reads a `peers.json`, a JSON array of `{"id", "address", "non_voter"}`, the last of which may be
 * left out. Names may be in any case, unknown ones are ignored, and so is what follows the array.
 * Go: `ReadConfigJSON`.
 *
 * @param path the file, UTF-8
 * @returns what to give to `recoverCluster`; rejects with `ERR_PEERS_JSON`, saying what was
 *   expected and what is there, or with `ERR_INVALID_CONFIGURATION` for servers that cannot be a
 *   cluster
 */
export async function readConfigJSON(path: string): Promise<Configuration> {
  return parseConfigJSON(await readText(path));
}
