import { describe, expect, it } from 'vitest';
import { ROOT } from '../tidy/source-tree.ts';
import { codeBlocks } from './code-blocks.ts';
import { complaints, examplesOf, javascriptOf, storyOf } from './examples.ts';

const page = [
  'Text.',
  '',
  '```ts',
  'const a: number = 1;',
  '```',
  '',
  '```go',
  'a := 1',
  '```',
  '',
  '```ts',
  'console.log(a);',
  '```',
  '',
  '```text',
  '1',
  '```',
  '',
].join('\n');
const blocks = codeBlocks('a.md', page);

describe('examples', () => {
  it('are a program for each block, with the block after it as what they print', () => {
    expect(examplesOf(blocks).map(({ name, output }) => [name, output])).toEqual([
      ['a.md:4', undefined],
      ['a.md:12', '1\n'],
    ]);
  });

  it('have the lines of their document, so that complaints name those', () => {
    const [, second] = examplesOf(blocks);
    expect(second?.text.split('\n').indexOf('console.log(a);')).toBe(11);
    expect(complaints(ROOT, examplesOf(blocks))).toEqual(["a.md:12: Cannot find name 'a'."]);
  });

  it('can be one story in steps', () => {
    const story = storyOf('a.md', blocks);
    expect(complaints(ROOT, [story])).toEqual([]);
    expect(story.output).toBe('1\n');
    expect(javascriptOf(story)).toContain('const a = 1;');
  });
});
