import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { LinkProxy } from './link-proxy.ts';
import { type Kind, type Line, PeerProcess } from './peer-process.ts';
import { freeAddress } from './ports.ts';
import { waitFor } from './wait.ts';

const ASK_LIMIT_MS = 5000;
const TERM_WATCH_MS = 30;

/** Short enough for a quick suite, long enough for two busy cores. */
export const FAST = {
  heartbeatTimeout: 500,
  electionTimeout: 500,
  leaderLeaseTimeout: 500,
  commitTimeout: 20,
};

/** What a node is started with. */
export interface NodeSpec {
  readonly id: string;
  readonly kind: Kind;
  readonly config?: object;
  readonly transport?: object;
  readonly args?: readonly string[];
}

/** A node of the cluster, whether it runs or not. */
export interface Node {
  spec: NodeSpec;
  readonly address: string;
  directory: string;
  process: PeerProcess | null;
}

function numberOf(line: Line, name: string): number {
  const value = line[name];
  if (typeof value === 'number') return value;
  throw new Error(`expected a number called ${name} in ${JSON.stringify(line)}`);
}

/** Real processes on loopback, in a directory of their own. */
export class Cluster {
  readonly nodes = new Map<string, Node>();
  /** Who led in which term, as far as anybody has seen. */
  readonly leaders = new Map<number, Set<string>>();
  readonly directory: string;
  readonly #links = new Map<string, LinkProxy>();
  readonly #withLinks: boolean;
  #watching: Promise<void> | null = null;
  #isClosed = false;
  #generation = 0;

  private constructor(directory: string, withLinks: boolean) {
    this.directory = directory;
    this.#withLinks = withLinks;
  }

  /** Makes the nodes known, and starts none. `withLinks` puts a proxy into every link. */
  static async make(specs: readonly NodeSpec[], withLinks = false): Promise<Cluster> {
    const directory = await mkdtemp(path.join(tmpdir(), 'quorate-interop-'));
    const cluster = new Cluster(directory, withLinks);
    for (const spec of specs) await cluster.add(spec);
    if (withLinks) await cluster.#link();
    return cluster;
  }

  /** {@link Cluster.make}, then every node is started and one of them bootstrapped with all. */
  static async started(specs: readonly NodeSpec[], withLinks = false): Promise<Cluster> {
    const cluster = await Cluster.make(specs, withLinks);
    try {
      await Promise.all(specs.map(({ id }) => cluster.start(id)));
      await cluster.bootstrap();
    } catch (error) {
      await cluster.close();
      throw error;
    }
    return cluster;
  }

