import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ROOT } from '../tidy/source-tree.ts';
import { judge } from './judge.ts';
import { viewPackage } from './package-view.ts';
import { parityPage } from './parity.ts';
import { readSurface } from './surface-list.ts';

const surface = readSurface();

describe('the list', () => {
  it('is the whole of hashicorp/raft v1.7.3', () => {
    const { functions, errors, constants, types } = surface;
    const methods = types.flatMap(({ methods = [] }) => methods);
    const fields = types.flatMap(({ fields = [] }) => fields);
    const lists = [functions, errors, constants, types, methods, fields];
    expect(lists.map((list) => list.length)).toEqual([31, 15, 26, 80, 191, 109]);
  });

  it('is what docs/api-parity.md shows; `npm run docs:tables` writes it anew', async () => {
    await expect(parityPage(surface)).toMatchFileSnapshot(join(ROOT, 'docs/api-parity.md'));
  });
});

describe('the built package', () => {
  it('has everything on the list, named, called and explained by the rules', async () => {
    expect(judge(surface, await viewPackage(ROOT))).toEqual([]);
  });
});
