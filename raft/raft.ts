import { sliceOf } from '../internal/slab.ts';
import {
  checkBytes,
  checkedMeta,
  checkObject,
  checkStream,
  copyConfiguration,
} from './arguments.ts';
import { type Config, guardTimers, type ReloadableConfig, validateConfig } from './config.ts';
import {
  type Configuration,
  ConfigurationChangeCommand,
  type ServerAddress,
  type ServerID,
} from './configuration.ts';
import { asError } from './errors.ts';
import type { FSM } from './fsm.ts';
import {
  type ApplyFuture,
  type Future,
  type IndexFuture,
  SettableFuture,
  type SnapshotFuture,
  WithoutResponse,
} from './future.ts';
import { type LogStore, LogType } from './log.ts';
import type { LogInput, RaftNode } from './node.ts';
import { RaftView } from './raft-view.ts';
import { NodeRunner } from './runtime/node-runner.ts';
import { Requests } from './runtime/requests.ts';
import type { SnapshotMeta, SnapshotStore } from './snapshot.ts';
import type { StableStore } from './stable.ts';
import type { Timeout } from './timeout.ts';
import type { Transport } from './transport.ts';

/** One node of a cluster. Made by {@link newRaft}. Go: `Raft`. */
export class Raft extends RaftView implements RaftNode {
  readonly #runner: NodeRunner;
  readonly #requests: Requests;

  private constructor(runner: NodeRunner) {
    super(runner);
    this.#runner = runner;
    this.#requests = new Requests(runner);
  }

  /** @internal Use {@link newRaft}. */
  static async start(
    config: Config,
    fsm: FSM,
    logs: LogStore,
    stable: StableStore,
    snaps: SnapshotStore,
    trans: Transport,
  ): Promise<Raft> {
    let raft: Raft | undefined;
    const runner = await NodeRunner.start({ config, fsm, logs, stable, snaps, trans }, () => raft);
    raft = new Raft(runner);
    return raft;
  }

  /**
   * Proposes a command. The future gives what the FSM returned, once a quorum holds the command and
   * this node has applied it. The bytes are taken at the call: the buffer may be reused (§5.3). Go:
   * `Raft.Apply`.
   *
   * @param timeout milliseconds until the command must have been accepted by the main lane, 0 to
   *   wait for ever; it does not bound the commit, but a signal given with it does
   * @returns fails with `ErrNotLeader`, `ErrLeadershipTransferInProgress` or `ErrEnqueueTimeout`
   *   when nothing was appended; with `ErrLeadershipLost`, `ErrAbortedByRestore` or the cause of
   *   the node's end when that is not known; with `ErrRaftShutdown` or `ERR_ABORTED` in either
   *   case: `outcome()` tells which. Throws `ERR_INVALID_ARGUMENT`
   */
  apply(command: Uint8Array, timeout: Timeout = 0): ApplyFuture {
    checkBytes('command', command);
    const { LogCommand: type } = LogType;
    return this.#requests.propose({ type, data: sliceOf(command), extensions: null }, timeout);
  }

