import { describe, expect, it } from 'vitest';
import { ROOT } from '../tidy/source-tree.ts';
import { judge } from './judge.ts';
import { viewPackage } from './package-view.ts';
import { readSurface } from './surface-list.ts';

describe('the built package', () => {
  it('has everything that hashicorp/raft exports, named, called and explained by the rules', async () => {
    expect(judge(readSurface(), await viewPackage(ROOT))).toEqual([]);
  });
});
