import { posix } from 'node:path';
import ts from 'typescript';

/** Names that a user can import and that no doc comment explains. */
export function undocumented(program: ts.Program, entries: readonly string[]): string[] {
  const checker = program.getTypeChecker();
  const found = new Set<string>();
  for (const entry of entries) {
    const file = program.getSourceFile(entry);
    const module = file && checker.getSymbolAtLocation(file);
    const exports = module === undefined ? [] : checker.getExportsOfModule(module);
    if (file === undefined || exports.length === 0) {
      found.add(`${entry}:1: exports nothing`);
      continue;
    }
    for (const exported of exports) {
      const symbol =
        exported.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(exported) : exported;
      if (symbol.getDocumentationComment(checker).length > 0) continue;
      const declaration = symbol.declarations?.[0];
      const where = declaration?.getSourceFile() ?? file;
      const position = declaration?.getStart() ?? 0;
      const { line } = where.getLineAndCharacterOfPosition(position);
      found.add(`${where.fileName}:${line + 1}: ${exported.name} has no doc comment`);
    }
  }
  return [...found];
}

/** Paths that a document names in `code` or links to and that are not there. */
export function brokenPaths(
  document: string,
  text: string,
  exists: (path: string) => boolean,
): string[] {
  const found: string[] = [];
  const prose = text.replace(/^```[\s\S]*?^```$/gm, (block) => block.replace(/[^\n]/g, ''));
  prose.split('\n').forEach((line, i) => {
    for (const [, path = ''] of line.matchAll(
      /`([\w.-]+(?:\/[\w.-]+)*\/?\.(?:ts|mjs|md|json))`/g,
    )) {
      if (!exists(path)) found.push(`${document}:${i + 1}: names ${path}, which is not there`);
    }
    for (const [, link = ''] of line.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)) {
      if (/^[a-z]+:/.test(link)) continue;
      const path = posix.join(posix.dirname(document), link);
      if (!exists(path)) found.push(`${document}:${i + 1}: links to ${path}, which is not there`);
    }
  });
  return found;
}
