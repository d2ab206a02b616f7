import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';

/** One file of ours that is code. */
export interface Source {
  /** From the root of the repository, with forward slashes. */
  readonly path: string;
  readonly text: string;
  readonly ast: ts.SourceFile;
}

/** Where the repository is. */
export const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const SKIPPED_FOLDERS = new Set(['node_modules', 'dist', 'coverage', 'data', '.git', 'docs/api']);

/** A source that is only text: what the unit tests of the rules judge. */
export function sourceOf(path: string, text: string): Source {
  return { path, text, ast: ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true) };
}

function* walk(folder: string): Generator<string> {
  const entries = readdirSync(join(ROOT, folder), { withFileTypes: true });
  for (const entry of entries.sort((a, b) => a.name.localeCompare(b.name))) {
    const path = folder === '' ? entry.name : `${folder}/${entry.name}`;
    if (SKIPPED_FOLDERS.has(path) || SKIPPED_FOLDERS.has(entry.name)) continue;
    if (entry.isDirectory()) yield* walk(path);
    else if (entry.isFile()) yield path;
  }
}

/** Every file of the repository. It is walked, not asked of git, which a tarball does not have. */
export function allPaths(): string[] {
  return [...walk('')];
}

/** The text of a file of the repository. */
export function readText(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** Every file of the repository that is TypeScript or JavaScript. */
export function allSources(): Source[] {
  return allPaths()
    .filter((path) => /\.(ts|mjs)$/.test(path))
    .map((path) => sourceOf(path, readText(path)));
}

/** True for a file that only the test runner starts. */
export function isTest(path: string): boolean {
  return path.endsWith('.test.ts');
}

/** `path:line: text`, which an editor can jump to. */
export function at(source: Source, position: number, text: string): string {
  const { line } = source.ast.getLineAndCharacterOfPosition(position);
  return `${source.path}:${line + 1}: ${text}`;
}

/** Asks every node of a source; an answer is a violation there. */
export function findNodes(source: Source, ask: (node: ts.Node) => string | undefined): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    const complaint = ask(node);
    if (complaint !== undefined) found.push(at(source, node.getStart(source.ast), complaint));
    ts.forEachChild(node, visit);
  };
  visit(source.ast);
  return found;
}

/** Every comment of a source, where it starts and what it says. */
export function commentsOf(source: Source): { position: number; text: string }[] {
  const { ast, text } = source;
  const starts = new Map<number, string>();
  const keep = (range: ts.CommentRange): void => {
    starts.set(range.pos, text.slice(range.pos, range.end));
  };
  const visit = (node: ts.Node): void => {
    if (ts.isJSDoc(node)) return;
    const children = node.getChildren(ast);
    if (children.length === 0) {
      for (const range of ts.getLeadingCommentRanges(text, node.getFullStart()) ?? []) keep(range);
      for (const range of ts.getTrailingCommentRanges(text, node.getEnd()) ?? []) keep(range);
    }
    for (const child of children) visit(child);
  };
  visit(ast);
  return [...starts].map(([position, comment]) => ({ position, text: comment }));
}
