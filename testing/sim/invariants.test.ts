import { describe, expect, it } from 'vitest';
import { invariants } from './invariants/index.ts';
import { Stage } from './stage.ts';
import { storiesOfDisksAndClients } from './stories-of-disks-and-clients.ts';
import { storiesOfThePaper } from './stories-of-the-paper.ts';

const stories = [...storiesOfThePaper, ...storiesOfDisksAndClients];

describe('the invariants', () => {
  it.each(stories)('%s: %s', (_title, broken, tell) => {
    const stage = new Stage();
    tell(stage);
    const found = stage.court.violation;
    expect(found?.invariant ?? null, found?.message ?? '').toBe(broken);
  });

  it('are each broken by a story, and each name their source', () => {
    const broken = new Set(stories.map(([, name]) => name));
    for (const { name, source } of invariants) {
      expect(broken).toContain(name);
      expect(source).not.toBe('');
    }
  });
});
