import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { asError } from '../../raft/errors.ts';

const HOST = '127.0.0.1';
const PORT_ATTEMPTS = 100;
const CLOSE_LIMIT_MS = 10_000;
const LOG_TAIL_LINES = 3;

/** Something that keeps a cluster from running; the text is meant for the terminal. */
export class ClusterError extends Error {
  override readonly name = 'ClusterError';
}

/** One node of a local cluster. */
export interface NodeAddress {
  readonly id: string;
  readonly raftPort: number;
  readonly httpPort: number;
}

/** How the processes are started. */
export interface ClusterOptions {
  readonly dataDir: string;
  readonly nodes: readonly NodeAddress[];
  /** Arguments of every node besides its names and addresses. */
  readonly nodeArgs?: readonly string[];
  /** Arguments of node itself. */
  readonly execArgs?: readonly string[];
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  server.listen({ port, host: HOST, exclusive: true });
  try {
    await once(server, 'listening');
  } catch {
    return false;
  }
  server.close();
  await once(server, 'close');
  return true;
}

/** The ports of `nodes` that somebody else listens on. */
export async function takenPorts(nodes: readonly NodeAddress[]): Promise<number[]> {
  const taken: number[] = [];
  for (const port of nodes.flatMap(({ raftPort, httpPort }) => [raftPort, httpPort])) {
    if (!(await isFree(port))) taken.push(port);
  }
  return taken;
}

/**
 * Addresses for a new cluster, on ports that are free now. They lie below the range from which
 * systems draw ports for outgoing connections: those could take a port while its node is down.
 *
 * @param basePort raft ports follow it, HTTP ports lie 1000 higher
 */
export async function pickAddresses(
  ids: readonly string[],
  basePort: number,
): Promise<NodeAddress[]> {
  for (let attempt = 0; attempt < PORT_ATTEMPTS; attempt += 1) {
    const first = basePort + attempt * 10;
    const nodes = ids.map((id, at) => ({ id, raftPort: first + at, httpPort: first + 1000 + at }));
    if ((await takenPorts(nodes)).length === 0) return nodes;
  }
  throw new ClusterError(`found no free ports from ${basePort} on`);
}

function isAddress(value: unknown): value is NodeAddress {
  if (typeof value !== 'object' || value === null) return false;
  return (
    'id' in value &&
    typeof value.id === 'string' &&
    'raftPort' in value &&
    typeof value.raftPort === 'number' &&
    'httpPort' in value &&
    typeof value.httpPort === 'number'
  );
}

/** The addresses that `data` was made with, `undefined` when there are no data. */
export async function readAddresses(dataDir: string): Promise<NodeAddress[] | undefined> {
  const file = path.join(dataDir, 'cluster.json');
  let content: unknown;
  try {
    content = JSON.parse(await readFile(file, 'utf8'));
  } catch (error) {
    if (error instanceof SyntaxError) {
      throw new ClusterError(`${file}: expected JSON: ${error.message}`);
    }
    if (asError(error).message.startsWith('ENOENT')) return undefined;
    throw error;
  }
  if (Array.isArray(content) && content.length > 0 && content.every(isAddress)) return content;
  throw new ClusterError(`${file}: expected a list of {"id","raftPort","httpPort"}`);
}

/** Remembers the addresses, because a node keeps its raft address for ever. */
export async function writeAddresses(dataDir: string, nodes: readonly NodeAddress[]) {
  mkdirSync(dataDir, { recursive: true });
  await writeFile(path.join(dataDir, 'cluster.json'), `${JSON.stringify(nodes, undefined, 2)}\n`);
}

/** Deletes all data of a cluster, and nothing else that is in the directory. */
export async function removeData(dataDir: string, nodes: readonly NodeAddress[]): Promise<void> {
  const names = nodes.flatMap(({ id }) => [id, `${id}.log`]);
  for (const name of [...names, 'cluster.json']) {
    await rm(path.join(dataDir, name), { recursive: true, force: true });
  }
}

/** A process that ended although nobody asked it to. */
export interface UnexpectedExit {
  readonly id: string;
  readonly code: number | null;
  readonly logTail: string;
}

interface Running {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  expected: boolean;
}

/** The processes of a cluster on this machine. */
export class Cluster {
  readonly nodes: readonly NodeAddress[];
  /** Called when a process ends that was not told to. */
  onUnexpectedExit: (exit: UnexpectedExit) => void = () => {};
  readonly #options: ClusterOptions;
  readonly #running = new Map<string, Running>();

