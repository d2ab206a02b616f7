import ts from 'typescript';
import { at, commentsOf, findNodes, type Source } from './source-tree.ts';

export const MAX_FILE_LINES = 400;
export const MAX_FUNCTION_LINES = 70;
export const MAX_COLUMNS = 100;

/** A file fits into a head. */
export function longFiles({ path, text }: Source): string[] {
  const lines = text.replace(/\n$/, '').split('\n').length;
  if (lines <= MAX_FILE_LINES) return [];
  return [`${path}:${MAX_FILE_LINES + 1}: ${lines} lines, at most ${MAX_FILE_LINES}`];
}

/** A line fits beside another one. */
export function wideLines({ path, text }: Source): string[] {
  return text.split('\n').flatMap((line, i) => {
    const columns = [...line].length;
    return columns <= MAX_COLUMNS
      ? []
      : [`${path}:${i + 1}: ${columns} columns, at most ${MAX_COLUMNS}`];
  });
}

/** The body of a `describe` is a heading with tests under it, not a function to be read. */
function isDescribeBody(node: ts.Node): boolean {
  const call = node.parent;
  return (
    call !== undefined &&
    ts.isCallExpression(call) &&
    /^describe\b/.test(call.expression.getText()) &&
    call.arguments.some((argument) => argument === node)
  );
}

/** A function fits on a screen. */
export function longFunctions(source: Source): string[] {
  const lineOf = (position: number) => source.ast.getLineAndCharacterOfPosition(position).line;
  return findNodes(source, (node) => {
    if (!ts.isFunctionLike(node) || isDescribeBody(node)) return undefined;
    const lines = lineOf(node.getEnd()) - lineOf(node.getStart(source.ast)) + 1;
    if (lines < MAX_FUNCTION_LINES) return undefined;
    return `a function of ${lines} lines, fewer than ${MAX_FUNCTION_LINES} wanted`;
  });
}

/** What the type checker is there for is not switched off. */
export function looseTypes(source: Source): string[] {
  return findNodes(source, (node) => {
    if (node.kind === ts.SyntaxKind.AnyKeyword) return 'any';
    if (ts.isNonNullExpression(node)) return 'non-null assertion';
    if (ts.isPropertyDeclaration(node) || ts.isVariableDeclaration(node)) {
      return node.exclamationToken === undefined ? undefined : 'definite assignment assertion';
    }
    if (ts.isEnumDeclaration(node)) return 'enum; use a frozen object and a union type';
    return undefined;
  });
}

/** Errors of the type checker are mended, not hidden. */
export function suppressions(source: Source): string[] {
  return commentsOf(source).flatMap(({ position, text }) => {
    const found = text.match(/@ts-(ignore|expect-error|nocheck)/);
    return found === null ? [] : [at(source, position, found[0])];
  });
}

const RUNNERS = new Set(['it', 'test', 'describe', 'suite', 'bench', 'context', 'ctx']);
const NOT_RUN = new Set(['only', 'skip', 'todo', 'skipIf', 'runIf']);

/** The name that a chain such as `it.concurrent.only` starts with. */
function rootName(node: ts.Expression): string {
  if (ts.isPropertyAccessExpression(node) || ts.isCallExpression(node)) {
    return rootName(node.expression);
  }
  return node.getText();
}

/** Every test runs, or is named in the list of those that may not. */
export function testsNotRun(source: Source): string[] {
  return findNodes(source, (node) => {
    if (!ts.isPropertyAccessExpression(node) || !NOT_RUN.has(node.name.text)) return undefined;
    const root = rootName(node.expression);
    return RUNNERS.has(root) ? `${root}.${node.name.text}` : undefined;
  });
}

/** File names are kebab-case; only the suffixes have dots. */
export function badNames({ path }: Source): string[] {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return /^[a-z0-9]+(-[a-z0-9]+)*(\.(test|config))?\.(ts|mjs)$/.test(name)
    ? []
    : [`${path}:1: file names are kebab-case`];
}

// The brackets keep these patterns from matching themselves.
const LEFTOVERS = [
  { pattern: /\b(TO[D]O|FIX[M]E|XX[X])\b/, name: 'a note to finish it later' },
  {
    pattern: /(^|[\s"'`(=])(\/[h]ome\/|\/[U]sers\/|\/[r]oot\/|\/[w]ork\/|[C]:\\)/,
    name: 'a path of one machine',
  },
];

/** What was meant for one desk stays there. */
export function leftovers(path: string, text: string): string[] {
  return text.split('\n').flatMap((line, i) =>
    LEFTOVERS.flatMap(({ pattern, name }) => {
      const found = line.match(pattern);
      return found === null ? [] : [`${path}:${i + 1}: ${name}: ${found[0].trim()}`];
    }),
  );
}

const FORBIDDEN_IN_CORE = new Set([
  'Promise',
  'PromiseLike',
  'Date',
  'console',
  'performance',
  'process',
  'crypto',
  'fetch',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'globalThis',
]);

function isPropertyName(node: ts.Identifier): boolean {
  const { parent } = node;
  if (ts.isPropertyAccessExpression(parent)) return parent.name === node;
  if (ts.isQualifiedName(parent)) return parent.right === node;
  if (ts.isShorthandPropertyAssignment(parent)) return false;
  return (
    (ts.isPropertyAssignment(parent) ||
      ts.isPropertySignature(parent) ||
      ts.isPropertyDeclaration(parent) ||
      ts.isMethodDeclaration(parent) ||
      ts.isMethodSignature(parent)) &&
    parent.name === node
  );
}

/** The rules of Raft are synchronous and know neither time nor chance. */
export function impurities(source: Source): string[] {
  return findNodes(source, (node) => {
    if (node.kind === ts.SyntaxKind.AsyncKeyword) return 'async';
    if (ts.isAwaitExpression(node)) return 'await';
    if (ts.isForOfStatement(node) && node.awaitModifier !== undefined) return 'for await';
    if (ts.isPropertyAccessExpression(node) && node.getText() === 'Math.random') {
      return 'Math.random';
    }
    if (ts.isIdentifier(node) && FORBIDDEN_IN_CORE.has(node.text) && !isPropertyName(node)) {
      return node.text;
    }
    return undefined;
  });
}
