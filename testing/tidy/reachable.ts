import { posix } from 'node:path';
import ts from 'typescript';
import { type Graph, reachFrom } from './imports.ts';
import { findNodes, isTest, type Source } from './source-tree.ts';

/** What of package.json the rules look at. */
export interface Manifest {
  readonly exports: Readonly<Record<string, string | { readonly default: string }>>;
  /** Names for ourselves: what a worker thread is started with. */
  readonly imports?: Readonly<Record<string, { readonly default: string }>>;
  readonly scripts: Readonly<Record<string, string>>;
  readonly bin: Readonly<Record<string, string>>;
  readonly dependencies: Readonly<Record<string, string>>;
}

/** The source that a built file comes from: `dist/a/b.js` is `a/b.ts`. */
function sourceOfBuilt(path: string): string {
  return path.replace(/^(\.\/)?dist\/(.*)\.js$/, '$2.ts');
}

/** The source of every sub-path that a user can import, or that we name for ourselves. */
export function entryPoints({ exports, imports }: Manifest): string[] {
  return Object.values({ ...exports, ...imports }).flatMap((target) =>
    typeof target === 'string' ? [] : [sourceOfBuilt(target.default)],
  );
}

/** The source of every program that one of the scripts starts. */
export function programs(scripts: readonly string[]): string[] {
  return scripts.flatMap((script) =>
    [...script.matchAll(/\bnode ([\w./-]+\.(?:js|mjs))/g)].flatMap(([, path]) =>
      path === undefined ? [] : [sourceOfBuilt(path)],
    ),
  );
}

/** Sources that a source names in a string, because it starts them in a process or a worker. */
function namedPaths(source: Source, known: ReadonlySet<string>): string[] {
  const named: string[] = [];
  findNodes(source, (node) => {
    if (!ts.isStringLiteralLike(node) || !/\.(ts|js|mjs)$/.test(node.text)) return undefined;
    const beside = posix.join(posix.dirname(source.path), node.text);
    for (const path of [node.text, sourceOfBuilt(node.text), beside]) {
      const candidates = [path, path.replace(/\.js$/, '.ts')];
      named.push(...candidates.filter((candidate) => known.has(candidate)));
    }
    return undefined;
  });
  return named;
}

/** Files that no entry point, program, setting or test leads to. */
export function deadFiles(
  sources: readonly Source[],
  graph: Graph,
  roots: Iterable<string>,
): string[] {
  const known = new Set(graph.keys());
  const bySource = new Map(sources.map((source) => [source.path, source]));
  const starts = [...roots, ...[...known].filter((p) => isTest(p) || p.endsWith('.config.ts'))];
  const alive = new Set<string>();
  while (starts.length > 0) {
    const fresh = [...reachFrom(graph, starts.splice(0))].filter((path) => !alive.has(path));
    for (const path of fresh) {
      alive.add(path);
      const source = bySource.get(path);
      if (source !== undefined) starts.push(...namedPaths(source, known));
    }
  }
  return [...known]
    .filter((path) => !alive.has(path))
    .map((path) => `${path}:1: nothing leads here`);
}
