import { posix } from 'node:path';
import ts from 'typescript';
import { expect, it } from 'vitest';
import { entryPoints, type Manifest } from '../../testing/tidy/reachable.ts';
import { allSources, findNodes, isTest, readText } from '../../testing/tidy/source-tree.ts';

/** What hashicorp/raft does not have itself: the counterpart of raft-boltdb's `NewBoltStore`. */
const FROM_OTHER_PACKAGES = ['newLMDBStore'];

interface SurfaceEntry {
  readonly name: string;
}

const sources = allSources().filter(({ path }) => {
  return path.startsWith('examples/lock/') && !isTest(path);
});

/** What the sources import, as `file name` pairs; types leave no trace in a running program. */
function imported(kind: 'value' | 'type'): { readonly target: string; readonly name: string }[] {
  return sources.flatMap((source) => {
    const found: { target: string; name: string }[] = [];
    findNodes(source, (node) => {
      if (!ts.isImportDeclaration(node) || !ts.isStringLiteral(node.moduleSpecifier))
        return undefined;
      const { text } = node.moduleSpecifier;
      const target = text.startsWith('.') ? posix.join(posix.dirname(source.path), text) : text;
      const bindings = node.importClause?.namedBindings;
      if (bindings === undefined || !ts.isNamedImports(bindings)) return undefined;
      for (const { isTypeOnly, name } of bindings.elements) {
        const isType = isTypeOnly || node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword;
        if (isType === (kind === 'type')) found.push({ target, name: name.text });
      }
      return undefined;
    });
    return found;
  });
}

const isForeign = ({ target }: { readonly target: string }) =>
  !target.startsWith('examples/lock/') && !target.startsWith('node:');

it('is all that the lock service imports', () => {
  const manifest: Manifest = JSON.parse(readText('package.json'));
  const entries = new Set(entryPoints(manifest));
  const foreign = [...imported('value'), ...imported('type')].filter(isForeign);
  expect(foreign.length).toBeGreaterThan(10);
  expect(foreign.filter(({ target }) => !entries.has(target))).toEqual([]);
});

it('is, for everything that runs, what a service in Go has', () => {
  const surface: Record<'functions' | 'types' | 'errors', SurfaceEntry[]> = JSON.parse(
    readText('testing/surface/api-surface.json'),
  );
  const { functions, types, errors } = surface;
  const known = new Set([...functions, ...types, ...errors].map(({ name }) => name));
  const names = imported('value')
    .filter(isForeign)
    .map(({ name }) => name);
  expect(names).toContain('newRaft');
  expect(names.filter((name) => !known.has(name))).toEqual(FROM_OTHER_PACKAGES);
});
