import { type Random, randomInteger, seededRandom } from '../../internal/random.ts';
import type { Configuration, ServerAddress, ServerID } from '../../raft/configuration.ts';
import { asError, RaftError } from '../../raft/errors.ts';
import type { FSM } from '../../raft/fsm.ts';
import type { LogFields, Logger } from '../../raft/logger.ts';
import { silentLogger } from '../../raft/logger.ts';
import type { RaftNode } from '../../raft/node.ts';
import { newRaft } from '../../raft/raft.ts';
import { bootstrapCluster } from '../../raft/recover.ts';
import { RaftState } from '../../raft/state.ts';
import { FileSnapshotStore } from '../../snapshot/file-snapshot-store.ts';
import { newLogCache } from '../../store/log-cache.ts';
import type { Court, NodeView } from './court.ts';
import { type CrashKind, SimDisk } from './disk.ts';
import { RETAINED_SNAPSHOTS } from './disk-image.ts';
import { AtomicDiskStore, DiskStore } from './disk-log-store.ts';
import { BatchingSimFSM, SimFSM } from './fsm.ts';
import type { SimNetwork } from './network.ts';
import { configOf, mixedProfile, type Profile } from './profile.ts';
import type { WriteLine } from './scribe.ts';
import { SimFileSystem } from './sim-file-system.ts';
import { SimTransport } from './sim-transport.ts';
import { type Scheduler, SimProcess } from './virtual-clock.ts';

/** A node took a user restore that no quorum took: it says so and stops. */
const CONTRADICTED = 'ERR_SNAPSHOT_CONTRADICTED';

/** What nodes share. */
export interface World {
  /** What lets time pass. */
  readonly scheduler: Scheduler;
  /** How nodes talk. */
  readonly network: SimNetwork;
  /** Who judges them. */
  readonly court: Court;
  /** What the run is like. */
  readonly profile: Profile;
  /** Writes a line into the trace; `null` when nobody will read it. */
  readonly write: WriteLine | null;
  /** Makes the state machines, in place of those that the simulator brings. */
  readonly newFSM?: (id: ServerID) => FSM;
}

function describeFields(fields: LogFields): string {
  return Object.entries(fields)
    .map(([key, value]) => `${key}=${value instanceof Error ? value.message : String(value)}`)
    .join(' ');
}

/** One server: a disk that lasts, and one process after the other that uses it. */
export class SimNode implements NodeView {
  /** Its name. */
  readonly id: ServerID;
  /** Where it is reached. */
  readonly address: ServerAddress;
  readonly disk: SimDisk;
  readonly stableDisk: SimDisk;
  /** How this node is tuned. */
  readonly profile: Profile;
  readonly #world: World;
  readonly #random: Random;
  #process: SimProcess | null = null;
  #raft: RaftNode | null = null;
  #fsm: SimFSM | null = null;
  #userFSM: FSM | null = null;
  #startFailure: Error | null = null;
  #isLost = false;

  constructor(world: World, random: Random, id: ServerID) {
    this.#world = world;
    this.#random = random;
    this.id = id;
    this.address = `sim:${id}`;
    const { scheduler, profile, court } = world;
    this.profile = profile.mixedConfigs ? mixedProfile(profile, random) : profile;
    const tears = !profile.atomicStores;
    const newDisk = (): SimDisk =>
      new SimDisk(scheduler, random, id, profile.diskSpeed, court, tears);
    this.disk = newDisk();
    this.stableDisk = profile.separateStores ? newDisk() : this.disk;
  }

  get raft(): RaftNode | null {
    return this.#raft;
  }

