import ts from 'typescript';
import { allSources, isTest, readText, type Source } from '../tidy/source-tree.ts';

/** Something that must hold: a rule (S1), a Go test (test 1), or a thread of upstream (#695). */
export interface Requirement {
  /** As the titles of tests name it. */
  readonly mark: string;
  /** What must hold, in a few words. */
  readonly text: string;
  /** False for what is listed once a test holds it: Go's runs of whole systems. */
  readonly isRequired: boolean;
}

/** A test that holds something, by its own word. */
export interface Holder {
  readonly path: string;
  readonly title: string;
  readonly marks: readonly string[];
}

/** Where reasons are given why a rule does not apply. */
export const REASONS = 'docs/differences-from-go.md';

interface Numbered {
  readonly number: number;
  readonly text: string;
}

/** Everything that must hold: the rules, then Go's tests, then the threads. */
export function readRequirements(): Requirement[] {
  const lists: Record<'rules' | 'tests' | 'systemTests' | 'threads', Numbered[]> = JSON.parse(
    readText('testing/surface/behaviour-rules.json'),
  );
  const marked = (list: readonly Numbered[], prefix: string, isRequired = true) =>
    list.map(({ number, text }) => ({ mark: `${prefix}${number}`, text, isRequired }));
  return [
    ...marked(lists.rules, 'S'),
    ...marked(lists.tests, 'test '),
    ...marked(lists.systemTests, 'test ', false),
    ...marked(lists.threads, '#'),
  ];
}

const MARK = '(?:S\\d+|test \\d+|#\\d+)';
const MARKS = new RegExp(`^(.*) \\((${MARK}(?:, ${MARK})*)\\)$`);

/** The numbers at the end of a title. */
export function marksOf(title: string): { plain: string; marks: string[] } {
  const found = MARKS.exec(title);
  if (found === null) return { plain: title, marks: [] };
  return { plain: found[1] ?? '', marks: (found[2] ?? '').split(', ') };
}

function textOf(node: ts.Node | undefined): string | undefined {
  if (node === undefined) return undefined;
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isTemplateExpression(node)) return node.getText().slice(1, -1);
  return undefined;
}

/** What `it.each(rows)(title, …)` and `it(title, …)` have in common: the name they start with. */
function runnerOf(node: ts.Expression): string {
  if (ts.isCallExpression(node) || ts.isPropertyAccessExpression(node)) {
    return runnerOf(node.expression);
  }
  return node.getText();
}

/** The tests of a source; of a conformance suite, its cases. */
export function holdersIn(source: Source): Holder[] {
  const found: Holder[] = [];
  const note = (titles: readonly string[]) => {
    const { plain, marks } = marksOf(titles.join(' '));
    if (marks.length > 0) found.push({ path: source.path, title: plain, marks });
  };
  const visit = (node: ts.Node, above: readonly string[]): void => {
    let titles = above;
    if (ts.isCallExpression(node)) {
      const runner = runnerOf(node.expression);
      const title = textOf(node.arguments[0]);
      if (title !== undefined && runner === 'describe') titles = [...above, title];
      if (title !== undefined && (runner === 'it' || runner === 'test')) note([...above, title]);
    } else if (ts.isPropertyAssignment(node) && node.name.getText() === 'name') {
      const title = textOf(node.initializer);
      if (title !== undefined && !isTest(source.path)) note([title]);
    } else if (ts.isArrayLiteralExpression(node) && node.elements.length === 2) {
      const title = textOf(node.elements[0]);
      if (title !== undefined && !isTest(source.path)) note([title]);
    }
    ts.forEachChild(node, (child) => visit(child, titles));
  };
  visit(source.ast, []);
  return found;
}

/** The tests of the repository that carry numbers. */
export function readHolders(): Holder[] {
  return allSources()
    .filter(({ path }) => isTest(path) || path.startsWith('testing/conformance/'))
    .flatMap(holdersIn);
}

/** Why rules do not apply: lines such as `- S45, test 3: the reason` of a document. */
export function reasonsIn(document: string): Map<string, string> {
  const line = new RegExp(`^- (${MARK}(?:, ${MARK})*): (.+(?:\\n  .+)*)$`, 'gm');
  const reasons = new Map<string, string>();
  for (const [, marks = '', reason = ''] of document.matchAll(line)) {
    for (const mark of marks.split(', ')) reasons.set(mark, reason.replace(/\n {2}/g, ' '));
  }
  return reasons;
}

/** One line of the table. */
export interface Row extends Requirement {
  readonly holders: readonly Holder[];
  readonly reason: string | undefined;
}

/** What holds each requirement. */
export function rowsOf(
  requirements: readonly Requirement[],
  holders: readonly Holder[],
  reasons: ReadonlyMap<string, string>,
): Row[] {
  return requirements
    .map((requirement) => ({
      ...requirement,
      holders: holders.filter(({ marks }) => marks.includes(requirement.mark)),
      reason: reasons.get(requirement.mark),
    }))
    .filter((row) => row.isRequired || row.holders.length > 0);
}

/** Numbers in titles and reasons that stand for nothing. */
export function strayMarks(
  requirements: readonly Requirement[],
  holders: readonly Holder[],
  reasons: ReadonlyMap<string, string>,
): string[] {
  const known = new Set(requirements.map(({ mark }) => mark));
  const unknown = (mark: string) => !mark.startsWith('#') && !known.has(mark);
  return [
    ...holders.flatMap(({ path, title, marks }) =>
      marks.filter(unknown).map((mark) => `${path}: ${title}: there is no ${mark}`),
    ),
    ...[...reasons.keys()].filter(unknown).map((mark) => `${REASONS}: there is no ${mark}`),
  ];
}

/** The rows of the repository as it is. */
export function readRows(): Row[] {
  return rowsOf(readRequirements(), readHolders(), reasonsIn(readText(REASONS)));
}

const HEAD = `# Behaviour

What must hold, and the tests that hold it. Generated by \`npm run docs:tables\` from the numbers in
the titles of the tests; a test fails when this page is out of date or a line has nothing to show.
S-numbers are rules of behaviour that we wrote down when reading hashicorp/raft v1.7.3, tests are
its own, # are threads of its issue tracker.

`;

const TITLES: readonly [string, string][] = [
  ['S', 'Rules'],
  ['test ', "hashicorp/raft's tests"],
  ['#', 'Defects of upstream, set right'],
];

function cell(text: string): string {
  return text.replace(/\|/g, '\\|').replace(/</g, '&lt;');
}

function heldBy({ holders, reason }: Row): string {
  const lines = holders.map(({ title, path }) => `${cell(title)} (\`${path}\`)`);
  if (reason !== undefined) lines.push(`does not apply: ${cell(reason)}`);
  return lines.join('<br>');
}

/** The page that shows it all. */
export function behaviourPage(rows: readonly Row[]): string {
  const tables = TITLES.map(([prefix, title]) => {
    const lines = rows
      .filter(({ mark }) => mark.startsWith(prefix))
      .map((row) => `| ${row.mark} | ${cell(row.text)} | ${heldBy(row)} |`);
    const head = '| | what must hold | held by |\n| --- | --- | --- |';
    return `## ${title}\n\n${head}\n${lines.join('\n')}\n`;
  });
  return HEAD + tables.join('\n');
}
