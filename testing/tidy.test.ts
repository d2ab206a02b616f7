import { existsSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { brokenPaths, undocumented } from './tidy/documents.ts';
import {
  foreignPackages,
  graphOf,
  nodeImports,
  reachFrom,
  runnerImports,
  wrongArrows,
} from './tidy/imports.ts';
import { deadFiles, entryPoints, type Manifest, programs } from './tidy/reachable.ts';
import { allPaths, allSources, isTest, ROOT, readText, type Source } from './tidy/source-tree.ts';
import * as style from './tidy/style.ts';

/** Tests that may say that this machine cannot run them. */
const MAY_SKIP = new Set<string>([]);

const paths = allPaths();
const sources = allSources();
const graph = graphOf(sources);
const manifest: Manifest = JSON.parse(readText('package.json'));
const entries = entryPoints(manifest);

function judge(rule: (source: Source) => string[], of = sources): string[] {
  return of.flatMap(rule);
}

describe('every file', () => {
  it(`has at most ${style.MAX_FILE_LINES} lines`, () => {
    expect(judge(style.longFiles)).toEqual([]);
  });

  it(`has at most ${style.MAX_COLUMNS} columns`, () => {
    expect(judge(style.wideLines)).toEqual([]);
  });

  it(`has only functions under ${style.MAX_FUNCTION_LINES} lines`, () => {
    expect(judge(style.longFunctions)).toEqual([]);
  });

  it('leaves no type unchecked: no any, no non-null assertion, no enum', () => {
    expect(judge(style.looseTypes)).toEqual([]);
  });

  it('silences no error of the type checker', () => {
    expect(judge(style.suppressions)).toEqual([]);
  });

  it('has a kebab-case name', () => {
    expect(judge(style.badNames)).toEqual([]);
  });

  it('holds no leftovers of a desk: no notes to finish it later, no paths of one machine', () => {
    const readable = paths.filter(
      (path) => /\.(ts|mjs|md|json|go|sh|txt)$|^\.ci\//.test(path) && !path.endsWith('lock.json'),
    );
    expect(readable.flatMap((path) => style.leftovers(path, readText(path)))).toEqual([]);
  });

  it('is used: an entry point, a program or a test leads to it', () => {
    const commands = Object.values(manifest.bin).map((path) => `node ${path}`);
    const scripts = [...Object.values(manifest.scripts), ...commands, readText('.ci/run')];
    const roots = [...entries, ...programs(scripts)];
    expect(deadFiles(sources, graph, roots)).toEqual([]);
  });
});

describe('every test', () => {
  it('runs', () => {
    const mustRun = sources.filter(({ path }) => isTest(path) && !MAY_SKIP.has(path));
    expect(judge(style.testsNotRun, mustRun)).toEqual([]);
  });

  it('is the only one to know the test runner', () => {
    expect(runnerImports(graph)).toEqual([]);
  });
});

describe('every import', () => {
  it('points inward', () => {
    expect(wrongArrows(graph)).toEqual([]);
  });

  it('leads to a file that is there', () => {
    const broken = [...graph.values()]
      .flat()
      .filter(({ target }) => target !== undefined && !existsSync(join(ROOT, target)))
      .map(({ from, specifier }) => `${from.path}: ${specifier} is not there`);
    expect(broken).toEqual([]);
  });

  it('of the rules, the words and the simulator needs no Node', () => {
    expect(nodeImports(graph)).toEqual([]);
  });

  it('of the rules and the words needs no package', () => {
    const inner = sources
      .map(({ path }) => path)
      .filter((path) => /^(raft|internal)\//.test(path) && !isTest(path));
    expect(foreignPackages(graph, inner, new Set())).toEqual([]);
  });

  it('of what is shipped is a dependency that is installed with it', () => {
    const dependencies = new Set(Object.keys(manifest.dependencies));
    expect(foreignPackages(graph, entries, dependencies)).toEqual([]);
  });

  it('of lmdb is made in one file', () => {
    const users = [...graph.values()].flat().filter(({ specifier }) => specifier === 'lmdb');
    const paths = new Set(users.map(({ from }) => from.path).filter((path) => !isTest(path)));
    expect([...paths]).toEqual(['store/lmdb-environment.ts']);
  });

  it('of the front door leads to no native module', () => {
    const pure = new Set(Object.keys(manifest.dependencies).filter((name) => name !== 'lmdb'));
    expect(foreignPackages(graph, ['index.ts'], pure)).toEqual([]);
  });
});

describe('the rules of Raft', () => {
  it('are synchronous and know neither time nor chance', () => {
    const core = sources.filter(({ path }) => path.startsWith('raft/core/') && !isTest(path));
    expect(core).not.toEqual([]);
    expect(judge(style.impurities, core)).toEqual([]);
  });
});

describe('every entry point', () => {
  it('has a source that imports nothing of the tests', () => {
    expect(entries.filter((entry) => !graph.has(entry))).toEqual([]);
    expect([...reachFrom(graph, entries)].filter(isTest)).toEqual([]);
  });

  it('explains each name that it exports', () => {
    const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile);
    const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, ROOT);
    const files = entries.map((entry) => join(ROOT, entry));
    const program = ts.createProgram(files, options);
    const found = undocumented(program, files).map((text) => text.replace(ROOT, ''));
    expect(found).toEqual([]);
  });
});

describe('every document', () => {
  it('names files that are there', () => {
    const exists = (path: string) => existsSync(join(ROOT, path));
    const documents = paths.filter((path) => path.endsWith('.md'));
    expect(documents).toContain('docs/where-is-the-rule.md');
    expect(documents.flatMap((path) => brokenPaths(path, readText(path), exists))).toEqual([]);
  });
});
