import { mkdirSync, mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import ts from 'typescript';
import type { CodeBlock } from './code-blocks.ts';

/** A program that a document shows. */
export interface Example {
  /** `README.md:23`: where it starts. */
  readonly name: string;
  readonly document: string;
  /** The program, each line at the number that it has in the document. */
  readonly text: string;
  /** What it prints, when the document says so. */
  readonly output: string | undefined;
}

/** Appends a block so that its first line keeps its number. */
function placed(text: string, block: CodeBlock): string {
  const lines = text.split('\n').length;
  return text + '\n'.repeat(block.line - lines) + block.text;
}

/** Every block is a program of its own; the block after it may be what it prints. */
export function examplesOf(blocks: readonly CodeBlock[]): Example[] {
  return blocks.flatMap((block, i) => {
    if (block.language !== 'ts') return [];
    const next = blocks[i + 1];
    const prints = next?.language === 'text' && next.document === block.document;
    const { document, line } = block;
    const output = prints ? next.text : undefined;
    return [{ name: `${document}:${line}`, document, text: placed('', block), output }];
  });
}

/** All blocks of a document are one program, told in steps. */
export function storyOf(document: string, blocks: readonly CodeBlock[]): Example {
  const code = blocks.filter(({ language }) => language === 'ts');
  const printed = blocks.filter(({ language }) => language === 'text');
  const text = code.reduce(placed, '');
  return { name: document, document, text, output: printed.map((block) => block.text).join('') };
}

/** Type-checks programs as files of this package, so that `quorate` is what is here. */
export function complaints(root: string, examples: readonly Example[]): string[] {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.json'), ts.sys.readFile);
  const { options: ours } = ts.convertCompilerOptionsFromJson(config.compilerOptions, root);
  // Users are not bound by our taste, only by what is an error.
  const options = {
    ...ours,
    noUnusedLocals: false,
    noPropertyAccessFromIndexSignature: false,
    moduleDetection: ts.ModuleDetectionKind.Force,
  };
  const texts = new Map(examples.map(({ text }, i) => [join(root, `example-${i}.ts`), text]));
  const host = ts.createCompilerHost(options);
  const { fileExists, readFile } = host;
  host.fileExists = (path) => texts.has(path) || fileExists(path);
  host.readFile = (path) => texts.get(path) ?? readFile(path);
  const program = ts.createProgram([...texts.keys()], options, host);
  return [...texts.keys()].flatMap((path, i) => {
    const file = program.getSourceFile(path);
    const document = examples[i]?.document;
    if (file === undefined) return [`${path} was not read`];
    return ts.getPreEmitDiagnostics(program, file).map(({ start = 0, messageText }) => {
      const line = file.getLineAndCharacterOfPosition(start).line + 1;
      return `${document}:${line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
    });
  });
}

/** A program as plain JavaScript. */
export function javascriptOf({ text }: Example): string {
  const options = { module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2023 };
  return ts.transpileModule(text, { compilerOptions: options }).outputText;
}

/** A new directory in which a user's program finds the package, and other packages by name. */
export function userDirectory(root: string, packages: readonly string[]): string {
  const directory = mkdtempSync(join(tmpdir(), 'quorate-examples-'));
  const modules = join(directory, 'node_modules');
  mkdirSync(modules);
  symlinkSync(root, join(modules, 'quorate'));
  for (const name of packages) {
    mkdirSync(dirname(join(modules, name)), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), join(modules, name));
  }
  return directory;
}
