import { readdir, readFile } from 'node:fs/promises';
import { type Profiler, Session } from 'node:inspector';

/** Where the rules are, beside this file as it was built. */
const CORE = new URL('../../raft/core/', import.meta.url);
/** Stands in or behind the branch that handles a fault, and says which. */
const MARK = /\/\/ Fault: (.+)$/gm;

/** A branch that handles a fault. */
export interface Branch {
  /** What has gone wrong, in the words of its mark. */
  readonly what: string;
  /** Where its code is: a position that is run whenever the branch is. */
  readonly offset: number;
}

/**
 * The branches that a source marks. A mark behind a statement means that statement; any other means
 * the code that follows.
 */
export function markedBranches(source: string): Branch[] {
  return [...source.matchAll(MARK)].map((mark) => {
    const before = source.slice(0, mark.index).trimEnd();
    const isBehind =
      before.endsWith(';') && !source.slice(before.length, mark.index).includes('\n');
    if (isBehind) return { what: mark[1] ?? '', offset: before.length - 1 };
    const after = mark.index + mark[0].length;
    return { what: mark[1] ?? '', offset: after + source.slice(after).search(/\S/) };
  });
}

/** True when the smallest block around a position was run. */
export function isReached(
  functions: readonly Pick<Profiler.FunctionCoverage, 'ranges'>[],
  offset: number,
): boolean {
  let smallest = Number.POSITIVE_INFINITY;
  let reached = false;
  for (const { startOffset, endOffset, count } of functions.flatMap(({ ranges }) => ranges)) {
    const size = endOffset - startOffset;
    if (offset < startOffset || offset >= endOffset || size > smallest) continue;
    smallest = size;
    reached = count > 0;
  }
  return reached;
}

/** Watches which branches of `raft/core` run in this process. */
export class BranchWatch {
  readonly #session = new Session();

  /** Begins to watch. What was run before is not seen again: begin before the first node does. */
  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: false, detailed: true });
  }

  /** Ends, and names every marked branch that was never run. */
  async unreached(): Promise<string[]> {
    const scripts = await this.#take();
    this.#session.disconnect();
    const names = (await readdir(CORE)).filter((name) => /(?<!\.test|\.d)\.[jt]s$/.test(name));
    const missing: string[] = [];
    for (const name of names.sort()) {
      const url = new URL(name, CORE);
      const run = scripts.find((script) => script.url === url.href)?.functions ?? [];
      for (const { what, offset } of markedBranches(await readFile(url, 'utf8'))) {
        if (!isReached(run, offset)) missing.push(`${name.replace(/\.[jt]s$/, '')}: ${what}`);
      }
    }
    return missing;
  }

  #take(): Promise<readonly Profiler.ScriptCoverage[]> {
    return new Promise((resolve, reject) => {
      this.#session.post('Profiler.takePreciseCoverage', (error, answer) => {
        if (error === null) resolve(answer.result);
        else reject(error);
      });
    });
  }
}
