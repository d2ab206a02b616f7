import { type Config, validateConfig } from './config.ts';
import type { Configuration } from './configuration.ts';
import type { FSM } from './fsm.ts';
import type { LogStore } from './log.ts';
import { checkedStores } from './runtime/checked-stores.ts';
import { readTermIndex } from './runtime/read-term-index.ts';
import { selfOf } from './runtime/self.ts';
import { readConfigurations } from './runtime/startup.ts';
import type { SnapshotStore } from './snapshot.ts';
import type { StableStore } from './stable.ts';
import type { Transport } from './transport.ts';

/**
 * Reads the latest configuration, committed or not, from the stores of a node that does not run.
 * Nothing is written, the FSM is not touched and the transport is not used for anything but to
 * decode addresses; Go starts half a node for it. Go: `GetConfiguration`.
 *
 * @param conf checked; not changed
 * @param _fsm taken for Go's order of arguments
 * @param logs the log to look through, from the newest snapshot on
 * @param stable taken for Go's order of arguments
 * @param snaps where the configuration is when the log does not hold it any more
 * @param trans decodes the servers of protocol versions below 3
 * @returns an empty configuration when the stores hold none; rejects with `ERR_INVALID_CONFIG`,
 *   `ERR_STATE_DAMAGED` for a log with a hole, or what the stores throw
 */
export async function getConfiguration(
  conf: Config,
  _fsm: FSM,
  logs: LogStore,
  stable: StableStore,
  snaps: SnapshotStore,
  trans: Transport,
): Promise<Configuration> {
  validateConfig(conf);
  const stores = checkedStores({ logs, stable, snaps });
  const [newest = null] = await stores.snaps.list();
  const terms = await readTermIndex(stores.logs, newest?.index ?? 0);
  const sources = { logs: stores.logs, self: selfOf(conf, trans) };
  const { latest } = await readConfigurations(sources, terms, newest);
  return latest;
}
