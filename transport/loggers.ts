import { type LineOutput, newLineLogger } from '../raft/line-logger.ts';
import type { Logger } from '../raft/logger.ts';

/** Lines to the console, which a browser has as well. */
const consoleOutput: LineOutput = { write: (line) => console.error(line.trimEnd()) };

/** hclog's lines on the console, from INFO on. */
export function newDefaultLogger(): Logger {
  return newLineLogger('raft-net', consoleOutput);
}

/** The logger that `log` is or asks for, as part of a config. */
export function loggerOf(log: Logger | LineOutput | null | undefined): { logger?: Logger } {
  if (log === null || log === undefined) return {};
  return { logger: 'write' in log ? newLineLogger('raft-net', log) : log };
}
