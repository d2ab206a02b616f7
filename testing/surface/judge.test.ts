import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { ROOT } from '../tidy/source-tree.ts';
import { givenParameters, gottenResults, parseFunction } from './go-signature.ts';
import { judge } from './judge.ts';
import { type PackageView, viewPackage } from './package-view.ts';
import type { Surface } from './surface-list.ts';

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

const from = 'small';
const surface: Surface = {
  source: 'a small package',
  functions: [
    {
      go: 'NewNode',
      signature: 'func NewNode(t *testing.T, id string, wait time.Duration) (*Node, error)',
      name: 'newNode',
      from,
    },
  ],
  errors: [
    { go: 'ErrGone', signature: 'var ErrGone error', text: 'it is gone', name: 'ErrGone', from },
  ],
  constants: [{ go: 'Up', signature: 'const Up State', value: 1, name: 'State.Up', from }],
  types: [
    {
      go: 'Node',
      signature: 'type Node struct',
      kind: 'struct',
      name: 'Node',
      from,
      methods: [
        { go: 'Read', signature: 'func (*Node).Read(index uint64) (string, error)', name: 'read' },
      ],
      fields: [{ go: 'Term', signature: 'field Term uint64', name: 'term' }],
    },
  ],
};

const declarations = `
/** Makes one. Go: \`NewNode\`. */
export declare function newNode(id: string, wait: number, more?: boolean): Promise<Node>;
/** Gone. Go: \`ErrGone\`. */
export declare const ErrGone: Error;
/** States. */
export declare const State: {
  /** Up. */
  readonly Up: 1;
};
/** A node. Go: \`Node\`. */
export declare class Node {
  /** The term. */
  readonly term: number;
  /** Reads. Go: \`Node.Read\`. */
  read(index: number): Promise<string>;
}
`;

const program = `
export async function newNode() {}
export const ErrGone = new Error('it is gone');
export const State = { Up: 1 };
export class Node {}
`;

/** The package as above, but for one replacement. */
function viewSmall(text: string, replacement: string): Promise<PackageView> {
  const root = mkdtempSync(join(tmpdir(), 'quorate-surface-'));
  folders.push(root);
  const file = (source: string) => source.replace(text, replacement);
  const exports = { '.': { types: './index.d.ts', default: './index.js' } };
  const manifest = { name: from, type: 'module', exports };
  writeFileSync(join(root, 'package.json'), JSON.stringify(manifest));
  writeFileSync(join(root, 'index.d.ts'), file(declarations));
  writeFileSync(join(root, 'index.js'), file(program));
  mkdirSync(join(root, 'node_modules'));
  symlinkSync(join(ROOT, 'node_modules/@types'), join(root, 'node_modules/@types'));
  return viewPackage(root);
}

it.each([
  ['nothing', 'x y z', '', []],
  ['an export', 'declare function newNode', 'declare function newNod', ['exports no newNode']],
  ['a doc comment', '/** The term. */', '', ['Node.Term: has no doc comment']],
  ['the word of Go', 'Go: `Node.Read`', '', ['does not say Go: `Read`']],
  ['an argument', ', wait: number, more?: boolean', '', ['NewNode: takes 1 to 1']],
  ['an argument more', 'more?: boolean', 'more: boolean', ['NewNode: takes 3 to 3']],
  ['the type of an argument', 'wait: number', 'wait: string', ['argument wait is string']],
  ['the result', 'Promise<Node>', 'Promise<void>', ['gives Promise<void> for *Node']],
  ['the result of a method', 'Promise<string>', 'Promise<number>', ['gives Promise<number>']],
  ['the type of a field', 'term: number', 'term: string', ['Node.Term: is string']],
  ['the kind', 'declare class Node', 'interface Node', ['Node: is no class']],
  ['a constant', 'Up: 1 }', 'Up: 2 }', ['Up: is 2, expected 1']],
  ['a member of a constant', 'readonly Up', 'readonly Down', ['State has no Up']],
  ['the text of an error', "'it is gone'", "'is gone'", ['says "is gone"']],
])('tells when %s is not as listed', async (_what, text, replacement, complaints) => {
  const found = judge(surface, await viewSmall(text, replacement));
  expect(found).toEqual(complaints.map((part) => expect.stringContaining(part)));
});

it('does not let an entry leave the rules in silence', async () => {
  const view = await viewSmall('declare function newNode', 'declare function newNod');
  const [item] = surface.functions;
  if (item === undefined) expect.fail();
  const only = { ...surface, errors: [], constants: [], types: [] };
  const entry = { ...item, arguments: 3 };
  expect(judge({ ...only, functions: [entry] }, view)).toEqual([
    'NewNode: leaves the rules and says no difference',
    'NewNode: small exports no newNode',
  ]);
});

it('reads what Go’s type checker prints', () => {
  const call = parseFunction(
    'func (*T).Do(f func(a int, b []string) bool, c chan<- X) (n int, err error)',
  );
  expect(call.parameters.map(({ type }) => type)).toEqual([
    'func(a int, b []string) bool',
    'chan<- X',
  ]);
  expect([call.results, call.fails]).toEqual([['int'], true]);
  const fill = parseFunction('func (T).GetLog(index uint64, log *Log) error');
  expect([givenParameters(fill).length, gottenResults(fill)]).toEqual([1, ['*Log']]);
  const read = parseFunction('func (T).StoreLog(log *Log) error');
  expect([givenParameters(read).length, gottenResults(read)]).toEqual([1, []]);
});
