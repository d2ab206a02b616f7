import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** Which implementation a node runs. */
export type Kind = 'go' | 'ts';

const top = fileURLToPath(new URL('../..', import.meta.url));
/** The repository, whether this runs from its sources or from what was built of them. */
const root = path.basename(top) === 'dist' ? path.dirname(top) : top;
const goPeer = path.join(root, 'interop/go/bin/peer');
const REQUEST_LIMIT_MS = 120_000;

/** The command line of a peer. `INTEROP_PEER` names another build of ours. */
function commandOf(kind: Kind): [string, ...string[]] {
  if (kind === 'go') return [goPeer];
  const { INTEROP_PEER = 'dist/interop/peer.js' } = process.env;
  return [process.execPath, INTEROP_PEER];
}

/** A reply, or an event. */
export interface Line {
  readonly [field: string]: unknown;
  readonly id?: unknown;
  readonly ok?: unknown;
  readonly error?: unknown;
  readonly event?: unknown;
  readonly state?: unknown;
  readonly response?: unknown;
  readonly value?: unknown;
}

interface Waiting {
  resolve(reply: Line): void;
  reject(error: Error): void;
}

/** Peers that have not ended. */
const running = new Set<ChildProcess>();

/** Ends what a test that failed has left behind. */
export async function killPeers(): Promise<void> {
  const left = [...running].map((child) => once(child, 'exit'));
  for (const child of running) child.kill('SIGKILL');
  await Promise.all(left);
}

/** One peer that runs. */
export class PeerProcess {
  readonly kind: Kind;
  /** Every event it has printed. */
  readonly events: Line[] = [];
  /** Resolves with the exit code, `null` after a signal. */
  readonly ended: Promise<number | null>;
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  /** Answers to lines that had no id. */
  readonly #refused: Waiting[] = [];
  #nextID = 1;
  #stderr = '';
  #isReady: (reply: Line) => void = () => {};
  #failed: (error: Error) => void = () => {};

  constructor(kind: Kind, args: readonly string[]) {
    this.kind = kind;
    const [command, ...first] = commandOf(kind);
    const child = spawn(command, [...first, ...args], { cwd: root, stdio: 'pipe' });
    this.#child = child;
    running.add(child);
    createInterface({ input: child.stdout }).on('line', (line) => this.#take(line));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-20_000);
    });
    // Writing to a peer that has just been killed is no mistake.
    child.stdin.on('error', () => {});
    this.ended = once(child, 'close').then(([code]: unknown[]) => {
      running.delete(child);
      this.#end();
      return typeof code === 'number' ? code : null;
    });
  }

  /** The end of what it wrote to standard error. */
  get log(): string {
    return this.#stderr;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resolves with the ready event; rejects with the log when it ends before. */
  ready(): Promise<Line> {
    return new Promise((resolve, reject) => {
      const ready = this.events.find(({ event }) => event === 'ready');
      if (ready !== undefined) resolve(ready);
      this.#isReady = resolve;
      this.#failed = reject;
      void this.ended.then((code) => {
        reject(new Error(`ended with ${code} before it was ready: ${this.log}`));
      });
    });
  }

  /** Asks and resolves with the reply; rejects with the text of its error. */
  ask(op: string, fields: object = {}, limitMs = REQUEST_LIMIT_MS): Promise<Line> {
    const id = this.#nextID;
    this.#nextID += 1;
    const reply = new Promise<Line>((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting.delete(id);
        reject(new Error(`${op} was not answered in ${limitMs} ms`));
      }, limitMs);
      this.#waiting.set(id, {
        resolve: (line) => {
          clearTimeout(timer);
          resolve(line);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      });
    });
    this.#child.stdin?.write(`${JSON.stringify({ id, op, ...fields })}\n`);
    if (!running.has(this.#child)) this.#end();
    return reply;
  }

  /** Sends a line that cannot be answered under an id; resolves with what it gets. */
  send(line: string): Promise<Line> {
    const reply = new Promise<Line>((resolve, reject) => this.#refused.push({ resolve, reject }));
    this.#child.stdin?.write(`${line}\n`);
    return reply;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }

  /** Kills it and waits for its end. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.ended;
  }

  /** Ends its input, after which it shuts down. */
  closeInput(): void {
    this.#child.stdin?.end();
  }

  #take(text: string): void {
    const line: Line = JSON.parse(text);
    if (typeof line.event === 'string') {
      this.events.push(line);
      if (line.event === 'ready') this.#isReady(line);
      return;
    }
    const { id } = line;
    const waiting = typeof id === 'number' ? this.#waiting.get(id) : this.#refused.shift();
    if (typeof id === 'number') this.#waiting.delete(id);
    if (line.ok === true || id === null) waiting?.resolve(line);
    else waiting?.reject(new Error(String(line.error)));
  }

  #end(): void {
    const error = new Error(`the peer has ended: ${this.log}`);
    for (const { reject } of [...this.#waiting.values(), ...this.#refused]) reject(error);
    this.#waiting.clear();
    this.#refused.length = 0;
    this.#failed(error);
  }
}
