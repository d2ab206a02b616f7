import { bytesToBase64 } from './base64.ts';

/** One line of a log before it is text. */
export interface LogRecord {
  readonly time: Date;
  readonly level: 'TRACE' | 'DEBUG' | 'INFO' | 'WARN' | 'ERROR';
  /** Which part of the program speaks; may be empty. */
  readonly name: string;
  readonly message: string;
  readonly fields: Readonly<Record<string, unknown>>;
}

const printable = /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u;
const bare = /^[-.-~]*$/;
const shortEscapes = new Map([
  ['\x07', '\\a'],
  ['\b', '\\b'],
  ['\f', '\\f'],
  ['\n', '\\n'],
  ['\r', '\\r'],
  ['\t', '\\t'],
  ['\v', '\\v'],
]);

function escapeCharacter(character: string): string {
  if (printable.test(character)) return character;
  const short = shortEscapes.get(character);
  if (short !== undefined) return short;
  const code = character.codePointAt(0) ?? 0;
  if (code < 0x20) return `\\x${code.toString(16).padStart(2, '0')}`;
  if (code >= 0xd800 && code <= 0xdfff) return '\\ufffd';
  if (code < 0x1_0000) return `\\u${code.toString(16).padStart(4, '0')}`;
  return `\\U${code.toString(16).padStart(8, '0')}`;
}

/** hclog leaves backslashes alone; only items of lists get them doubled. */
function escapeText(text: string, quotesToo: boolean): string {
  let escaped = '';
  for (const character of text) {
    escaped += quotesToo && character === '"' ? '\\"' : escapeCharacter(character);
  }
  return escaped;
}

function isList(value: unknown): value is readonly unknown[] | Uint8Array {
  return Array.isArray(value) || value instanceof Uint8Array;
}

function quoteItem(text: string): string {
  return `"${escapeText(text.replaceAll('\\', '\\\\'), true)}"`;
}

function formatListItem(item: unknown): string {
  const text = formatValue(item);
  return typeof item === 'string' || /[ \t\n\r]/.test(text) ? quoteItem(text) : text;
}

function formatValue(value: unknown): string {
  if (typeof value === 'string') return value;
  if (value === null || value === undefined) return '<nil>';
  if (value instanceof Error) return value.message;
  if (value instanceof Date) return formatTime(value);
  if (isList(value)) return `[${Array.from(value, formatListItem).join(', ')}]`;
  if (typeof value !== 'object') return String(value);
  return formatObject(value);
}

/** A log line must never throw: objects that JSON cannot hold fall back to their tag. */
function formatObject(value: object): string {
  try {
    return JSON.stringify(value) ?? Object.prototype.toString.call(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}

function formatTime(time: Date): string {
  return Number.isNaN(time.getTime()) ? 'invalid time' : time.toISOString();
}

function formatField(key: string, value: unknown): string {
  const text = formatValue(value);
  if (text.includes('\n')) {
    const lines = text.split('\n');
    if (lines.at(-1) === '') lines.pop();
    return `\n  ${key}=\n${lines.map((line) => `  | ${escapeText(line, false)}\n`).join('')}  `;
  }
  if (isList(value) || bare.test(text)) return ` ${key}=${text}`;
  return ` ${key}="${escapeText(text, true)}"`;
}

/**
 * The line hclog would write, newline included:
 * `2026-11-20T22:35:19.022Z [INFO]  raft: election won: term=2 tally=2`.
 */
export function formatHclogLine({ time, level, name, message, fields }: LogRecord): string {
  const head = `${formatTime(time)} ${`[${level}]`.padEnd(7)} `;
  const separator = name !== '' && message !== '' ? ': ' : '';
  const entries = Object.entries(fields);
  const tail = entries.map(([key, value]) => formatField(key, value)).join('');
  return `${head}${name}${separator}${message}${entries.length > 0 ? ':' : ''}${tail}\n`;
}

function toJSONValue(value: unknown): unknown {
  if (value instanceof Error) return value.message;
  if (value instanceof Uint8Array) return bytesToBase64(value);
  if (typeof value === 'bigint') return value.toString();
  if (typeof value === 'object' && value !== null) return safeJSONObject(value);
  return value;
}

function safeJSONObject(value: object): unknown {
  try {
    JSON.stringify(value);
    return value;
  } catch {
    return Object.prototype.toString.call(value);
  }
}

/** The line hclog would write in its JSON format, newline included. */
export function formatHclogJSON({ time, level, name, message, fields }: LogRecord): string {
  const line: Record<string, unknown> = {
    '@level': level.toLowerCase(),
    '@message': message,
    ...(name !== '' && { '@module': name }),
    '@timestamp': formatTime(time).replace(/(\.\d{3})Z$/, '$1000Z'),
  };
  for (const [key, value] of Object.entries(fields)) line[key] = toJSONValue(value);
  return `${JSON.stringify(line)}\n`;
}
