import { type Random, randomInteger, seededRandom } from '../../internal/random.ts';
import type { SimCluster } from './cluster.ts';
import type { DiskFault } from './disk.ts';
import { type FaultKind, isDiskFault, isNetworkFault } from './fault-kinds.ts';
import { CALM } from './network.ts';
import type { SimNode } from './sim-node.ts';

const SLOW_DISK = { minSyncMs: 20, maxSyncMs: 80 };
const DAY_MS = 86_400_000;

/** Makes trouble at random moments, each for a random while, until it is told to stop. */
export class Nemesis {
  readonly #cluster: SimCluster;
  /** Draws when troubles come. */
  readonly #schedule: Random;
  /** Draws what the present trouble is: each has its own dice, so that one can be left out. */
  #random: Random;
  readonly #kinds: readonly FaultKind[];
  readonly #maxPauseMs: number;
  readonly #struck = new Map<FaultKind, number>();
  readonly #wanted: ReadonlySet<number> | null;
  readonly #strikes: number[] = [];
  #number = 0;
  #stopped = false;

  /**
   * @param maxPauseMs milliseconds between two troubles, at most
   * @param wanted the numbers of the troubles that come, from 1; the others are left out
   */
  constructor(
    cluster: SimCluster,
    random: Random,
    kinds: readonly FaultKind[],
    maxPauseMs: number,
    wanted: readonly number[] | null,
  ) {
    this.#cluster = cluster;
    this.#schedule = random;
    this.#random = random;
    this.#kinds = kinds;
    this.#maxPauseMs = maxPauseMs;
    this.#wanted = wanted === null ? null : new Set(wanted);
  }

  /** How often each kind of trouble was made. */
  get struck(): ReadonlyMap<FaultKind, number> {
    return this.#struck;
  }

  /** The numbers of the troubles that came. */
  get strikes(): readonly number[] {
    return this.#strikes;
  }

