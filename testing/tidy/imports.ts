import { builtinModules } from 'node:module';
import { posix } from 'node:path';
import ts from 'typescript';
import { at, findNodes, isTest, type Source } from './source-tree.ts';

/** One module that a source asks for. */
export interface Import {
  readonly from: Source;
  readonly position: number;
  readonly specifier: string;
  /** The file of ours that it is, or `undefined` for a package or a module of Node. */
  readonly target: string | undefined;
}

/** Who imports whom, by path. */
export type Graph = ReadonlyMap<string, readonly Import[]>;

function specifierOf(node: ts.Node): ts.Expression | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return node.moduleSpecifier;
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    return node.arguments[0];
  }
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) {
    return ts.isStringLiteral(node.argument.literal) ? node.argument.literal : undefined;
  }
  return undefined;
}

function importsOf(source: Source): Import[] {
  const found: Import[] = [];
  findNodes(source, (node) => {
    const literal = specifierOf(node);
    if (literal === undefined || !ts.isStringLiteralLike(literal)) return undefined;
    const specifier = literal.text;
    const target = specifier.startsWith('.')
      ? posix.join(posix.dirname(source.path), specifier)
      : undefined;
    found.push({ from: source, position: literal.getStart(), specifier, target });
    return undefined;
  });
  return found;
}

/** Reads every import of every source. */
export function graphOf(sources: readonly Source[]): Graph {
  return new Map(sources.map((source) => [source.path, importsOf(source)]));
}

const FACE = new Set([
  'raft/raft.ts',
  'raft/raft-view.ts',
  'raft/read-configuration.ts',
  'raft/recover.ts',
  'raft/recover-cluster.ts',
]);

/** What may import what: the arrows of docs/architecture.md, zone by zone. */
const ARROWS: Record<string, readonly string[]> = {
  internal: ['internal'],
  words: ['internal', 'words'],
  core: ['internal', 'words', 'core'],
  runtime: ['internal', 'words', 'core', 'runtime'],
  face: ['internal', 'words', 'core', 'runtime', 'face'],
  transport: ['internal', 'words', 'transport'],
  store: ['internal', 'words', 'store'],
  snapshot: ['internal', 'words', 'snapshot'],
  observer: ['internal', 'words', 'observer'],
};
const INSIDE = [...Object.keys(ARROWS), 'front'];
/** Examples, benchmarks, programs: they use the library and are used by nobody. */
const OUTSIDE = ['examples', 'bench', 'interop', 'scripts', 'cli'];

/** The zone of a file: a folder, but `raft/` itself has words and a face. */
export function zoneOf(path: string): string {
  if (FACE.has(path)) return 'face';
  const folders = path.split('/').slice(0, -1);
  const [top, second] = folders;
  if (top === undefined) return path === 'index.ts' ? 'front' : 'settings';
  if (top !== 'raft') return top;
  return second ?? 'words';
}

function mayImport(zone: string): readonly string[] {
  const inward = ARROWS[zone];
  if (inward !== undefined) return inward;
  if (zone === 'front') return INSIDE;
  // Benchmarks drive the peers that the tests of mixed clusters drive.
  if (zone === 'bench') return [...INSIDE, zone, 'interop'];
  if (zone === 'testing') return [...INSIDE, 'testing', ...OUTSIDE];
  return [...INSIDE, zone];
}

/** Imports point inward. Tests are leaves and may look at everything. */
export function wrongArrows(graph: Graph): string[] {
  const found: string[] = [];
  for (const [path, imports] of graph) {
    if (isTest(path)) continue;
    const zone = zoneOf(path);
    const allowed = mayImport(zone);
    for (const { from, position, target, specifier } of imports) {
      if (target === undefined) continue;
      const goal = zoneOf(target);
      if (!allowed.includes(goal)) {
        found.push(at(from, position, `${zone} must not import ${goal}: ${specifier}`));
      }
    }
  }
  return found;
}

/** Everything that `roots` lead to, themselves included. */
export function reachFrom(graph: Graph, roots: Iterable<string>): Set<string> {
  const reached = new Set<string>();
  const waiting = [...roots];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (reached.has(path) || !graph.has(path)) continue;
    reached.add(path);
    for (const { target } of graph.get(path) ?? []) if (target !== undefined) waiting.push(target);
  }
  return reached;
}

const builtins = new Set(builtinModules);

/** True for a module that comes with Node. */
export function isBuiltin(specifier: string): boolean {
  return specifier.startsWith('node:') || builtins.has(specifier);
}

/** True for a file that must run where there is no Node. */
export function mustBeNodeFree(path: string): boolean {
  if (isTest(path)) return false;
  if (/^testing\/sim\/((cli|branches)\.ts|mutants?[-./])/.test(path)) return false;
  return (
    /^(raft|internal|testing\/sim)\//.test(path) ||
    /^(store|transport|snapshot)\/(inmem|discard)-[^/]*\.ts$/.test(path) ||
    path === 'store/log-cache.ts' ||
    path === 'snapshot/cow-map.ts'
  );
}

/** What must run without Node reaches no module of Node, however long the way. */
export function nodeImports(graph: Graph): string[] {
  const found: string[] = [];
  for (const path of reachFrom(graph, [...graph.keys()].filter(mustBeNodeFree))) {
    for (const { from, position, specifier } of graph.get(path) ?? []) {
      if (isBuiltin(specifier)) found.push(at(from, position, `must run without ${specifier}`));
    }
  }
  return found;
}

/** The package a specifier names: `@a/b/c` is of `@a/b`. */
function packageOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/');
}

/** What `roots` lead to imports these packages and no others. */
export function foreignPackages(
  graph: Graph,
  roots: Iterable<string>,
  allowed: ReadonlySet<string>,
): string[] {
  const found: string[] = [];
  for (const path of reachFrom(graph, roots)) {
    for (const { from, position, specifier, target } of graph.get(path) ?? []) {
      if (target !== undefined || isBuiltin(specifier)) continue;
      const name = packageOf(specifier);
      if (!allowed.has(name)) found.push(at(from, position, `must do without the package ${name}`));
    }
  }
  return found;
}

/** Only tests know the test runner: a suite for third parties must run in theirs. */
export function runnerImports(graph: Graph): string[] {
  const found: string[] = [];
  for (const [path, imports] of graph) {
    if (isTest(path) || path.endsWith('.config.ts')) continue;
    for (const { from, position, specifier } of imports) {
      if (packageOf(specifier) === 'vitest') found.push(at(from, position, 'imports the runner'));
    }
  }
  return found;
}
