import { describe, expect, it } from 'vitest';
import { graphOf } from '../tidy/imports.ts';
import { sourceOf } from '../tidy/source-tree.ts';
import { targetsOf, unreachable, wrongFiles } from './tarball.ts';

const exports = {
  '.': { types: './dist/index.d.ts', default: './dist/index.js' },
  './package.json': './package.json',
};
const complete = [
  'LICENSE',
  'README.md',
  'CHANGELOG.md',
  'SECURITY.md',
  'package.json',
  'dist/index.js',
  'dist/index.d.ts',
];

describe('what is in the tarball', () => {
  it('is what the sub-paths promise and the papers', () => {
    const targets = targetsOf(exports);
    expect([...targets]).toEqual([['.', 'dist/index.js']]);
    expect(wrongFiles(complete, targets.values())).toEqual([]);
    for (const missing of complete) {
      const rest = complete.filter((file) => file !== missing);
      expect(wrongFiles(rest, targets.values())).toEqual([`${missing} is missing`]);
    }
  });

  it.each([
    'dist/raft/log.test.js',
    'dist/testing/sim/mutants/one.js',
    'dist/testing/e2e/kill.js',
    'dist/examples/kv/main.js',
    'bench/run.js',
    'dist/vitest.config.js',
  ])('is not %s', (file) => {
    expect(wrongFiles([...complete, file], ['dist/index.js'])).toEqual([
      `${file} does not belong into the tarball`,
    ]);
  });

  it('is used, by code or by types', () => {
    const graph = graphOf([
      sourceOf('dist/index.js', "export * from './a.js';"),
      sourceOf('dist/index.d.ts', "export type { B } from './b.ts';"),
      sourceOf('dist/a.js', ''),
      sourceOf('dist/b.d.ts', ''),
      sourceOf('dist/old.js', ''),
      sourceOf('dist/old.d.ts', ''),
    ]);
    expect(unreachable(graph, ['dist/index.js'])).toEqual([
      'dist/old is shipped and no sub-path leads to it',
    ]);
  });
});
