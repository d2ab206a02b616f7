import { type Random, randomInteger } from '../../internal/random.ts';
import { Configuration, type ServerID, ServerSuffrage } from '../../raft/configuration.ts';
import { RaftState, raftStateToString } from '../../raft/state.ts';
import type { CrashKind } from './disk.ts';
import type { World } from './sim-node.ts';
import { SimNode } from './sim-node.ts';
import type { SimProcess } from './virtual-clock.ts';

/** How long a node that stopped by itself has to answer everybody before it is restarted. */
const RETIREMENT_MS = 400;

/** The nodes of a run, and the supervisor that restarts what has stopped. */
export class SimCluster {
  /** Its servers, also those that are down. */
  readonly nodes: readonly SimNode[];
  /** What they share. */
  readonly world: World;
  readonly #random: Random;
  readonly #byName: ReadonlyMap<string, SimNode>;
  readonly #roles = new Map<ServerID, RaftState>();
  readonly #roleChanges = new Map<string, number>();
  readonly #retiring = new Set<ServerID>();
  readonly #reached = new Map<ServerID, number>();
  readonly #first: Configuration;
  /** The last act: what stops stays stopped. */
  #closing = false;

  constructor(world: World, random: Random, diskRandom: (id: ServerID) => Random) {
    this.world = world;
    this.#random = random;
    const { nodes, spares } = world.profile;
    this.nodes = Array.from({ length: nodes + spares }, (_, i) => {
      const id = `n${i + 1}`;
      return new SimNode(world, diskRandom(id), id);
    });
    this.#byName = new Map(this.nodes.map((node) => [node.id, node]));
    for (const node of this.nodes) world.court.admit(node);
    this.#first = new Configuration(
      this.nodes
        .slice(0, nodes)
        .map(({ id, address }) => ({ suffrage: ServerSuffrage.Voter, id, address })),
    );
  }

  /** How often a node changed its role, such as `Candidate to Leader`. */
  get roleChanges(): ReadonlyMap<string, number> {
    return this.#roleChanges;
  }

  /** Grows when a node has applied what it never had before. */
  progress(): number {
    let sum = 0;
    for (const { id, fsm } of this.nodes) {
      const reached = Math.max(this.#reached.get(id) ?? 0, fsm?.state.index ?? 0);
      this.#reached.set(id, reached);
      sum += reached;
    }
    return sum;
  }

  /** Starts every node; the members of the first configuration write it down. */
  start(): void {
    this.nodes.forEach((node) => {
      this.startNode(node);
    });
  }

  /**
   * Starts a node. A first member that has nothing on its disk is bootstrapped; so is one that died
   * inside its bootstrap, with a term and no configuration.
   */
  startNode(node: SimNode): void {
    const { visible } = node.disk;
    const keys = node.stableDisk.visible;
    const hasLog = visible.lastIndex > 0 || visible.snapshotIndex > 0;
    const hasTerm = keys.number('CurrentTerm') > 1 || keys.has('LastVoteTerm');
    const isFirst = this.#first.servers.some(({ id }) => id === node.id);
    node.start(isFirst && !hasLog && !hasTerm ? this.#first : null);
  }

  /** Crashes a node and starts it again after `downMs`. */
  crash(node: SimNode, kind: CrashKind, downMs: number): void {
    node.crash(kind);
    this.world.scheduler.schedule(downMs, () => this.startNode(node));
  }

  /** A node that leads, or believes so; any one of several. */
  someLeader(random: Random): SimNode | undefined {
    const leaders = this.nodes.filter((node) => node.isLeader);
    return leaders[randomInteger(random, 0, Math.max(leaders.length - 1, 0))];
  }

  /** The leader of the newest term that has one. */
  newestLeader(): SimNode | undefined {
    const termOf = ({ raft }: SimNode): number => raft?.currentTerm() ?? 0;
    return this.nodes
      .filter(({ isLeader }) => isLeader)
      .reduce<SimNode | undefined>(
        (best, node) => (best === undefined || termOf(node) > termOf(best) ? node : best),
        undefined,
      );
  }

  /** Judges the node whose process has just run, and looks after it. */
  stepped(process: SimProcess): void {
    const node = this.#byName.get(process.name);
    if (node === undefined || node.process !== process) return;
    this.world.court.stepped(node, this.world.scheduler.nowMs);
    this.#noteRole(node);
    node.lookForDamage();
    if (node.hasStopped && !this.#closing && !this.#retiring.has(node.id)) this.#retire(node);
  }

  /** From here on nothing is restarted. */
  close(): void {
    this.#closing = true;
  }

  #noteRole({ id, raft }: SimNode): void {
    const role = raft?.state() ?? RaftState.Follower;
    const before = this.#roles.get(id) ?? RaftState.Follower;
    if (role === before) return;
    this.#roles.set(id, role);
    const change = `${raftStateToString(before)} to ${raftStateToString(role)}`;
    this.#roleChanges.set(change, (this.#roleChanges.get(change) ?? 0) + 1);
  }

  #retire(node: SimNode): void {
    const { process } = node;
    this.#retiring.add(node.id);
    this.world.scheduler.schedule(RETIREMENT_MS, () => {
      this.#retiring.delete(node.id);
      if (this.#closing) return;
      if (node.process !== process) {
        // It was restarted meanwhile, and may have stopped again.
        if (node.hasStopped) this.#retire(node);
        return;
      }
      if (process?.isPaused === false) {
        this.world.court.retired(node, node.stopCause);
      }
      this.crash(node, 'kill', randomInteger(this.#random, 1, 300));
    });
  }
}
