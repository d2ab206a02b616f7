import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { METRICS, type MetricSpec } from '../raft/metrics.ts';
import { ROOT } from './tidy/source-tree.ts';

function row([name, spec]: [string, MetricSpec]): string {
  const label = spec.label === undefined ? '' : `\`${spec.label}\``;
  const unit = spec.unit === '1' ? '0 to 1' : spec.unit.replace(/[{}]/g, '');
  return `| \`${name}\` | ${spec.kind} | ${unit} | ${label} | ${spec.description} |`;
}

it('docs/metrics.md has a line for each metric, and no other', () => {
  const lines = readFileSync(join(ROOT, 'docs/metrics.md'), 'utf8').split('\n');
  const found = lines.filter((line) => line.startsWith('| `raft.'));
  expect(found).toEqual(Object.entries<MetricSpec>(METRICS).map(row));
});

it('docs/metrics.md names every metric that has a legacy name', () => {
  const text = readFileSync(join(ROOT, 'docs/metrics.md'), 'utf8');
  const specs = Object.entries<MetricSpec>(METRICS);
  const legacy = specs.filter(([, { hasLegacyName }]) => hasLegacyName === true);
  expect(legacy.map(([name]) => text.includes(`- \`${name}.PEER\``))).toEqual(
    legacy.map(() => true),
  );
});
