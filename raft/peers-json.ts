import { Configuration, checkConfiguration, type Server, ServerSuffrage } from './configuration.ts';
import { asError, RaftError } from './errors.ts';

function malformed(what: string, expected: string, got: unknown): RaftError {
  const shown = typeof got === 'string' ? got : (JSON.stringify(got) ?? String(got));
  const short = shown.length > 60 ? `${shown.slice(0, 60)}…` : shown;
  return new RaftError('ERR_PEERS_JSON', `${what}: expected ${expected}, got ${short}`);
}

/**
 * Where the first array of a text ends: Go reads one value and leaves alone what follows. The
 * length of the text when it does not end.
 */
function endOfArray(text: string): number {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const letter = text[at];
    if (inString) {
      if (letter === '\\') at += 1;
      else if (letter === '"') inString = false;
    } else if (letter === '"') inString = true;
    else if (letter === '[' || letter === '{') depth += 1;
    else if (letter === ']' || letter === '}') {
      depth -= 1;
      if (depth <= 0) return at + 1;
    }
  }
  return text.length;
}

/** The array that a text begins with; `null` is Go's empty one. */
function parseArray(text: string, elements: string): readonly unknown[] {
  const trimmed = text.trimStart();
  const expected = `a JSON array of ${elements}`;
  if (/^null(?!\S)/.test(trimmed)) return [];
  if (!trimmed.startsWith('[')) {
    throw malformed('peers.json', expected, trimmed || 'nothing');
  }
  let value: unknown;
  try {
    value = JSON.parse(trimmed.slice(0, endOfArray(trimmed)));
  } catch (error) {
    const cause = asError(error);
    const why = `peers.json: expected ${expected}, got what is no JSON: ${cause.message}`;
    throw new RaftError('ERR_PEERS_JSON', why, { cause });
  }
  return Array.isArray(value) ? value : [];
}

function checked(servers: readonly Server[]): Configuration {
  const configuration = new Configuration(servers);
  checkConfiguration(configuration);
  return configuration;
}

/**
 * The configuration that the text of an old `peers.json` holds, `["a:1","b:1"]`: voters whose ID is
 * their address. Go: the parsing half of `ReadPeersJSON`.
 *
 * @throws `ERR_PEERS_JSON` when it is no array of strings, `ERR_INVALID_CONFIGURATION` when the
 *   servers cannot be a cluster
 */
export function parsePeersJSON(text: string): Configuration {
  const servers = parseArray(text, 'addresses').map((peer, at) => {
    const address = peer ?? '';
    if (typeof address !== 'string') {
      throw malformed(`peers.json, entry ${at}`, 'an address', peer);
    }
    return { suffrage: ServerSuffrage.Voter, id: address, address };
  });
  return checked(servers);
}

/** A field of an entry. Names are matched as Go does, in any case, and the last one counts. */
function fieldOf(entry: object, name: string): unknown {
  let found: unknown = null;
  for (const [key, value] of Object.entries(entry)) {
    if (key.toLowerCase() === name && value !== null) found = value;
  }
  return found;
}

function textOf(entry: object, name: string, what: string): string {
  const value = fieldOf(entry, name) ?? '';
  if (typeof value === 'string') return value;
  throw malformed(`${what}, ${name}`, 'a string', value);
}

/**
 * The configuration that the text of a `peers.json` holds:
 * `[{"id":"a","address":"a:1","non_voter":false}]`, where `non_voter` may be left out. Go: the
 * parsing half of `ReadConfigJSON`.
 *
 * @throws `ERR_PEERS_JSON` when it is no array of such entries, `ERR_INVALID_CONFIGURATION` when
 *   the servers cannot be a cluster
 */
export function parseConfigJSON(text: string): Configuration {
  const servers = parseArray(text, 'servers').map((given, at) => {
    const what = `peers.json, entry ${at}`;
    const entry = given ?? {};
    if (typeof entry !== 'object' || Array.isArray(entry)) {
      throw malformed(what, 'an object with id and address', given);
    }
    const nonVoter = fieldOf(entry, 'non_voter') ?? false;
    if (typeof nonVoter !== 'boolean') {
      throw malformed(`${what}, non_voter`, 'true or false', nonVoter);
    }
    const suffrage = nonVoter ? ServerSuffrage.Nonvoter : ServerSuffrage.Voter;
    return { suffrage, id: textOf(entry, 'id', what), address: textOf(entry, 'address', what) };
  });
  return checked(servers);
}
