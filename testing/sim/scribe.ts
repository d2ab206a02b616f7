import { logTypeToString } from '../../raft/log.ts';
import { describeMessage } from './copy-message.ts';
import type { Watcher } from './court.ts';
import type { DiskWrite } from './disk-image.ts';
import type { Trace } from './trace.ts';

/** Writes down who did what. */
export type WriteLine = (who: string, what: string) => void;

function span(logs: readonly { readonly index: number; readonly term: number }[]): string {
  const [first] = logs;
  const last = logs.at(-1);
  if (first === undefined || last === undefined) return 'nothing';
  const from = `${first.index}:${first.term}`;
  return first === last ? from : `${from}..${last.index}:${last.term}`;
}

function describeWrite(write: DiskWrite): string {
  switch (write.kind) {
    case 'store':
      return `store ${span(write.logs)}`;
    case 'delete':
      return `delete ${write.min}..${write.max}`;
    case 'replace':
      return `replace from ${write.from} with ${span(write.logs)}`;
    case 'keys':
      return `keys ${[...write.writes].map(([key, value]) => `${key}=${value}`).join(' ')}`;
    case 'snapshot':
      return `snapshot ${write.snapshot.meta.id}`;
  }
}

/** Writes down what nodes do. `write` puts a line into the trace. */
export function newScribe(write: WriteLine): Watcher {
  return {
    elected: ({ id }, term) => write(id, `leads term ${term}`),
    committed: ({ id }, index, { term, type }) =>
      write(id, `commits ${index}:${term} ${logTypeToString(type)}`),
    requestSent: ({ id }, request) => write(id, `sends ${describeMessage(request)}`),
    replySent: ({ id }, _request, reply) => write(id, `sends ${describeMessage(reply)}`),
    writeIssued: ({ id }, change) => write(id, `asks for ${describeWrite(change)}`),
    writeSynced: ({ id }, change) => write(id, `has synced ${describeWrite(change)}`),
    writeFailed: ({ id }) => write(id, 'learns that its write failed'),
    applied: ({ id }, log) => write(id, `applies ${log.index}:${log.term}`),
    restored: ({ id }, state) => write(id, `restores the state of ${state.index}`),
    asked: ({ node, kind, number }) => write(node.id, `is asked ${kind} #${number}`),
    answered: ({ node, number }, answer) => write(node.id, `answers #${number}: ${answer}`),
    read: ({ id }, floor, state) => write(id, `reads ${state.index}, floor ${floor}`),
  };
}

/** Puts lines into a trace, each with its moment. */
export function traceWriter(trace: Trace, nowMs: () => number): WriteLine {
  return (who, what) => trace.add(nowMs(), who, what);
}
