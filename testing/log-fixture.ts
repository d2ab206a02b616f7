import type { LogFields, Logger } from '../raft/logger.ts';

/** One line as a node meant it: its level, text, keys and values. */
export interface LoggedLine {
  readonly level: keyof Logger;
  readonly message: string;
  readonly fields: LogFields;
}

/** A logger that keeps what it is given. */
export class KeptLog implements Logger {
  readonly lines: LoggedLine[] = [];

  /** The lines with this text. */
  of(message: string): readonly LoggedLine[] {
    return this.lines.filter((line) => line.message === message);
  }

  /** Each way in which this text was written: `info a b`, its level and its keys. */
  shapesOf(message: string): string[] {
    const shapes = this.of(message).map(({ level, fields }) =>
      [level, ...Object.keys(fields)].join(' '),
    );
    return [...new Set(shapes)].sort();
  }

  trace(fields: LogFields, message: string): void {
    this.lines.push({ level: 'trace', message, fields });
  }
  debug(fields: LogFields, message: string): void {
    this.lines.push({ level: 'debug', message, fields });
  }
  info(fields: LogFields, message: string): void {
    this.lines.push({ level: 'info', message, fields });
  }
  warn(fields: LogFields, message: string): void {
    this.lines.push({ level: 'warn', message, fields });
  }
  error(fields: LogFields, message: string): void {
    this.lines.push({ level: 'error', message, fields });
  }
}
