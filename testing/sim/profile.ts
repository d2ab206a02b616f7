import { type Random, randomInteger } from '../../internal/random.ts';
import { type Config, defaultConfig } from '../../raft/config.ts';
import type { DiskSpeed } from './disk.ts';
import type { DelaySpread } from './network.ts';

/** How the nodes of a run are built and tuned. Times are milliseconds of virtual time. */
export interface Profile {
  /** Servers in the first configuration, 1 to 7. */
  readonly nodes: number;
  /** Servers that run beside them and may be added. */
  readonly spares: number;
  /** `Config.heartbeatTimeout` of every node. */
  readonly heartbeatTimeoutMs: number;
  /** `Config.electionTimeout` of every node. */
  readonly electionTimeoutMs: number;
  /** `Config.leaderLeaseTimeout` of every node. */
  readonly leaseTimeoutMs: number;
  /** `Config.commitTimeout` of every node. */
  readonly commitTimeoutMs: number;
  /** The limit of a call between nodes. */
  readonly rpcTimeoutMs: number;
  /** `Config.maxAppendEntries` of every node. */
  readonly maxAppendEntries: number;
  /** `Config.batchApplyCh` of every node. */
  readonly batchApplyCh: boolean;
  /** `Config.trailingLogs` of every node. */
  readonly trailingLogs: number;
  /** `Config.snapshotInterval` of every node. */
  readonly snapshotIntervalMs: number;
  /** `Config.snapshotThreshold` of every node. */
  readonly snapshotThreshold: number;
  /** `Config.preVoteDisabled` of every node. */
  readonly preVoteDisabled: boolean;
  /** Stores have replaceTail, setMany and getLogRange. */
  readonly atomicStores: boolean;
  /** Term and vote have a disk of their own, which fails and loses by itself. */
  readonly separateStores: boolean;
  /** How long reading the log takes; 0 reads at once. */
  readonly readDelayMs: number;
  /** How fast the disks are. */
  readonly diskSpeed: DiskSpeed;
  /** Whether the FSMs apply batches. */
  readonly batchingFSM: boolean;
  /** How long the FSM takes for a command; 0 applies at once. */
  readonly applyMs: number;
  /** Clients add and remove servers. */
  readonly memberChanges: boolean;
  /** Milliseconds between the wishes of clients, at most. */
  readonly workEveryMs: number;
  /** Commands a second that come beside these wishes, to whoever leads. */
  readonly proposalsPerSecond: number;
  /** Every node has timeouts, pre-vote and batches of its own. */
  readonly mixedConfigs: boolean;
  /** Entries that a log cache before the store keeps; 0 for no cache. */
  readonly cachedEntries: number;
  /** Clients replace the state of the whole cluster now and then. */
  readonly userRestores: boolean;
  /** How delays on the network are spread. */
  readonly spread: DelaySpread;
}

function pick<T>(random: Random, first: T, ...others: readonly T[]): T {
  return others[randomInteger(random, 0, others.length) - 1] ?? first;
}