  async add(spec: NodeSpec): Promise<Node> {
    const address = await freeAddress();
    const node = { spec, address, directory: this.#newDirectory(spec.id), process: null };
    this.nodes.set(spec.id, node);
    return node;
  }

  /** The same id and address, another kind of node, an empty disk. */
  replace(id: string, kind: Kind): void {
    const node = this.node(id);
    node.spec = { ...node.spec, kind };
    node.directory = this.#newDirectory(id);
  }

  node(id: string): Node {
    const node = this.nodes.get(id);
    if (node === undefined) throw new Error(`there is no node ${id}`);
    return node;
  }

  peer(id: string): PeerProcess {
    const { process } = this.node(id);
    if (process === null) throw new Error(`node ${id} does not run`);
    return process;
  }

  /** The ids of the nodes that run. */
  running(): string[] {
    return [...this.nodes.values()]
      .filter(({ process }) => process !== null)
      .map(({ spec }) => spec.id);
  }

  async start(id: string, extra: readonly string[] = []): Promise<PeerProcess> {
    const node = this.node(id);
    const { spec, address, directory } = node;
    const addresses = this.#withLinks ? { addresses: this.#addressesFor(id) } : {};
    const process = new PeerProcess(spec.kind, [
      ...['--id', id, '--bind', address, '--data', directory],
      ...['--config', JSON.stringify({ ...FAST, ...spec.config })],
      ...['--transport', JSON.stringify({ ...addresses, ...spec.transport })],
      ...(spec.args ?? []),
      ...extra,
    ]);
    node.process = process;
    await process.ready();
    return process;
  }

  /** Ends a node, by `kill -9` or in good order. */
  async stop(id: string, how: 'kill' | 'shutdown' = 'kill'): Promise<void> {
    const process = this.peer(id);
    if (how === 'kill') {
      await process.kill();
    } else {
      await process.ask('shutdown');
      await process.ended;
    }
    this.node(id).process = null;
  }

  /** Gives the first configuration to one node. */
  async bootstrap(ids: readonly string[] = this.running()): Promise<void> {
    const [first] = ids;
    if (first === undefined) throw new Error('there is no node to bootstrap');
    const servers = ids.map((id) => ({ id, address: this.node(id).address }));
    await this.peer(first).ask('bootstrap', { servers });
  }

  ask(id: string, op: string, fields: object = {}): Promise<Line> {
    return this.peer(id).ask(op, fields);
  }

  /** The node that leads, or `undefined`: the leader of the newest term that says so. */
  async leaderNow(): Promise<string | undefined> {
    const states = await this.states();
    const leading = states.filter(([, line]) => line.state === 'Leader');
    leading.sort(([, a], [, b]) => numberOf(b, 'term') - numberOf(a, 'term'));
    return leading[0]?.[0];
  }

  /** Waits until a node leads and a quorum agrees. */
  leader(limitMs = 60_000): Promise<string> {
    const look = async () => {
      const id = await this.leaderNow();
      if (id === undefined) return undefined;
      await this.peer(id).ask('verifyLeader', {}, ASK_LIMIT_MS);
      return id;
    };
    return waitFor('a leader', look, limitMs);
  }

  /** Makes a node of this id lead. */
  async makeLead(id: string): Promise<void> {
    const { address } = this.node(id);
    const look = async () => {
      const leader = await this.leader();
      if (leader === id) return true;
      await this.ask(leader, 'transfer', { server: id, address });
      return (await this.leader()) === id;
    };
    await waitFor(`${id} to lead`, look);
  }

  /** What each node that answers says of itself; every leader that is seen is remembered. */
  async states(): Promise<[string, Line][]> {
    const found = await Promise.all(
      this.running().map(async (id): Promise<[string, Line] | null> => {
        try {
          return [id, await this.peer(id).ask('state', {}, ASK_LIMIT_MS)];
        } catch {
          return null;
        }
      }),
    );
    const states = found.filter((entry) => entry !== null);
    for (const [id, line] of states) {
      if (line.state === 'Leader') this.#remember(numberOf(line, 'term'), id);
    }
    return states;
  }

  /** Looks at who leads all the time, until the cluster is closed. */
  watchTerms(): void {
    const watch = async () => {
      while (!this.#isClosed) {
        await this.states();
        await sleep(TERM_WATCH_MS);
      }
    };
    this.#watching ??= watch();
  }

  /** @throws Error when two nodes have led in one term */
  checkOneLeaderATerm(): void {
    for (const [term, ids] of this.leaders) {
      if (ids.size > 1) throw new Error(`term ${term} had the leaders ${[...ids].join(' and ')}`);
    }
  }

  /** Waits until all nodes that run have applied the same, and gives that. */
  agreement(limitMs = 60_000): Promise<Line> {
    const look = async () => {
      const views = await Promise.all(
        this.running().map(async (id) => {
          const state = await this.peer(id).ask('state', {}, ASK_LIMIT_MS);
          const { index, count, hash, fold, size } = await this.peer(id).ask('fsm');
          const { commitIndex, appliedIndex } = state;
          return { index, count, hash, fold, size, commitIndex, appliedIndex };
        }),
      );
      const [first] = views;
      const texts = new Set(views.map((view) => JSON.stringify(view)));
      if (first === undefined) return undefined;
      if (texts.size === 1 && first.commitIndex === first.appliedIndex) return first;
      throw new Error([...texts].join(' against '));
    };
    return waitFor('equal states', look, limitMs);
  }

  /** The proxy that stands between two nodes. */
  link(from: string, to: string): LinkProxy {
    const link = this.#links.get(`${from}>${to}`);
    if (link === undefined) throw new Error(`no link from ${from} to ${to}`);
    return link;
  }

  /** Every proxy. */
  links(): LinkProxy[] {
    return [...this.#links.values()];
  }

  /** Both ways between a node and every other one. */
  linksOf(id: string): LinkProxy[] {
    const others = [...this.nodes.keys()].filter((other) => other !== id);
    return others.flatMap((other) => [this.link(id, other), this.link(other, id)]);
  }

  /** Ends every process and forgets the directory, which stays when `keep` is true. */
  async close(keep = false): Promise<void> {
    this.#isClosed = true;
    await this.#watching;
    const running = [...this.nodes.values()].flatMap(({ process }) => process ?? []);
    await Promise.all(running.map((process) => process.kill()));
    await Promise.all([...this.#links.values()].map((link) => link.close()));
    if (!keep) await rm(this.directory, { recursive: true, force: true });
  }

  #newDirectory(id: string): string {
    this.#generation += 1;
    return path.join(this.directory, `${id}-${this.#generation}`);
  }

  #remember(term: number, id: string): void {
    const ids = this.leaders.get(term) ?? new Set();
    this.leaders.set(term, ids.add(id));
  }

  async #link(): Promise<void> {
    for (const from of this.nodes.keys()) {
      for (const [to, { address }] of this.nodes) {
        if (from !== to) this.#links.set(`${from}>${to}`, await LinkProxy.open(address));
      }
    }
  }

  #addressesFor(id: string): object {
    const others = [...this.nodes.keys()].filter((other) => other !== id);
    return Object.fromEntries(others.map((other) => [other, this.link(id, other).address]));
  }
}
