import type { LogFields, Logger } from '../raft/logger.ts';

/** Where lines go; `process.stderr` is one. */
export interface LineOutput {
  write(line: string): unknown;
}

function two(value: number, width = 2): string {
  return String(value).padStart(width, '0');
}

/** hclog's form of a moment: 2006-01-02T15:04:05.000-0700. */
function formatMoment(date: Date): string {
  const day = `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const zone = -date.getTimezoneOffset();
  const sign = zone < 0 ? '-' : '+';
  const minutes = Math.abs(zone);
  const offset = `${sign}${two(Math.floor(minutes / 60))}${two(minutes % 60)}`;
  return `${day}T${time}.${two(date.getMilliseconds(), 3)}${offset}`;
}

/** A value as hclog prints it: quoted when it has a blank, errors by their text. */
function formatValue(value: unknown): string {
  const text = value instanceof Error ? value.message : String(value);
  return text === '' || /[\s"=]/.test(text) ? JSON.stringify(text) : text;
}

/**
 * A logger that writes hclog's line format, for a transport that was given a place for its lines
 * and no logger. Debug and trace are left out, as by hclog's default level.
 *
 * @param name stands in front of each message
 */
export function newLineLogger(name: string, output: LineOutput): Logger {
  const line = (level: string) => (fields: LogFields, message: string) => {
    const pairs = Object.entries(fields).map(([key, value]) => ` ${key}=${formatValue(value)}`);
    const colon = pairs.length > 0 ? ':' : '';
    const label = `[${level}]`.padEnd(7);
    const moment = formatMoment(new Date());
    output.write(`${moment} ${label} ${name}: ${message}${colon}${pairs.join('')}\n`);
  };
  return {
    trace() {},
    debug() {},
    info: line('INFO'),
    warn: line('WARN'),
    error: line('ERROR'),
  };
}
