import { type Graph, type Import, reachFrom } from '../tidy/imports.ts';

/** What a user has no use for, or what would run by accident in the tests of others. */
const UNWANTED =
  /\.(test|config)\.|(^|\/)(mutants?|interop|bench|examples|e2e|tidy|package|node_modules)[/.]/;

/** The built file that each sub-path of `exports` leads to, without the leading `./`. */
export function targetsOf(exports: Readonly<Record<string, unknown>>): Map<string, string> {
  const targets = new Map<string, string>();
  for (const [subPath, target] of Object.entries(exports)) {
    if (typeof target !== 'object' || target === null || !('default' in target)) continue;
    targets.set(subPath, String(target.default).replace('./', ''));
  }
  return targets;
}

/** What is wrong with the names of the files in a tarball. */
export function wrongFiles(files: readonly string[], targets: Iterable<string>): string[] {
  const there = new Set(files);
  const unwanted = files.filter((file) => file !== 'package.json' && UNWANTED.test(file));
  const wanted = ['LICENSE', 'README.md', 'CHANGELOG.md', 'SECURITY.md', 'package.json'];
  const types = [...targets].flatMap((target) => [target, target.replace(/\.js$/, '.d.ts')]);
  return [
    ...unwanted.map((file) => `${file} does not belong into the tarball`),
    ...[...wanted, ...types].filter((file) => !there.has(file)).map((file) => `${file} is missing`),
  ];
}

/** A module and its declarations are one thing: `a.js`, `a.d.ts` and an import of `a.ts`. */
function stemOf(path: string): string {
  return path.replace(/(\.d)?\.[jt]s$/, '');
}

/** What is shipped and no sub-path leads to: leftovers of an old build, or code for us only. */
export function unreachable(graph: Graph, targets: Iterable<string>): string[] {
  const stems = new Map<string, Import[]>();
  for (const [path, imports] of graph) {
    const renamed = imports.map((one) => ({ ...one, target: one.target && stemOf(one.target) }));
    stems.set(stemOf(path), [...(stems.get(stemOf(path)) ?? []), ...renamed]);
  }
  const reached = reachFrom(stems, [...targets].map(stemOf));
  return [...stems.keys()]
    .filter((stem) => !reached.has(stem))
    .map((stem) => `${stem} is shipped and no sub-path leads to it`);
}
