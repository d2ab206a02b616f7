import { ZERO_TIME } from '../internal/timestamp.ts';
import { type Config, validateConfig } from './config.ts';
import { type Configuration, checkConfiguration } from './configuration.ts';
import { encodeConfiguration, encodePeers } from './configuration-codec.ts';
import { asError, ErrCantBootstrap, RaftError } from './errors.ts';
import { type LogStore, LogType } from './log.ts';
import { hasExistingState as hasState } from './runtime/startup.ts';
import type { SnapshotStore } from './snapshot.ts';
import { KEY_CURRENT_TERM, type StableStore } from './stable.ts';
import type { Transport } from './transport.ts';

/**
 * True when a node has ever run or been bootstrapped on these stores: there is a term, an entry or
 * a snapshot. Rejects with `ERR_STARTUP` for a store that cannot be read. Go: `HasExistingState`.
 */
export async function hasExistingState(
  logs: LogStore,
  stable: StableStore,
  snaps: SnapshotStore,
): Promise<boolean> {
  return hasState(logs, stable, snaps);
}

/** Saves one step of bootstrapping; its failure says which step it was. */
async function save(failure: string, write: () => void | Promise<void>): Promise<void> {
  try {
    await write();
  } catch (error) {
    const cause = asError(error);
    throw new RaftError('ERR_BOOTSTRAP', `${failure}: ${cause.message}`, { cause });
  }
}

/**
 * Writes the first configuration of a cluster into the stores of a node that has never run. Every
 * server may be bootstrapped, if all get the same configuration. Go: `BootstrapCluster`.
 *
 * @param conf checked; not changed
 * @param logs gets entry 1, the configuration
 * @param stable gets term 1
 * @param snaps must be empty
 * @param trans encodes the servers of protocol versions below 3
 * @param configuration at least one voter; no name and no address twice
 * @returns resolves when it is durable; rejects with `ErrCantBootstrap` when there is any state,
 *   `ERR_INVALID_CONFIG`, `ERR_INVALID_CONFIGURATION`, or `ERR_BOOTSTRAP` for a step that failed
 *   and that the text names: it may be repeated then
 */
export async function bootstrapCluster(
  conf: Config,
  logs: LogStore,
  stable: StableStore,
  snaps: SnapshotStore,
  trans: Transport,
  configuration: Configuration,
): Promise<void> {
  validateConfig(conf);
  checkConfiguration(configuration);
  let exists: boolean;
  try {
    exists = await hasState(logs, stable, snaps);
  } catch (error) {
    const cause = asError(error);
    const text = `failed to check for existing state: ${cause.message}`;
    throw new RaftError('ERR_BOOTSTRAP', text, { cause });
  }
  if (exists) throw ErrCantBootstrap;
  const legacy = conf.protocolVersion < 3;
  await save('failed to save current term', () => stable.setUint64(KEY_CURRENT_TERM, 1));
  await save('failed to append configuration entry to log', () =>
    logs.storeLog({
      index: 1,
      term: 1,
      type: legacy ? LogType.LogRemovePeerDeprecated : LogType.LogConfiguration,
      data: legacy ? encodePeers(configuration, trans) : encodeConfiguration(configuration),
      extensions: null,
      appendedAt: ZERO_TIME,
    }),
  );
}