  /** Begins to make trouble. */
  start(): void {
    const { network, profile } = this.#cluster.world;
    network.weather = { ...CALM, spread: profile.spread };
    if (this.#kinds.length > 0) this.#next();
  }

  #next(): void {
    this.#later(randomInteger(this.#schedule, 1, this.#maxPauseMs), () => {
      this.#number += 1;
      this.#random = seededRandom(randomInteger(this.#schedule, 0, 2 ** 31));
      if (this.#wanted?.has(this.#number) ?? true) {
        this.#strikes.push(this.#number);
        const kind = this.#kinds[randomInteger(this.#random, 0, this.#kinds.length - 1)];
        if (kind !== undefined) this.#strike(kind);
      }
      this.#next();
    });
  }

  /** Ends all trouble: what is down comes up, what is cut is joined, what hangs is restarted. */
  stop(): void {
    this.#stopped = true;
    const { network, write, profile } = this.#cluster.world;
    write?.('--', 'all trouble ends');
    network.heal();
    network.weather = CALM;
    for (const node of this.#cluster.nodes) {
      for (const disk of node.disks) {
        disk.speed = profile.diskSpeed;
        disk.nextFault = null;
        disk.nextFileFault = null;
        disk.isFull = false;
      }
      node.process?.resume();
      if (node.disks.some(({ isHanging }) => isHanging)) node.crash('kill');
      if (!node.isUp) this.#cluster.startNode(node);
    }
  }

  #later(delayMs: number, act: () => void): void {
    this.#cluster.world.scheduler.schedule(delayMs, () => {
      if (!this.#stopped) act();
    });
  }

  #strike(kind: FaultKind): void {
    const node = this.#victim();
    const whileMs = randomInteger(this.#random, 5, 600);
    if (kind === 'rot-entry' || kind === 'rot-snapshot') {
      if (!this.#rot(kind, node)) return;
    } else if (isNetworkFault(kind)) {
      this.#disturbNetwork(kind, node, whileMs);
    } else if (isDiskFault(kind)) {
      this.#disturbDisk(kind, node, whileMs);
    } else {
      this.#disturbProcess(kind, node, whileMs);
    }
    this.#struck.set(kind, (this.#struck.get(kind) ?? 0) + 1);
    this.#cluster.world.write?.('--', `trouble for ${node.id}: ${kind}, ${whileMs} ms`);
  }

  /** Any node, the leader as often as all others together. */
  #victim(): SimNode {
    const { nodes } = this.#cluster;
    const leader = this.#cluster.someLeader(this.#random);
    if (leader !== undefined && this.#random.next() < 0.5) return leader;
    const node = nodes[randomInteger(this.#random, 0, nodes.length - 1)];
    if (node === undefined) throw new Error('a cluster has at least one node');
    return node;
  }

  #disturbProcess(kind: FaultKind, node: SimNode, whileMs: number): void {
    switch (kind) {
      case 'kill-then-power-loss':
        this.#cluster.crash(node, 'kill', 1);
        this.#later(randomInteger(this.#random, 2, 60), () => {
          this.#cluster.crash(node, 'power-loss', whileMs);
        });
        break;
      case 'blackout':
        for (const each of this.#cluster.nodes) this.#cluster.crash(each, 'power-loss', whileMs);
        break;
      case 'pause':
        this.#pause(node, whileMs);
        break;
      case 'stutter':
        for (let atMs = 1; atMs < whileMs; atMs += 25) {
          this.#later(atMs, () => this.#pause(node, randomInteger(this.#random, 1, 24)));
        }
        break;
      case 'clock-jump': {
        const ms = randomInteger(this.#random, 1, DAY_MS);
        node.process?.jump(this.#random.next() < 0.5 ? ms : -ms);
        break;
      }
      default:
        this.#cluster.crash(node, kind === 'kill' ? 'kill' : 'power-loss', whileMs);
    }
  }

  #pause(node: SimNode, whileMs: number): void {
    const { process } = node;
    process?.pause();
    this.#later(whileMs, () => process?.resume());
  }

  #disturbNetwork(kind: FaultKind, node: SimNode, whileMs: number): void {
    const { network, profile } = this.#cluster.world;
    if (kind === 'reset') {
      network.reset(node.address);
      return;
    }
    if (kind === 'reset-in-snapshot') {
      network.breakSnapshotAfter(randomInteger(this.#random, 1, 4));
      return;
    }
    const others = this.#cluster.nodes.filter((other) => other !== node);
    const outward = this.#random.next() < 0.5;
    for (const other of others) {
      if (kind === 'isolate' || (kind === 'one-way' && outward)) {
        network.cut(node.address, other.address);
      }
      if (kind === 'isolate' || (kind === 'one-way' && !outward)) {
        network.cut(other.address, node.address);
      }
      if (kind === 'slow-link') network.slowDown(node.address, other.address, 20);
      if (kind === 'stalled-link') network.stall(node.address, other.address, whileMs);
    }
    if (kind === 'split') this.#split();
    const { spread } = profile;
    const storm = { ...CALM, spread, maxDelayMs: 12 };
    if (kind === 'loss') network.weather = { ...storm, drop: 0.2 };
    if (kind === 'duplication') network.weather = { ...storm, duplicate: 0.3 };
    if (kind === 'reordering') network.weather = { ...storm, straggle: 0.3 };
    if (kind === 'storm') {
      network.weather = { ...storm, drop: 0.15, duplicate: 0.1, straggle: 0.1 };
    }
    this.#later(whileMs, () => {
      network.heal();
      network.weather = { ...CALM, spread };
    });
  }

  /** Two groups that do not hear of each other. */
  #split(): void {
    const { network } = this.#cluster.world;
    const left = new Set(this.#cluster.nodes.filter(() => this.#random.next() < 0.5));
    for (const a of this.#cluster.nodes) {
      for (const b of this.#cluster.nodes) {
        if (left.has(a) !== left.has(b)) network.cut(a.address, b.address);
      }
    }
  }

  #disturbDisk(kind: FaultKind, node: SimNode, whileMs: number): void {
    const [first, second = first] = node.disks;
    const disk = this.#random.next() < 0.5 ? first : second;
    if (disk === undefined) return;
    switch (kind) {
      case 'slow-disk':
        disk.speed = SLOW_DISK;
        this.#later(whileMs, () => {
          disk.speed = this.#cluster.world.profile.diskSpeed;
        });
        break;
      case 'full-disk':
        disk.isFull = true;
        this.#later(whileMs, () => {
          disk.isFull = false;
        });
        break;
      case 'snapshot-write-fails':
        node.disk.nextFileFault = 'write-fails';
        break;
      case 'snapshot-sync-fails':
        node.disk.nextFileFault = 'sync-fails';
        break;
      default:
        disk.nextFault = storeFault(kind);
        if (kind === 'hang') {
          this.#later(2 * whileMs, () => this.#cluster.crash(node, 'power-loss', whileMs));
        }
    }
  }

  /**
   * Damages what is on a disk. The node stops for good when it finds out, so at most a minority may
   * be damaged in a run, and nobody may leave the cluster meanwhile: see `docs/testing.md`.
   */
  #rot(kind: 'rot-entry' | 'rot-snapshot', node: SimNode): boolean {
    const { nodes, world } = this.#cluster;
    const damaged = nodes.filter(({ isDamaged }) => isDamaged);
    const bearable = Math.floor((world.profile.nodes - 1) / 2);
    const one = damaged.length < bearable ? node : damaged[0];
    const { memberChanges, userRestores } = world.profile;
    if (memberChanges || userRestores || bearable === 0 || one === undefined) return false;
    return kind === 'rot-entry' ? one.disk.rotEntry() : one.disk.rotSnapshot();
  }
}

function storeFault(kind: FaultKind): DiskFault {
  if (kind === 'sync-fails' || kind === 'hang') return kind;
  return kind === 'slow-write' ? 'stall' : 'refuse';
}
