import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { type CodeBlock, codeBlocks, docCommentBlocks } from './readme/code-blocks.ts';
import { allPaths, ROOT, readText } from './tidy/source-tree.ts';

const run = promisify(execFile);

const documents = allPaths().filter((path) => path.endsWith('.md'));
const blocks = documents.flatMap((path) => codeBlocks(path, readText(path)));
const programs = blocks.filter(({ language }) => language === 'ts');
const commented = allPaths()
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
  .flatMap((path) => docCommentBlocks(path, readText(path)))
  .filter(({ language }) => language === 'ts');

const nameOf = ({ document, line }: CodeBlock) => `${document}:${line}`;

/** Type-checks blocks as files of this package, so that `quorate` is what is here. */
function complaints(examples: readonly CodeBlock[]): string[] {
  const { config } = ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile);
  const { options } = ts.convertCompilerOptionsFromJson(config.compilerOptions, ROOT);
  const texts = new Map(
    examples.map((block, i) => [join(ROOT, `example-${i}.ts`), `export {};${block.text}`]),
  );
  const host = ts.createCompilerHost({ ...options, noUnusedLocals: false });
  const { fileExists, readFile } = host;
  host.fileExists = (path) => texts.has(path) || fileExists(path);
  host.readFile = (path) => texts.get(path) ?? readFile(path);
  const program = ts.createProgram([...texts.keys()], { ...options, noUnusedLocals: false }, host);
  return [...texts.keys()].flatMap((path, i) => {
    const file = program.getSourceFile(path);
    const block = examples[i];
    if (file === undefined || block === undefined) return [`${path} was not read`];
    return ts.getPreEmitDiagnostics(program, file).map(({ start = 0, messageText }) => {
      const line = block.line + file.getLineAndCharacterOfPosition(start).line;
      return `${block.document}:${line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
    });
  });
}

/** The block that follows, when it says what is printed. */
function outputAfter(block: CodeBlock): string {
  const next = blocks[blocks.indexOf(block) + 1];
  return next?.document === block.document && next.language === 'text' ? next.text : '';
}

describe('the examples', () => {
  it('are there', () => {
    expect(programs.map(({ document }) => document)).toContain('README.md');
  });

  it('pass the type checker, in documents and in doc comments', () => {
    expect(complaints([...programs, ...commented])).toEqual([]);
  });

  it.each(programs.map((block) => [nameOf(block), block] as const))(
    '%s runs and prints what it says',
    async (_name, block) => {
      expect(existsSync(join(ROOT, 'dist/index.js')), '`npm test` builds first').toBe(true);
      const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 };
      const { outputText } = ts.transpileModule(block.text, { compilerOptions: options });
      const args = ['--input-type=module', '--eval', outputText];
      const { stdout } = await run(process.execPath, args, { cwd: ROOT, timeout: 30_000 });
      expect(stdout).toBe(outputAfter(block));
    },
  );
});

describe('the commands', () => {
  const lines = blocks
    .filter(({ language }) => language === 'sh')
    .flatMap((block) => block.text.trimEnd().split('\n'));

  it('name scripts that exist', () => {
    const { scripts } = JSON.parse(readText('package.json'));
    const text = documents.map(readText).join('\n');
    const named = [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, name = '']) => name);
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });

  it('start programs that know every option', async () => {
    const starts = lines.filter((line) => line.startsWith('node dist/'));
    expect(starts).not.toEqual([]);
    for (const start of starts) {
      const [, program = '', ...args] = start.split(' ');
      const { stdout } = await run(process.execPath, [program, '--help'], { cwd: ROOT });
      const options = args.filter((arg) => arg.startsWith('--'));
      expect(
        options.filter((option) => !stdout.includes(`${option} `)),
        start,
      ).toEqual([]);
    }
  });
});
