import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** How a program ended and what it printed. */
export interface Ended {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

/** A program that runs. */
export interface Program {
  /** Resolves when it has printed a line that contains `text`; rejects when it ends before. */
  printed(text: string): Promise<void>;
  signal(signal: NodeJS.Signals): void;
  /** Ends the program's standard input. */
  closeInput(): void;
  readonly ended: Promise<Ended>;
}

/** Programs that have not ended. */
const running = new Set<ChildProcess>();

/** Ends what a test that failed has left behind. */
export async function killPrograms(): Promise<void> {
  const left = [...running].map((child) => once(child, 'close'));
  for (const child of running) child.kill('SIGKILL');
  await Promise.all(left);
}

const root = fileURLToPath(new URL('../..', import.meta.url));

/** Starts a script of this repository, such as `dist/examples/kv/main.js`. */
export function startProgram(script: string, args: readonly string[]): Program {
  const child = spawn(process.execPath, [script, ...args], { cwd: root, stdio: 'pipe' });
  running.add(child);
  child.once('close', () => running.delete(child));
  let out = '';
  let err = '';
  let looking: (() => void)[] = [];
  const look = () => {
    for (const check of looking) check();
  };
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
    look();
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
    look();
  });
  const ended = once(child, 'close').then(([code]: unknown[]) => ({
    code: typeof code === 'number' ? code : null,
    out,
    err,
  }));
  return {
    printed: (text) =>
      new Promise((resolve, reject) => {
        const check = () => {
          if ((out + err).includes(text)) resolve();
        };
        looking = [...looking, check];
        check();
        void ended.then(() =>
          reject(new Error(`ended before it printed "${text}":\n${out}${err}`)),
        );
      }),
    signal: (signal) => void child.kill(signal),
    closeInput: () => void child.stdin.end(),
    ended,
  };
}

/** Runs a script to its end. */
export function runProgram(script: string, args: readonly string[] = []): Promise<Ended> {
  return startProgram(script, args).ended;
}

/** Builds when the sources are newer. @throws Error with the compiler's output */
export async function buildFirst(): Promise<void> {
  const { code, out, err } = await runProgram('scripts/build-if-stale.mjs');
  if (code !== 0) throw new Error(`the build failed:\n${out}${err}`);
}
