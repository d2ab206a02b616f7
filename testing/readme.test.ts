import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CodeBlock, codeBlocks, docCommentBlocks } from './readme/code-blocks.ts';
import {
  complaints,
  type Example,
  examplesOf,
  javascriptOf,
  storyOf,
  userDirectory,
} from './readme/examples.ts';
import { allPaths, ROOT, readText } from './tidy/source-tree.ts';

const run = promisify(execFile);

/** A page whose blocks are one program, told in steps. */
const STORY = 'docs/porting-from-go.md';

const documents = allPaths().filter((path) => path.endsWith('.md'));
const blocks = documents.flatMap((path) => codeBlocks(path, readText(path)));
const ofStory = ({ document }: CodeBlock) => document === STORY;
const programs = [
  ...examplesOf(blocks.filter((block) => !ofStory(block))),
  storyOf(STORY, blocks.filter(ofStory)),
];
const commented = allPaths()
  .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
  .flatMap((path) => examplesOf(docCommentBlocks(path, readText(path))));
const named = (examples: readonly Example[]) =>
  examples.map((example) => [example.name, example] as const);

describe('the examples', () => {
  let directory = '';
  beforeAll(() => {
    expect(existsSync(join(ROOT, 'dist/index.js')), '`npm test` builds first').toBe(true);
    const { dependencies, devDependencies } = JSON.parse(readText('package.json'));
    directory = userDirectory(ROOT, Object.keys({ ...dependencies, ...devDependencies }));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  async function printed(example: Example): Promise<string> {
    const args = ['--input-type=module', '--eval', javascriptOf(example)];
    const { stdout } = await run(process.execPath, args, { cwd: directory, timeout: 30_000 });
    return stdout;
  }

  it('are there', () => {
    expect(programs.map(({ document }) => document)).toContain('README.md');
    expect(commented.map(({ document }) => document)).toContain('index.ts');
  });

  it('pass the type checker, in documents and in doc comments', () => {
    expect(complaints(ROOT, [...programs, ...commented])).toEqual([]);
  });

  it.each(named(programs))('%s runs and prints what it says', async (_name, example) => {
    expect(await printed(example)).toBe(example.output ?? '');
  });

  it.each(named(commented))('%s, a doc comment, runs', async (_name, example) => {
    const text = await printed(example);
    expect(example.output === undefined || text === example.output, text).toBe(true);
  });
});

describe('the commands', () => {
  const lines = blocks
    .filter(({ language }) => language === 'sh')
    .flatMap((block) => block.text.trimEnd().split('\n'));

  it('name scripts that exist', () => {
    const { scripts } = JSON.parse(readText('package.json'));
    const text = documents.map(readText).join('\n');
    const names = [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, name = '']) => name);
    expect(names.filter((name) => !(name in scripts))).toEqual([]);
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
