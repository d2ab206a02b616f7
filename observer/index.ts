/**
 * Watching a node: observers that receive what it does, and the logger that writes hclog's lines.
 *
 * @example
 * ```ts
 * import { newLogger } from 'quorate/observer';
 *
 * const logger = newLogger({ name: 'raft', level: 'DEBUG' });
 * ```
 *
 * @packageDocumentation
 */
export { isLoggerLike, type LoggerOptions, type LogOutput, named, newLogger } from './logger.ts';
export { newObserver, Observer } from './observer.ts';
export { openTelemetryMeter } from './open-telemetry.ts';
