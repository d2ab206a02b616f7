import { readFileSync } from 'node:fs';
import { join, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import ts from 'typescript';

/** What can be imported by one name, such as `quorate/store`. */
export interface Entry {
  readonly specifier: string;
  /** By exported name; aliases are followed. */
  readonly symbols: ReadonlyMap<string, ts.Symbol>;
  /** The values, as they are when the program runs. */
  readonly values: Readonly<Record<string, unknown>>;
}

/** A built package as its users see it: through `exports`, by its declarations and its values. */
export interface PackageView {
  readonly entries: ReadonlyMap<string, Entry>;
  readonly checker: ts.TypeChecker;
  /** A place in the program, where types can be asked for. */
  readonly place: ts.Node;
}

interface ExportsTarget {
  readonly types?: string;
  readonly default?: string;
}

const OPTIONS: ts.CompilerOptions = {
  target: ts.ScriptTarget.ES2023,
  lib: ['lib.es2023.d.ts', 'lib.esnext.disposable.d.ts'],
  module: ts.ModuleKind.NodeNext,
  moduleResolution: ts.ModuleResolutionKind.NodeNext,
  strict: true,
  exactOptionalPropertyTypes: true,
  skipLibCheck: true,
  types: ['node'],
  noEmit: true,
};

/** Declarations of others, which do not change while a program runs: parsed once. */
const parsed = new Map<string, ts.SourceFile>();

/** A compiler that also sees one file that is not there. */
function hostWith(user: string, text: string): ts.CompilerHost {
  const host = ts.createCompilerHost(OPTIONS);
  const { fileExists, readFile, getSourceFile } = host;
  host.fileExists = (path) => path === user || fileExists(path);
  host.readFile = (path) => (path === user ? text : readFile(path));
  host.getSourceFile = (path, options) => {
    const found = parsed.get(path) ?? getSourceFile(path, options);
    if (found !== undefined && path.includes('/node_modules/')) parsed.set(path, found);
    return found;
  };
  return host;
}

/** Where each import of the package leads, read from its `package.json`. */
function exportsOf(root: string): { name: string; targets: [string, ExportsTarget][] } {
  const { name, exports } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const targets = Object.entries<ExportsTarget | string>(exports).flatMap(
    ([path, target]): [string, ExportsTarget][] =>
      typeof target === 'string' ? [] : [[`${name}${path.slice(1)}`, target]],
  );
  return { name, targets };
}

/**
 * Reads a package. A file of a user that imports everything is type-checked; what the compiler
 * resolves each import to must be the declaration file that `exports` names.
 */
export async function viewPackage(root: string): Promise<PackageView> {
  const { targets } = exportsOf(root);
  const user = join(root, 'a-user-of-the-package.ts');
  const lines = targets.map(([specifier], i) => `import * as m${i} from '${specifier}';`);
  const program = ts.createProgram([user], OPTIONS, hostWith(user, lines.join('\n')));
  const place = program.getSourceFile(user);
  if (place === undefined) throw new Error(`the compiler did not read ${user}`);
  const checker = program.getTypeChecker();
  const entries = new Map<string, Entry>();
  for (const [i, [specifier, target]] of targets.entries()) {
    const statement = place.statements[i];
    if (statement === undefined || !ts.isImportDeclaration(statement)) continue;
    const module = checker.getSymbolAtLocation(statement.moduleSpecifier);
    const read = module?.declarations?.[0]?.getSourceFile().fileName.split('/').join(sep);
    const wanted = join(root, target.types ?? '');
    if (module === undefined || read !== wanted) {
      throw new Error(
        `${specifier} leads to ${read ?? 'nothing'}, expected ${wanted}; build first`,
      );
    }
    const values = await import(pathToFileURL(join(root, target.default ?? '')).href);
    entries.set(specifier, { specifier, symbols: symbolsOf(checker, module), values });
  }
  return { entries, checker, place };
}

function symbolsOf(checker: ts.TypeChecker, module: ts.Symbol): Map<string, ts.Symbol> {
  return new Map(
    checker
      .getExportsOfModule(module)
      .map((symbol) => [
        symbol.name,
        symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol,
      ]),
  );
}