  constructor(options: ClusterOptions) {
    this.#options = options;
    this.nodes = options.nodes;
  }

  /** The ids of the nodes that run. */
  get running(): string[] {
    return [...this.#running.keys()];
  }

  /** Where a node serves HTTP, such as `http://127.0.0.1:8001`. */
  url(id: string): string {
    return `http://${HOST}:${this.#node(id).httpPort}`;
  }

  /** The process id of a node that runs. */
  pid(id: string): number | undefined {
    return this.#running.get(id)?.child.pid;
  }

  logFile(id: string): string {
    return path.join(this.#options.dataDir, `${id}.log`);
  }

  /** Starts every node; the first founds the cluster, if there is none, and the others join it. */
  startAll(): void {
    for (const { id } of this.nodes) this.start(id);
  }

  /** Starts one node, on the data it has. */
  start(id: string, extraArgs: readonly string[] = []): void {
    const { raftPort, httpPort } = this.#node(id);
    const { dataDir, nodeArgs = [], execArgs = [] } = this.#options;
    const founder = this.nodes[0]?.id ?? id;
    mkdirSync(dataDir, { recursive: true });
    const log = openSync(this.logFile(id), 'a');
    const main = fileURLToPath(new URL('./main.js', import.meta.url));
    const args = [
      ...execArgs,
      main,
      ...['--id', id, '--data', path.join(dataDir, id), '--stop-with-stdin'],
      ...['--raft', `${HOST}:${raftPort}`, '--http', `${HOST}:${httpPort}`],
      ...(id === founder ? ['--bootstrap'] : ['--join', this.url(founder)]),
      ...nodeArgs,
      ...extraArgs,
    ];
    // A group of its own: Ctrl-C on the terminal is for the parent, which stops its nodes in order.
    const options = { detached: true, stdio: ['pipe', log, log] } satisfies SpawnOptions;
    const child = spawn(process.execPath, args, options);
    closeSync(log);
    this.#watch(id, child);
  }

  /** Ends one process with a signal and waits until it is gone. */
  async kill(id: string, signal: NodeJS.Signals): Promise<number | null> {
    const running = this.#running.get(id);
    if (running === undefined) return null;
    running.expected = true;
    running.child.kill(signal);
    return await running.exited;
  }

  /** Resolves with the exit code when the process has ended by itself. */
  async exited(id: string): Promise<number | null> {
    const running = this.#running.get(id);
    if (running === undefined) return null;
    running.expected = true;
    return await running.exited;
  }

  /** Suspends (`SIGSTOP`) or resumes (`SIGCONT`) one process. */
  signal(id: string, signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#running.get(id)?.child.kill(signal);
  }

  /** Stops all processes in order, by force after a while; resolves with their exit codes. */
  async close(): Promise<(number | null)[]> {
    return await Promise.all(this.running.map((id) => this.#stop(id)));
  }

  async #stop(id: string): Promise<number | null> {
    const stopped = this.kill(id, 'SIGTERM');
    const limit = new AbortController();
    const force = sleep(CLOSE_LIMIT_MS, undefined, { signal: limit.signal }).then(
      () => this.#running.get(id)?.child.kill('SIGKILL'),
      () => {},
    );
    const code = await stopped;
    limit.abort();
    await force;
    return code;
  }

  #node(id: string): NodeAddress {
    const node = this.nodes.find((known) => known.id === id);
    if (node === undefined) throw new Error(`no node is called "${id}"`);
    return node;
  }

  #watch(id: string, child: ChildProcess): void {
    const exited = new Promise<number | null>((resolve) => {
      child.once('exit', (code) => resolve(code));
      child.once('error', () => resolve(null));
    });
    // The pipe breaks when the process is killed; nothing is ever written to it.
    child.stdin?.on('error', () => {});
    const running: Running = { child, exited, expected: false };
    this.#running.set(id, running);
    void exited.then(async (code) => {
      this.#running.delete(id);
      if (!running.expected) {
        this.onUnexpectedExit({ id, code, logTail: await this.#logTail(id) });
      }
    });
  }

  async #logTail(id: string): Promise<string> {
    const lines = (await readFile(this.logFile(id), 'utf8')).trimEnd().split('\n');
    return lines.slice(-LOG_TAIL_LINES).join('\n');
  }
}
