import { type Random, randomInteger } from '../../internal/random.ts';
import type { SimCluster } from './cluster.ts';
import type { DiskFault } from './disk.ts';
import { CALM } from './network.ts';
import type { SimNode } from './sim-node.ts';

/** Everything that may go wrong in a run. */
export const faultKinds = [
  'kill',
  'power-loss',
  'kill-then-power-loss',
  'blackout',
  'pause',
  'isolate',
  'one-way',
  'split',
  'slow-link',
  'storm',
  'refuse',
  'sync-fails',
  'stall',
  'hang',
  'slow-disk',
] as const;
/** One thing that may go wrong. */
export type FaultKind = (typeof faultKinds)[number];

const SLOW_DISK = { minSyncMs: 20, maxSyncMs: 80 };

/** Makes trouble at random moments, each for a random while, until it is told to stop. */
export class Nemesis {
  readonly #cluster: SimCluster;
  readonly #random: Random;
  readonly #kinds: readonly FaultKind[];
  readonly #maxPauseMs: number;
  #stopped = false;

  /** @param maxPauseMs milliseconds between two troubles, at most */
  constructor(
    cluster: SimCluster,
    random: Random,
    kinds: readonly FaultKind[],
    maxPauseMs: number,
  ) {
    this.#cluster = cluster;
    this.#random = random;
    this.#kinds = kinds;
    this.#maxPauseMs = maxPauseMs;
  }

  /** Begins to make trouble. */
  start(): void {
    if (this.#kinds.length === 0) return;
    this.#later(randomInteger(this.#random, 1, this.#maxPauseMs), () => {
      const kind = this.#kinds[randomInteger(this.#random, 0, this.#kinds.length - 1)];
      if (kind !== undefined) this.#strike(kind);
      this.start();
    });
  }

  /** Ends all trouble: what is down comes up, what is cut is joined, what hangs is restarted. */
  stop(): void {
    this.#stopped = true;
    const { network, write, profile } = this.#cluster.world;
    write('--', 'all trouble ends');
    network.heal();
    network.weather = CALM;
    for (const node of this.#cluster.nodes) {
      for (const disk of node.disks) {
        disk.speed = profile.diskSpeed;
        disk.nextFault = null;
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
    this.#cluster.world.write('--', `trouble for ${node.id}: ${kind}, ${whileMs} ms`);
    switch (kind) {
      case 'kill':
      case 'power-loss':
        this.#cluster.crash(node, kind, whileMs);
        break;
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
      case 'isolate':
      case 'one-way':
      case 'split':
      case 'slow-link':
      case 'storm':
        this.#disturbNetwork(kind, node, whileMs);
        break;
      default:
        this.#disturbDisk(kind, node, whileMs);
    }
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

  #pause(node: SimNode, whileMs: number): void {
    const { process } = node;
    process?.pause();
    this.#later(whileMs, () => process?.resume());
  }

  #disturbNetwork(kind: FaultKind, node: SimNode, whileMs: number): void {
    const { network } = this.#cluster.world;
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
    }
    if (kind === 'split') this.#split();
    if (kind === 'storm') {
      network.weather = {
        minDelayMs: 0.2,
        maxDelayMs: 12,
        drop: 0.15,
        duplicate: 0.1,
        straggle: 0.1,
      };
    }
    this.#later(whileMs, () => {
      network.heal();
      network.weather = CALM;
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

  #disturbDisk(kind: DiskFault | 'slow-disk', node: SimNode, whileMs: number): void {
    const [first, second = first] = node.disks;
    const disk = this.#random.next() < 0.5 ? first : second;
    if (disk === undefined) return;
    if (kind === 'slow-disk') {
      disk.speed = SLOW_DISK;
      this.#later(whileMs, () => {
        disk.speed = this.#cluster.world.profile.diskSpeed;
      });
      return;
    }
    disk.nextFault = kind;
    if (kind === 'hang') {
      this.#later(2 * whileMs, () => this.#cluster.crash(node, 'power-loss', whileMs));
    }
  }
}
