/** Keys and values of a log line, in the order in which they are printed. */
export type LogFields = Readonly<Record<string, unknown>>;

/**
 * Where a node writes its log: pino's shape, so a pino logger can be given as it is. Write-only: no
 * rule may ask it anything.
 */
export interface Logger {
  /** Details of single steps. */
  trace(fields: LogFields, message: string): void;
  /** What helps to understand a node. */
  debug(fields: LogFields, message: string): void;
  /** What a running node does. */
  info(fields: LogFields, message: string): void;
  /** What is not as it should be and may mend itself. */
  warn(fields: LogFields, message: string): void;
  /** What failed. */
  error(fields: LogFields, message: string): void;
}

/** A logger that says nothing. */
export const silentLogger: Logger = Object.freeze({
  trace() {},
  debug() {},
  info() {},
  warn() {},
  error() {},
});
