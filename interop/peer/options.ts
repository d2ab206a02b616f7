import { parseArgs } from 'node:util';
import { type Config, defaultConfig } from '../../raft/config.ts';
import { asError } from '../../raft/errors.ts';

/** What the command line says. */
export interface PeerOptions {
  readonly id: string;
  readonly bind: string;
  readonly advertise: string | null;
  readonly peersJson: string | null;
  readonly data: string;
  readonly store: string;
  readonly snapshots: string;
  readonly fsm: string;
  readonly config: object;
  readonly transport: TransportOptions;
  readonly observe: boolean;
  /** The request `disk` may make the disk fail. */
  readonly faultyDisk: boolean;
  readonly logLevel: string;
}

/** The object of `--transport`. */
export interface TransportOptions {
  readonly maxPool: number;
  readonly maxRPCsInFlight: number;
  readonly timeout: number;
  readonly msgpackUseNewTimeFormat: boolean;
  /** Where to dial a server, by its id: a proxy may stand in each link. */
  readonly addresses: ReadonlyMap<string, string> | null;
}

/** A JSON object. @throws Error that names what was read */
export function objectOf(what: string, text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new Error(`${what}: ${asError(error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error(`${what}: expected a JSON object, got ${text}`);
  }
  return { ...value };
}

function refuseUnknown(what: string, fields: object, known: readonly string[]): void {
  for (const field of Object.keys(fields)) {
    if (!known.includes(field)) throw new Error(`${what}: unknown field ${field}`);
  }
}

const CONFIG_FIELDS = Object.keys(defaultConfig()).filter(
  (field) => field !== 'localID' && field !== 'logLevel',
);

/** A config with hashicorp's defaults and what `fields` change; the node checks it. */
export function configOf(fields: object, localID: string): Config {
  refuseUnknown('--config', fields, CONFIG_FIELDS);
  return { ...defaultConfig(), ...fields, localID };
}

function transportOf(text: string): TransportOptions {
  const fields = objectOf('--transport', text);
  const known = ['maxPool', 'maxRPCsInFlight', 'timeout', 'msgpackUseNewTimeFormat', 'addresses'];
  refuseUnknown('--transport', fields, known);
  const number = (field: string, fallback: number): number => {
    const value = fields[field] ?? fallback;
    if (typeof value === 'number') return value;
    throw new Error(`--transport: expected a number for ${field}, got ${String(value)}`);
  };
  const { addresses, msgpackUseNewTimeFormat } = fields;
  return {
    maxPool: number('maxPool', 3),
    maxRPCsInFlight: number('maxRPCsInFlight', 0),
    timeout: number('timeout', 10_000),
    msgpackUseNewTimeFormat: msgpackUseNewTimeFormat === true,
    addresses:
      typeof addresses === 'object' && addresses !== null
        ? new Map(Object.entries(addresses).map(([id, address]) => [id, String(address)]))
        : null,
  };
}

/** Reads the command line. @throws Error that says what is wrong with it */
export function parseOptions(args: string[]): PeerOptions {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args,
    strict: true,
    options: {
      id: text,
      bind: text,
      advertise: text,
      'peers-json': text,
      data: text,
      store: text,
      snapshots: text,
      config: text,
      transport: text,
      fsm: text,
      observe: { type: 'boolean' },
      'faulty-disk': { type: 'boolean' },
      'log-level': text,
    },
  });
  const { id, bind, data } = values;
  if (!id || !bind || !data) throw new Error('--id, --bind and --data are required');
  return {
    id,
    bind,
    data,
    advertise: values.advertise ?? null,
    peersJson: values['peers-json'] ?? null,
    store: values.store ?? 'lmdb',
    snapshots: values.snapshots ?? 'file',
    fsm: values.fsm ?? 'plain',
    config: objectOf('--config', values.config ?? '{}'),
    transport: transportOf(values.transport ?? '{}'),
    observe: values.observe ?? false,
    faultyDisk: values['faulty-disk'] ?? false,
    logLevel: values['log-level'] ?? 'WARN',
  };
}
