import { describe, expect, it } from 'vitest';
import { codeBlocks, docCommentBlocks } from './code-blocks.ts';

describe('codeBlocks', () => {
  it('gives the language, the text and the line of each', () => {
    const markdown = 'Text.\n\n```ts\na;\nb;\n```\n\n```text\nout\n```\n';
    expect(codeBlocks('a.md', markdown)).toEqual([
      { document: 'a.md', line: 4, language: 'ts', text: 'a;\nb;\n' },
      { document: 'a.md', line: 9, language: 'text', text: 'out\n' },
    ]);
  });
});

describe('docCommentBlocks', () => {
  it('reads comments only, without their stars', () => {
    const source =
      '/**\n * Text.\n * ```ts\n * f({\n *   a,\n * });\n * ```\n */\nexport const a = 1;\n';
    expect(docCommentBlocks('a.ts', source)).toEqual([
      { document: 'a.ts', line: 4, language: 'ts', text: 'f({\n  a,\n});\n' },
    ]);
  });
});
