import { describe, expect, it } from 'vitest';
import { newNode, recordingLogger, step } from '../../testing/core-fixture.ts';
import type { NodeState } from './node.ts';

/** A node with entries 1 to 10, all applied, that keeps the last two behind a snapshot. */
function node(options: Parameters<typeof newNode>[0] = {}): NodeState {
  return newNode({ log: [1, 1, 1, 1, 1, 2, 2, 2, 2, 2], commitIndex: 10, ...options });
}

function taken(on: NodeState, index: number, term: number, durableIndex = 10) {
  return step(on, { kind: 'snapshotTaken', index, term, durableIndex });
}

describe('a local snapshot', () => {
  it('lets the log forget what it covers (S148)', () => {
    const { log, lines } = recordingLogger();
    const on = node({ logger: log });
    expect(taken(on, 6, 2).list).toEqual([{ kind: 'compactLog', upTo: 6 }]);
    expect(on).toMatchObject({ snapshotIndex: 6, snapshotTerm: 2 });
    expect(on.terms.firstIndex).toBe(7);
    expect(lines).toEqual(['info: compacting logs']);
  });

  it('leaves the last entries for slow followers (S148)', () => {
    const on = node();
    expect(taken(on, 10, 2).list).toEqual([{ kind: 'compactLog', upTo: 8 }]);
    expect(on.terms.firstIndex).toBe(9);
  });

  it('leaves what is not on the disk yet', () => {
    expect(taken(node(), 10, 2, 7).list).toEqual([{ kind: 'compactLog', upTo: 5 }]);
  });

  it('may leave nothing at all (S148)', () => {
    const on = node({ config: { trailingLogs: 0 } });
    expect(taken(on, 10, 2).list).toEqual([{ kind: 'compactLog', upTo: 10 }]);
    expect(on.terms.runs).toEqual([]);
    expect(taken(on, 10, 2).list).toEqual([]);
  });

  it('of a short log forgets nothing (S148)', () => {
    const { log, lines } = recordingLogger();
    const on = node({ logger: log, config: { trailingLogs: 100 } });
    expect(taken(on, 6, 2).list).toEqual([]);
    expect(on.snapshotIndex).toBe(6);
    expect(lines).toEqual(['info: no logs to truncate']);
  });

  it('that is done after a newer one was installed changes nothing (#248)', () => {
    const on = node({ log: [2, 2], first: 9, snapshot: { index: 8, term: 2 } });
    expect(taken(on, 6, 2).list).toEqual([]);
    expect(on).toMatchObject({ snapshotIndex: 8, snapshotTerm: 2 });
  });
});
