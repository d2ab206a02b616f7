import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { brokenPaths, undocumented } from './documents.ts';

/** A program of files that are only text. */
function programOf(files: Record<string, string>): ts.Program {
  const options: ts.CompilerOptions = {
    noLib: true,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    allowImportingTsExtensions: true,
    noEmit: true,
  };
  const host: ts.CompilerHost = {
    ...ts.createCompilerHost(options),
    getCurrentDirectory: () => '/',
    fileExists: (path) => path in files,
    readFile: (path) => files[path],
    getSourceFile: (path, version) => {
      const text = files[path];
      return text === undefined ? undefined : ts.createSourceFile(path, text, version);
    },
  };
  return ts.createProgram(Object.keys(files), options, host);
}

describe('undocumented', () => {
  it('looks behind re-exports and names the place of the declaration', () => {
    const program = programOf({
      '/index.ts': "export { told, untold } from './a.ts';\nexport type { Untold } from './a.ts';",
      '/a.ts': [
        '/** Says something. */',
        'export function told() {}',
        '// Says nothing that a user sees.',
        'export const untold = 1;',
        'export interface Untold {}',
        'export const hidden = 2;',
      ].join('\n'),
    });
    expect(undocumented(program, ['/index.ts'])).toEqual([
      '/a.ts:4: untold has no doc comment',
      '/a.ts:5: Untold has no doc comment',
    ]);
  });

  it('is content when one half of a value and a type is explained', () => {
    const program = programOf({
      '/index.ts': '/** A kind. */\nexport const A = 1;\nexport type A = 1;',
    });
    expect(undocumented(program, ['/index.ts'])).toEqual([]);
  });

  it('complains of an entry point that is missing or empty', () => {
    expect(undocumented(programOf({ '/a.ts': 'f();' }), ['/a.ts', '/b.ts'])).toEqual([
      '/a.ts:1: exports nothing',
      '/b.ts:1: exports nothing',
    ]);
  });
});

describe('brokenPaths', () => {
  const there = new Set(['raft/log.ts', 'docs/a.md', 'README.md']);
  const judge = (text: string) => brokenPaths('docs/a.md', text, (path) => there.has(path));

  it('finds names of files and links that lead nowhere', () => {
    expect(judge('ok `raft/log.ts`\nbad `raft/gone.ts`')).toEqual([
      'docs/a.md:2: names raft/gone.ts, which is not there',
    ]);
    expect(judge('[ok](a.md#x) [ok](../README.md) [ok](https://x.example) [bad](b.md)')).toEqual([
      'docs/a.md:1: links to docs/b.md, which is not there',
    ]);
  });

  it('does not read code blocks, and still counts their lines', () => {
    expect(judge('```ts\n`gone.ts`\n```\n`gone.ts`')).toEqual([
      'docs/a.md:4: names gone.ts, which is not there',
    ]);
  });
});
