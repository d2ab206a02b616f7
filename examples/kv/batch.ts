import type { DeleteCommand, SetCommand } from './commands.ts';
import { isWellFormed, keyProblem, limits, valueProblem } from './commands.ts';
import { badRequest } from './http-errors.ts';

const EXPECTED =
  'expected {"op":"set","key":…,"value":text} or {"op":"set","key":…,"base64":…} ' +
  'or {"op":"delete","key":…}';
const SHOWN_LENGTH = 80;

const strictUtf8 = new TextDecoder('utf-8', { fatal: true });

/** What came, short enough for an error message. */
function shown(text: string): string {
  return text.length <= SHOWN_LENGTH ? text : `${text.slice(0, SHOWN_LENGTH)}…`;
}

function decodeText(body: Uint8Array): string {
  try {
    return strictUtf8.decode(body);
  } catch {
    throw badRequest('expected UTF-8 text, got bytes that are not');
  }
}

/** Parses bytes as one JSON object. @throws HttpError 400 */
export function parseJsonObject(body: Uint8Array, expected: string): Record<string, unknown> {
  return objectOf(decodeText(body), expected);
}

function objectOf(text: string, expected: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw badRequest(`${expected}, got text that is not JSON: ${shown(text)}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw badRequest(`${expected}, got ${shown(text)}`);
  }
  return { ...value };
}

function bytesOfBase64(text: string): Uint8Array | undefined {
  const bytes = Buffer.from(text, 'base64');
  // Node skips what is not base64; only a text that comes back the same was all of it.
  return bytes.toString('base64') === text ? bytes : undefined;
}

function bytesOf(line: Record<string, unknown>): Uint8Array | undefined {
  const { value, base64 } = line;
  if (typeof value === 'string' && base64 === undefined) {
    return isWellFormed(value) ? Buffer.from(value) : undefined;
  }
  if (typeof base64 === 'string' && value === undefined) return bytesOfBase64(base64);
  return undefined;
}

/**
 * Reads one line of NDJSON.
 *
 * @param where what an error calls the line
 * @throws HttpError 400 saying what was expected
 */
export function parseChange(text: string, where: string): SetCommand | DeleteCommand {
  const expected = `${where}: ${EXPECTED}`;
  const line = objectOf(text, expected);
  const { op, key } = line;
  if (typeof key !== 'string') throw badRequest(`${expected}, got ${shown(text)}`);
  const badKey = keyProblem(key);
  if (badKey !== undefined) throw badRequest(`${where}: ${badKey}`);
  if (op === 'delete') return { op, key };
  const value = op === 'set' ? bytesOf(line) : undefined;
  if (value === undefined) throw badRequest(`${expected}, got ${shown(text)}`);
  const badValue = valueProblem(value.length);
  if (badValue !== undefined) throw badRequest(`${where}: ${badValue}`);
  return { op: 'set', key, value };
}

/**
 * Reads an NDJSON batch; blank lines are skipped. Every line is checked before any is returned.
 *
 * @throws HttpError 400 naming the first bad line
 */
export function parseBatch(body: Uint8Array): (SetCommand | DeleteCommand)[] {
  const changes: (SetCommand | DeleteCommand)[] = [];
  for (const [at, text] of decodeText(body).split('\n').entries()) {
    if (text.trim() === '') continue;
    if (changes.length === limits.batchLines) {
      throw badRequest(`expected at most ${limits.batchLines} lines in a batch, got more`);
    }
    changes.push(parseChange(text, `line ${at + 1}`));
  }
  if (changes.length === 0) throw badRequest('expected at least one line in a batch, got none');
  return changes;
}
