import { type DestinationStream, type Logger as PinoLogger, pino } from 'pino';
import { type Clock, systemClock } from '../internal/clock.ts';
import { formatHclogJSON, formatHclogLine, type LogRecord } from '../internal/hclog.ts';
import type { LogLevel } from '../raft/config.ts';
import type { Logger } from '../raft/logger.ts';

/** How {@link newLogger} logs. Every field may be left out. */
export interface LoggerOptions {
  /** Which part of the program speaks, such as "raft". Default: none. */
  readonly name?: string;
  /** The lowest level that is written. Default "INFO", as in hclog. */
  readonly level?: LogLevel;
  /** Where lines go. Default: standard error, written before the call returns. */
  readonly output?: LogOutput;
  /** True for hclog's JSON lines (`@level`, `@message`, ...). Default false. */
  readonly json?: boolean;
  /** Where the time comes from. Default: the machine. */
  readonly clock?: Pick<Clock, 'wallTime'>;
}

/** Takes finished lines, each with its newline. A Node `Writable` is one. */
export interface LogOutput {
  /** Takes one line; what it returns does not matter. */
  write(line: string): unknown;
}

/** pino hands the destination what was logged, not only its JSON, when this key is set. */
const pinoMetadata = Symbol.for('pino.metadata');

const levelFloors = [
  [50, 'ERROR'],
  [40, 'WARN'],
  [30, 'INFO'],
  [20, 'DEBUG'],
] as const;

function levelNameOf(level: number): LogRecord['level'] {
  return levelFloors.find(([floor]) => level >= floor)?.[1] ?? 'TRACE';
}

/** A pino destination that gets the logged values beside the text, and writes lines in our form. */
class RecordDestination implements DestinationStream {
  readonly [pinoMetadata] = true;
  lastLevel = 0;
  lastObj: Readonly<Record<string, unknown>> = {};
  lastMsg: string | undefined;
  lastLogger: PinoLogger | undefined;
  readonly #output: LogOutput;
  readonly #format: (record: LogRecord) => string;
  readonly #clock: Pick<Clock, 'wallTime'>;

  constructor(
    output: LogOutput,
    format: (record: LogRecord) => string,
    clock: Pick<Clock, 'wallTime'>,
  ) {
    this.#output = output;
    this.#format = format;
    this.#clock = clock;
  }

  write(): void {
    const { name = '', ...bindings } = this.lastLogger?.bindings() ?? {};
    const record: LogRecord = {
      time: this.#clock.wallTime(),
      level: levelNameOf(this.lastLevel),
      name: String(name),
      message: this.lastMsg ?? '',
      fields: { ...bindings, ...this.lastObj },
    };
    this.#output.write(this.#format(record));
  }
}

/**
 * A pino logger that writes hclog's line format, so that what reads the logs of a Go node reads
 * ours. Lines go out synchronously: nothing is lost when the process dies right after.
 */
export function newLogger(options: LoggerOptions = {}): PinoLogger {
  const { name = '', level = 'INFO', json = false, clock = systemClock } = options;
  const output = options.output ?? pino.destination({ fd: 2, sync: true });
  const format = json ? formatHclogJSON : formatHclogLine;
  return pino(
    {
      level: level === 'OFF' ? 'silent' : level.toLowerCase(),
      base: name === '' ? {} : { name },
      timestamp: false,
      // The destination formats from the values; the JSON text would be built for nothing.
      formatters: { log: () => ({}) },
    },
    new RecordDestination(output, format, clock),
  );
}

const methods = ['trace', 'debug', 'info', 'warn', 'error'] as const;

/** True when `value` has the five methods of a logger: a pino logger is one. */
export function isLoggerLike(value: unknown): value is Logger {
  if (typeof value !== 'object' || value === null) return false;
  return methods.every((method) => typeof Reflect.get(value, method) === 'function');
}

/**
 * The same logger under another name, such as "raft-net". A logger without children (one that is
 * not pino's) is returned as it is.
 */
export function named<L extends Logger>(logger: L, name: string): Logger {
  if (!('child' in logger) || typeof logger.child !== 'function') return logger;
  const child: unknown = logger.child({ name });
  return isLoggerLike(child) ? child : logger;
}
