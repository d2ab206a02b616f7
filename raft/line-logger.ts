import { formatHclogLine } from '../internal/hclog.ts';
import type { LogFields, Logger } from './logger.ts';

/** Takes finished lines, each with its newline. A Node `Writable` is one. */
export interface LineOutput {
  /** Takes one line; what it returns does not matter. */
  write(line: string): unknown;
}

/**
 * A logger that writes hclog's lines from INFO on, for a part of a node that was given a place for
 * its lines and no logger; hclog's default level, as Go's `raft-net` and `snapshot` loggers have
 * it.
 *
 * @param name which part speaks; stands in front of each message
 */
export function newLineLogger(name: string, output: LineOutput): Logger {
  const at = (level: 'INFO' | 'WARN' | 'ERROR') => (fields: LogFields, message: string) => {
    output.write(formatHclogLine({ time: new Date(), level, name, message, fields }));
  };
  return { trace() {}, debug() {}, info: at('INFO'), warn: at('WARN'), error: at('ERROR') };
}