  get heardAtMs(): number | null {
    const heard = this.#raft?.lastContact() ?? null;
    if (heard === null || this.#process === null) return null;
    const agoMs = this.#process.wallTime().getTime() - heard.getTime();
    return this.#world.scheduler.nowMs - agoMs;
  }

  /** Its state machine, `null` while it is down. */
  get fsm(): SimFSM | null {
    return this.#fsm;
  }

  /** The state machine that the user brought, `null` while it is down or when there is none. */
  get userFSM(): FSM | null {
    return this.#userFSM;
  }

  /** Its process, `null` while it is down. */
  get process(): SimProcess | null {
    return this.#process;
  }

  /** True while its process lives. */
  get isUp(): boolean {
    return this.#process !== null;
  }

  /** Its one or two disks. */
  get disks(): readonly SimDisk[] {
    return this.disk === this.stableDisk ? [this.disk] : [this.disk, this.stableDisk];
  }

  /** True while it believes that it leads. */
  get isLeader(): boolean {
    return this.#raft?.state() === RaftState.Leader;
  }

  /** True when the process runs and yet the node has ended: it waits for somebody to restart it. */
  get hasStopped(): boolean {
    return this.#startFailure !== null || this.#raft?.state() === RaftState.Shutdown;
  }

  /** Why it stopped, as far as it says so. */
  get stopCause(): Error | null {
    return this.#startFailure ?? this.#raft?.fatal ?? null;
  }

  /** True when something on its disk is not what was written, also while nobody has noticed. */
  get isDamaged(): boolean {
    return this.disk.isDamaged;
  }

  /** True when it has stopped for what is on its disk, which somebody must replace. */
  get isLost(): boolean {
    return this.#isLost;
  }

  /** Looks whether the damage has ended it. */
  lookForDamage(): void {
    const cause = this.stopCause;
    const isContradicted = cause instanceof RaftError && cause.code === CONTRADICTED;
    if (this.hasStopped && (this.isDamaged || isContradicted)) this.#isLost = true;
  }

  /** Starts a new process; the first one of a first member writes the first configuration. */
  start(bootstrap: Configuration | null): void {
    if (this.#process !== null || this.isLost) return;
    const { scheduler, court, write } = this.#world;
    const offsetMs = randomInteger(this.#random, 1, 1_000_000);
    const process = new SimProcess(scheduler, this.id, offsetMs);
    this.#process = process;
    this.#startFailure = null;
    court.started(this);
    write?.(this.id, 'starts');
    process.deliver(0, () => {
      this.#boot(process, bootstrap).then(
        (raft) => {
          this.#raft = raft;
          write?.(this.id, 'is up');
        },
        (error: unknown) => {
          this.#startFailure = asError(error);
          write?.(this.id, `does not come up: ${this.#startFailure.message}`);
        },
      );
    });
  }

  /** Ends the process without a word. The power can also fail while there is none. */
  crash(kind: CrashKind): void {
    if (this.#process === null && kind === 'kill') return;
    this.#world.write?.(this.id, `crashes: ${kind}`);
    this.#process?.kill();
    const endpoint = this.#world.network.endpointAt(this.address);
    if (endpoint !== undefined) this.#world.network.unlisten(this.address, endpoint);
    for (const disk of this.disks) disk.crash(kind);
    this.#process = null;
    this.#raft = null;
    this.#fsm = null;
    this.#userFSM = null;
  }

  async #boot(process: SimProcess, bootstrap: Configuration | null): Promise<RaftNode> {
    const { network, court } = this.#world;
    const { profile } = this;
    const Store = profile.atomicStores ? AtomicDiskStore : DiskStore;
    const Fsm = profile.batchingFSM ? BatchingSimFSM : SimFSM;
    const store = new Store(this.disk, process, profile.readDelayMs);
    const { separateStores } = profile;
    const stable = separateStores ? new Store(this.stableDisk, process, 0) : store;
    const logs = profile.cachedEntries === 0 ? store : newLogCache(profile.cachedEntries, store);
    const snapshots = await FileSnapshotStore.open('data', RETAINED_SNAPSHOTS, {
      fileSystem: new SimFileSystem(this.disk, process),
      logger: silentLogger,
      clock: process,
    });
    const transport = new SimTransport(network, process, this.address, profile.rpcTimeoutMs);
    const watcher = {
      applied: court.applied.bind(court, this),
      restored: court.restored.bind(court, this),
    };
    const { applyMs } = profile;
    this.#fsm = new Fsm(watcher, applyMs === 0 ? null : () => process.sleep(applyMs));
    const config = {
      ...configOf(profile),
      localID: this.id,
      clock: process,
      random: seededRandom(randomInteger(this.#random, 0, 2 ** 31)),
      logger: this.#logger(process),
    };
    if (bootstrap !== null) {
      await bootstrapCluster(config, logs, stable, snapshots, transport, bootstrap);
    }
    this.#userFSM = this.#world.newFSM?.(this.id) ?? null;
    return newRaft(config, this.#userFSM ?? this.#fsm, logs, stable, snapshots, transport);
  }

  #logger(process: SimProcess): Logger {
    const { write } = this.#world;
    if (write === null) return silentLogger;
    const line = (level: string) => (fields: LogFields, message: string) => {
      if (process.isAlive) write(this.id, `${level} ${message} ${describeFields(fields)}`);
    };
    return {
      trace() {},
      debug() {},
      info: line('INFO'),
      warn: line('WARN'),
      error: line('ERROR'),
    };
  }
}
