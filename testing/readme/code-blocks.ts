/** A fenced block of a document. */
export interface CodeBlock {
  readonly document: string;
  /** The line of its first line of text, from 1. */
  readonly line: number;
  readonly language: string;
  readonly text: string;
}

/** Every fenced block of a document in Markdown. */
export function codeBlocks(document: string, markdown: string): CodeBlock[] {
  const fence = /^```(\w*)\n([\s\S]*?)^```$/gm;
  return [...markdown.matchAll(fence)].map(({ 1: language = '', 2: text = '', index }) => ({
    document,
    line: markdown.slice(0, index).split('\n').length + 1,
    language,
    text,
  }));
}

/** Every fenced block in the doc comments of a source, without the stars. */
export function docCommentBlocks(path: string, source: string): CodeBlock[] {
  const bare = source
    .split('\n')
    .map((line) => /^\s*\* ?(.*)$/.exec(line)?.[1] ?? '')
    .join('\n');
  return codeBlocks(path, bare);
}
