import { describe, expect, it } from 'vitest';
import { sourceOf } from './source-tree.ts';
import * as style from './style.ts';

const judge = (rule: (source: ReturnType<typeof sourceOf>) => string[], text: string) =>
  rule(sourceOf('a/b.ts', text));

/** A function of `lines` lines in all. */
function functionOf(lines: number): string {
  return `function f() {\n${'  g();\n'.repeat(lines - 2)}}\n`;
}

describe('longFiles', () => {
  it('counts lines, not line ends', () => {
    expect(judge(style.longFiles, 'x;\n'.repeat(400))).toEqual([]);
    expect(judge(style.longFiles, 'x;\n'.repeat(401))).toEqual([
      'a/b.ts:401: 401 lines, at most 400',
    ]);
  });
});

describe('wideLines', () => {
  it('counts characters and names the line', () => {
    expect(judge(style.wideLines, `\n// ${'→'.repeat(97)}\n`)).toEqual([]);
    expect(judge(style.wideLines, `\n// ${'x'.repeat(98)}\n`)).toEqual([
      'a/b.ts:2: 101 columns, at most 100',
    ]);
  });
});

describe('longFunctions', () => {
  it('measures from the head to the closing brace', () => {
    expect(judge(style.longFunctions, functionOf(69))).toEqual([]);
    expect(judge(style.longFunctions, `x;\n${functionOf(70)}`)).toEqual([
      'a/b.ts:2: a function of 70 lines, fewer than 70 wanted',
    ]);
  });

  it('measures methods, arrows and the bodies of tests', () => {
    const body = '{\n'.concat('  g();\n'.repeat(80), '}');
    for (const text of [
      `class A { m() ${body} }`,
      `const f = () => ${body};`,
      `it('x', () => ${body});`,
      `describe('x', () => { it('y', () => ${body}); });`,
    ]) {
      expect(judge(style.longFunctions, text), text).toHaveLength(1);
    }
  });

  it('does not count the doc comment, nor the body of a describe', () => {
    expect(judge(style.longFunctions, `/**${'\n *'.repeat(80)}\n */\nfunction f() {}`)).toEqual([]);
    const body = `{\n${'  g();\n'.repeat(80)}}`;
    expect(judge(style.longFunctions, `describe('x', () => ${body});`)).toEqual([]);
    expect(judge(style.longFunctions, `describe.each([1])('x', () => ${body});`)).toEqual([]);
  });
});

describe('looseTypes', () => {
  it.each([
    ['const a: any = 1;', 'any'],
    ['const a = b as any;', 'any'],
    ['let a: Array<any>;', 'any'],
    ['f(a!);', 'non-null assertion'],
    ['a!.b;', 'non-null assertion'],
    ['class A { b!: number; }', 'definite assignment assertion'],
    ['let a!: number;', 'definite assignment assertion'],
    ['enum A { B }', 'enum; use a frozen object and a union type'],
    ['const enum A { B }', 'enum; use a frozen object and a union type'],
  ])('finds what is loose in %s', (text, complaint) => {
    expect(judge(style.looseTypes, `\n${text}`)).toEqual([`a/b.ts:2: ${complaint}`]);
  });

  it('leaves the word and the operator alone', () => {
    expect(judge(style.looseTypes, `const any = 'any'; if (!any !== b) f(/* any! */);`)).toEqual(
      [],
    );
  });
});

describe('suppressions', () => {
  it.each(['// @ts-ignore', '/* @ts-expect-error: x */', '// @ts-nocheck'])('finds %s', (text) => {
    expect(judge(style.suppressions, `f();\n${text}\ng();`)).toHaveLength(1);
    expect(judge(style.suppressions, `f(() => {\n  ${text}\n});`)).toHaveLength(1);
    expect(judge(style.suppressions, `g(); ${text}`)).toHaveLength(1);
  });

  it('finds none in a string', () => {
    expect(judge(style.suppressions, "f('// @ts-ignore');")).toEqual([]);
  });
});

describe('testsNotRun', () => {
  it.each([
    "it.only('x', f);",
    "it.skip('x', f);",
    "test.todo('x');",
    "describe.skip('x', f);",
    "it.concurrent.only('x', f);",
    "it.each([1]).skip('x', f);",
    "it.skipIf(windows)('x', f);",
    'it("x", (ctx) => ctx.skip());',
  ])('finds %s', (text) => {
    expect(judge(style.testsNotRun, text)).toHaveLength(1);
  });

  it('lets other skips be', () => {
    expect(judge(style.testsNotRun, "it('x', f); reader.skip(3); log.only;")).toEqual([]);
  });
});

describe('badNames', () => {
  const named = (path: string) => style.badNames(sourceOf(path, ''));

  it('knows kebab-case and the suffixes', () => {
    for (const path of [
      'a/b.ts',
      'log-cache.ts',
      'a/log-cache.test.ts',
      'x.config.ts',
      'c64.mjs',
    ]) {
      expect(named(path), path).toEqual([]);
    }
    for (const path of ['a/logCache.ts', 'Log.ts', 'log_cache.ts', 'a-.ts', 'log.spec.ts']) {
      expect(named(path), path).toHaveLength(1);
    }
  });
});

describe('leftovers', () => {
  it('finds notes and paths of one machine', () => {
    // Put together here, so that this file has none.
    const notes = ['TO', 'FIX', 'XX'].map((head, i) => head + ['DO', 'ME', 'X'][i]);
    const folders = ['home', 'work', 'root', 'Users'];
    const homes = folders.map((folder) => `"/${folder}/ann/x"`);
    for (const text of [...notes, ...homes, `see ${'C'}:\\x`]) {
      expect(style.leftovers('a.md', `fine\n${text}`), text).toHaveLength(1);
    }
    const innocent = ['https://x.example', '.', 'a'].map((head, i) => `${head}/${folders[i]}/b`);
    expect(style.leftovers('a.md', innocent.join(', '))).toEqual([]);
  });
});

describe('impurities', () => {
  it.each([
    ['async function f() {}', ['async']],
    ['const f = async () => 1;', ['async']],
    ['await f();', ['await']],
    ['for await (const x of y) f(x);', ['for await']],
    ['const p: Promise<void> = q;', ['Promise']],
    ['Promise.resolve();', ['Promise']],
    ['Date.now();', ['Date']],
    ['new Date();', ['Date']],
    ['Math.random();', ['Math.random']],
    ['setTimeout(f, 1);', ['setTimeout']],
    ['performance.now();', ['performance']],
    ['console.log(1);', ['console']],
    ['globalThis.x;', ['globalThis']],
    ['f({ Date });', ['Date']],
  ])('finds what is impure in %s', (text, names) => {
    expect(judge(style.impurities, text)).toEqual(names.map((name) => `a/b.ts:1: ${name}`));
  });

  it('lets comments, strings and properties be', () => {
    const text = "// await a Promise\nf('Date', a.process, { process: 1 }, Math.max(1, 2));";
    expect(judge(style.impurities, text)).toEqual([]);
  });
});