  /** Like {@link Raft.apply}, with extensions beside the command. Go: `Raft.ApplyLog`. */
  applyLog(log: LogInput, timeout: Timeout = 0): ApplyFuture {
    checkObject('log', 'an object with data and extensions', log);
    const { data = null, extensions = null } = log;
    if (data !== null) checkBytes('data', data);
    if (extensions !== null) checkBytes('extensions', extensions);
    return this.#requests.propose(
      {
        type: LogType.LogCommand,
        data: data && sliceOf(data),
        extensions: extensions && sliceOf(extensions),
      },
      timeout,
    );
  }

  /**
   * Waits until everything that was committed before it has been applied here. Fails as
   * {@link Raft.apply} does. Go: `Raft.Barrier`.
   *
   * @param timeout milliseconds until it must have been accepted, 0 to wait for ever
   */
  barrier(timeout: Timeout = 0): Future {
    const { LogBarrier: type } = LogType;
    return new WithoutResponse(
      this.#requests.propose({ type, data: null, extensions: null }, timeout),
    );
  }

  /**
   * Asks a quorum of the voters whether this node still leads, by requests that are sent after the
   * call (thesis §6.4). Fails with `ErrNotLeader`, `ErrLeadershipLost`, `ErrRaftShutdown`, and with
   * `ErrEnqueueTimeout` when too many requests wait already. Go: `Raft.VerifyLeader`.
   */
  verifyLeader(): Future {
    return this.#requests.verifyLeader();
  }

  /**
   * Makes the next read of the local FSM linearizable: resolves, with the index that was reached,
   * once this node has proved its leadership after the call and the FSM has finished everything
   * that was committed at the call (thesis §6.4). Costs no log entry. Beyond Go.
   *
   * @param timeout milliseconds for the whole, 0 to wait for ever
   * @returns fails with `ErrNotLeader`, `ErrLeadershipLost`, `ErrRaftShutdown`, `ERR_READ_TIMEOUT`,
   *   `ERR_ABORTED`, or `ErrEnqueueTimeout` when too many requests wait already. Throws
   *   `ERR_INVALID_ARGUMENT`
   */
  readIndex(timeout: Timeout = 0): Future<number> {
    return this.#requests.readIndex(timeout);
  }

  /**
   * Writes the very first configuration of a cluster, on one of its servers or the same on all. Go:
   * `Raft.BootstrapCluster`.
   *
   * @returns fails with `ErrCantBootstrap` when this node has any state, `ErrNotVoter` when the
   *   configuration gives it no vote, `ERR_INVALID_CONFIGURATION` when that is malformed, or
   *   `ErrRaftShutdown`. Throws `ERR_INVALID_ARGUMENT`
   */
  bootstrapCluster(configuration: Configuration): Future {
    const copy = copyConfiguration(configuration);
    return this.#requests.ask((ticket) => ({ kind: 'bootstrap', configuration: copy, ticket }));
  }

  /**
   * Adds a voter whose name is its address. Only for protocol versions 1 and 2. Go: `Raft.AddPeer`.
   *
   * @deprecated by {@link Raft.addVoter}
   * @returns fails with `ErrUnsupportedProtocol` from version 3 on, else as `addVoter()` does
   */
  addPeer(peer: ServerAddress): Future {
    return this.#requests.changePeer(ConfigurationChangeCommand.AddVoter, peer);
  }

  /**
   * Removes a server by its address. Only for protocol versions 1 and 2. Go: `Raft.RemovePeer`.
   *
   * @deprecated by {@link Raft.removeServer}
   * @returns fails with `ErrUnsupportedProtocol` from version 3 on, else as `removeServer()` does
   */
  removePeer(peer: ServerAddress): Future {
    return this.#requests.changePeer(ConfigurationChangeCommand.RemoveServer, peer);
  }

  /**
   * Adds a voter, or makes a nonvoter one; of a voter only the address changes (§6, thesis chapter
   * 4). Only the leader does it, one change after the other. Protocol 2. Go: `Raft.AddVoter`.
   *
   * @param prevIndex when above 0, refused unless the latest configuration has this index
   * @param timeout milliseconds until the leader must have accepted the change, 0 to wait for ever
   * @returns resolves when the change is committed, `index()` is its index. Fails with
   *   `ErrUnsupportedProtocol`, `ErrNotLeader`, `ErrEnqueueTimeout`, `ErrRaftShutdown`,
   *   `ErrLeadershipTransferInProgress`, `ERR_CONFIGURATION_CHANGED` (see `prevIndex`),
   *   `ERR_INVALID_CONFIGURATION` (an empty or taken name or address, or no voter left); with
   *   `ErrLeadershipLost` when it may or may not take place. Throws `ERR_INVALID_ARGUMENT`
   */
  addVoter(id: ServerID, address: ServerAddress, prevIndex = 0, timeout: Timeout = 0): IndexFuture {
    const { AddVoter: command } = ConfigurationChangeCommand;
    const change = { command, serverID: id, serverAddress: address, prevIndex };
    return this.#requests.change(2, change, timeout);
  }

  /**
   * Adds a server that receives the log and counts for nothing; of one that is there only the
   * address changes. Protocol 3. Parameters and errors as with {@link Raft.addVoter}. Go:
   * `Raft.AddNonvoter`.
   */
  addNonvoter(
    id: ServerID,
    address: ServerAddress,
    prevIndex = 0,
    timeout: Timeout = 0,
  ): IndexFuture {
    const { AddNonvoter: command } = ConfigurationChangeCommand;
    const change = { command, serverID: id, serverAddress: address, prevIndex };
    return this.#requests.change(3, change, timeout);
  }

  /**
   * Takes a server's vote; demoting the leader ends its leadership. Protocol 3. Parameters and
   * errors as with {@link Raft.addVoter}. Go: `Raft.DemoteVoter`.
   */
  demoteVoter(id: ServerID, prevIndex = 0, timeout: Timeout = 0): IndexFuture {
    const { DemoteVoter: command } = ConfigurationChangeCommand;
    const change = { command, serverID: id, serverAddress: '', prevIndex };
    return this.#requests.change(3, change, timeout);
  }

  /**
   * Removes a server, if it is there. Removing the leader ends its leadership, and shuts it down
   * unless `shutdownOnRemove` is off. Protocol 2. Parameters and errors as with
   * {@link Raft.addVoter}. Go: `Raft.RemoveServer`.
   */
  removeServer(id: ServerID, prevIndex = 0, timeout: Timeout = 0): IndexFuture {
    const { RemoveServer: command } = ConfigurationChangeCommand;
    const change = { command, serverID: id, serverAddress: '', prevIndex };
    return this.#requests.change(2, change, timeout);
  }

  /**
   * Hands the leadership to the voter that needs the fewest entries (thesis §3.10). Until that has
   * worked or failed, this node refuses requests. Protocol 3. Go: `Raft.LeadershipTransfer`.
   *
   * @returns resolves once this node leads no more. Fails, and this node goes on leading, with
   *   `ERR_NO_TRANSFER_TARGET`, `ERR_TIMEOUT_NOW_FAILED`, `ERR_LEADERSHIP_TRANSFER_TIMEOUT` (each
   *   of two steps may take one election timeout) or `ErrLeadershipTransferInProgress`; fails with
   *   `ErrUnsupportedProtocol`, `ErrNotLeader` or `ErrRaftShutdown`
   */
  leadershipTransfer(): Future {
    return this.#requests.transfer(null);
  }

  /**
   * Hands the leadership to one server. Go: `Raft.LeadershipTransferToServer`.
   *
   * @param address where it is told; it need not be the one in the configuration
   * @returns fails as {@link Raft.leadershipTransfer} does, and with `ERR_TRANSFER_TO_SELF`,
   *   `ERR_UNKNOWN_PEER` or `ERR_TRANSFER_TO_NONVOTER`. Throws `ERR_INVALID_ARGUMENT`
   */
  leadershipTransferToServer(id: ServerID, address: ServerAddress): Future {
    return this.#requests.transfer({ id, address });
  }

  /**
   * Changes the config while the node runs. A longer heartbeat timeout counts from the next wait
   * on, a shorter one at once. Go: `Raft.ReloadConfig`.
   *
   * @param config all five values, see {@link RaftView.reloadableConfig}
   * @throws `ERR_INVALID_CONFIG` for what {@link validateConfig} refuses; nothing changes then
   */
  reloadConfig(config: ReloadableConfig): void {
    this.#requests.reload(config);
  }

  /**
   * Takes a snapshot now, on any node (§7). Go: `Raft.Snapshot`.
   *
   * @returns resolves when it is durable; `open()` gives it once. Fails with
   *   `ErrNothingNewToSnapshot` when this process has applied no command yet, `ERR_SNAPSHOT` when
   *   the FSM or the snapshot store fails, `ERR_SNAPSHOT_TOO_EARLY` when the newest configuration
   *   is committed and no command behind it is applied, or `ErrRaftShutdown`
   */
  snapshot(): SnapshotFuture {
    return this.#runner.snapshots.take();
  }

  /**
   * Replaces the state of the whole cluster by a snapshot from outside, for disaster recovery. Only
   * the leader does it. It stores the bytes as a snapshot under an index that no entry has, gives
   * it to the FSM, and writes a no-op behind it; followers lack that index and are sent the
   * snapshot. Resolves once a quorum has it and the no-op is applied here. Commands that were in
   * flight fail with `ErrAbortedByRestore`; new ones wait for the end of the restore, under their
   * own timeouts. The membership stays what it is, whatever the snapshot says (§7). Go:
   * `Raft.Restore`.
   *
   * @param meta version, index and size in bytes of the snapshot, as `open()` gave them
   * @param reader the bytes, `meta.size` of them; read once, and only by a leader
   * @param timeout milliseconds until the leader must have taken the request, 0 to wait for ever;
   *   it does not bound the restore
   * @returns fails with `ErrNotLeader`, `ErrEnqueueTimeout`, `ErrLeadershipTransferInProgress`,
   *   `ErrRaftShutdown`, `ERR_RESTORE_IN_PROGRESS`, `ERR_RESTORE_TOO_EARLY` (a configuration is not
   *   committed yet), `ERR_UNSUPPORTED_SNAPSHOT`, `ERR_SNAPSHOT` (the copy could not be made) or
   *   `ERR_SNAPSHOT_SIZE`, which leave the state as it was; with `ErrLeadershipLost` when it may or
   *   may not have taken place. Throws `ERR_INVALID_ARGUMENT`
   */
  restore(meta: SnapshotMeta, reader: AsyncIterable<Uint8Array>, timeout: Timeout = 0): Future {
    checkStream('reader', reader);
    return this.#requests.restore(checkedMeta(meta), reader, timeout);
  }

  /**
   * Stops the node and closes its transport; the stores stay open. A second call gives the end of
   * the first. Go: `Raft.Shutdown`.
   *
   * @returns resolves when nothing is under way any more. Fails with `ERR_SHUTDOWN_INCOMPLETE`,
   *   naming what still is after 10 seconds, or with what closing the transport threw
   */
  shutdown(): Future {
    const future = new SettableFuture<void>();
    this.#runner.shutdown().then(
      () => future.succeed(undefined),
      (error: unknown) => future.fail(asError(error)),
    );
    return future;
  }

  /**
   * Shuts down when the block ends, however it ends; rejects as `shutdown()` does. Beyond Go.
   *
   * @example
   * ```ts
   * import { defaultConfig, newRaft } from 'quorate';
   * import { newInmemSnapshotStore } from 'quorate/snapshot';
   * import { newInmemStore } from 'quorate/store';
   * import { MockFSM } from 'quorate/testing';
   * import { newInmemTransport } from 'quorate/transport';
   *
   * const store = newInmemStore();
   * const snaps = newInmemSnapshotStore();
   * const [address, transport] = newInmemTransport('');
   * const config = { ...defaultConfig(), localID: address, logLevel: 'ERROR' as const };
   * {
   *   await using raft = await newRaft(config, new MockFSM(), store, store, snaps, transport);
   *   console.log(raft.stats().state);
   * } // here it has shut down
   * ```
   * ```text
   * Follower
   * ```
   */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.shutdown();
  }
}

/**
 * Starts a node on its stores; it continues where it stopped. A node that was neither bootstrapped
 * nor added to a cluster waits quietly. Go: `NewRaft`.
 *
 * @param conf see {@link defaultConfig}; checked, and not kept
 * @param fsm the state machine; its newest snapshot is given to it before anything else
 * @param logs where the log lives
 * @param stable where term and vote live; may be the same object as `logs`
 * @param snaps where snapshots live
 * @param trans how this node talks to others
 * @returns the node; rejects with a `RaftError` that says what is wrong with config or stores
 */
export async function newRaft(
  conf: Config,
  fsm: FSM,
  logs: LogStore,
  stable: StableStore,
  snaps: SnapshotStore,
  trans: Transport,
): Promise<Raft> {
  validateConfig(conf);
  guardTimers(conf);
  return Raft.start({ ...conf }, fsm, logs, stable, snaps, trans);
}