/** Draws a profile; fields of `fixed` are taken as they are. */
export function drawProfile(random: Random, fixed: Partial<Profile>): Profile {
  const drawnTimeoutMs = pick(random, 100, 150, 250);
  const heartbeatTimeoutMs = fixed.heartbeatTimeoutMs ?? drawnTimeoutMs;
  const drawn: Profile = {
    nodes: pick(random, 3, 3, 3, 3, 5, 5, 4, 2, 1, 6, 7),
    spares: pick(random, 0, 1, 1, 2),
    heartbeatTimeoutMs,
    electionTimeoutMs: heartbeatTimeoutMs * pick(random, 1, 1.5),
    leaseTimeoutMs: heartbeatTimeoutMs * pick(random, 0.5, 1),
    commitTimeoutMs: pick(random, 10, 25, 50),
    rpcTimeoutMs: pick(random, 60, 150, 400),
    maxAppendEntries: pick(random, 64, 8, 2, 1),
    batchApplyCh: random.next() < 0.5,
    trailingLogs: pick(random, 0, 2, 10, 50),
    snapshotIntervalMs: pick(random, 100, 300, 1000),
    snapshotThreshold: pick(random, 1, 8, 30),
    preVoteDisabled: random.next() < 0.25,
    atomicStores: random.next() < 0.6,
    separateStores: random.next() < 0.3,
    readDelayMs: pick(random, 0, 0, 0.3, 2),
    diskSpeed: pick(
      random,
      { minSyncMs: 0.1, maxSyncMs: 0.5 },
      { minSyncMs: 0.2, maxSyncMs: 3 },
      { minSyncMs: 1, maxSyncMs: 20 },
    ),
    batchingFSM: random.next() < 0.5,
    applyMs: pick(random, 0, 0, 0.5),
    memberChanges: random.next() < 0.7,
    workEveryMs: pick(random, 10, 30, 60),
    proposalsPerSecond: 0,
    mixedConfigs: random.next() < 0.3,
    cachedEntries: pick(random, 0, 8, 128),
    userRestores: random.next() < 0.4,
    spread: pick<DelaySpread>(random, 'even', 'exponential', 'heavy-tail'),
  };
  const profile = { ...drawn, ...fixed };
  // A node that took a restore which no quorum took is lost, and must not be left with the vote.
  return profile.memberChanges ? { ...profile, userRestores: false } : profile;
}

/**
 * What one node's profile is where configs are mixed. Timeouts may differ by half, which is less
 * than a cluster needs to elect; with more, the slower nodes would only ever follow.
 */
export function mixedProfile(profile: Profile, random: Random): Profile {
  const factor = 1 + random.next() / 2;
  return {
    ...profile,
    heartbeatTimeoutMs: profile.heartbeatTimeoutMs * factor,
    electionTimeoutMs: profile.electionTimeoutMs * factor,
    commitTimeoutMs: pick(random, 10, 25, 50),
    maxAppendEntries: pick(random, 64, 8, 2, 1),
    batchApplyCh: random.next() < 0.5,
    trailingLogs: pick(random, 0, 2, 10, 50),
    snapshotThreshold: pick(random, 1, 8, 30),
    preVoteDisabled: random.next() < 0.5,
  };
}

/** The part of a profile that is the node's own config. */
export function configOf(profile: Profile): Config {
  return {
    ...defaultConfig(),
    heartbeatTimeout: profile.heartbeatTimeoutMs,
    electionTimeout: profile.electionTimeoutMs,
    leaderLeaseTimeout: profile.leaseTimeoutMs,
    commitTimeout: profile.commitTimeoutMs,
    maxAppendEntries: profile.maxAppendEntries,
    batchApplyCh: profile.batchApplyCh,
    trailingLogs: profile.trailingLogs,
    snapshotInterval: profile.snapshotIntervalMs,
    snapshotThreshold: profile.snapshotThreshold,
    preVoteDisabled: profile.preVoteDisabled,
  };
}

/** Which kinds of trouble a run knows, and how often it comes. */
export interface Swarm<Kind> {
  /** Some of all kinds. */
  readonly kinds: readonly Kind[];
  /** Milliseconds between two troubles, at most. */
  readonly everyMs: number;
}

/**
 * Draws what may go wrong in a run. A run that knows every fault finds less than many runs that
 * know a few each: one fault ends what another would have shown (Groce et al., "Swarm Testing",
 * ISSTA 2012).
 */
export function drawSwarm<Kind>(random: Random, all: readonly Kind[]): Swarm<Kind> {
  const share = pick(random, 0.15, 0.3, 0.5, 1);
  const kinds = all.filter(() => random.next() < share);
  return { kinds: kinds.length === 0 ? all : kinds, everyMs: pick(random, 80, 150, 250, 500) };
}
