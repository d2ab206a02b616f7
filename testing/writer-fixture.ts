import { utf8 } from '../internal/bytes.ts';
import type { ApplyFuture } from '../raft/future.ts';
import { leadersOf } from './behaviour-fixture.ts';
import type { TestCluster } from './runtime-fixture.ts';

const EVERY_MS = 5;

/** Somebody who writes; what they were told. */
export interface Writer {
  /** Commands that were acknowledged. */
  readonly acknowledged: readonly string[];
  /** Who led in which term, as far as anybody has seen. */
  readonly leaders: ReadonlyMap<number, ReadonlySet<string>>;
  stop(): Promise<void>;
}

/** Keeps writing through whoever leads, until it is told to stop. */
export function writer({ nodes, time }: TestCluster): Writer {
  const acknowledged: string[] = [];
  const leaders = new Map<number, Set<string>>();
  let isOver = false;
  let count = 0;
  const write = (): void => {
    if (isOver) return;
    time.scheduler.schedule(EVERY_MS, write);
    for (const { id, raft } of leadersOf(nodes)) {
      const term = raft.currentTerm();
      leaders.set(term, (leaders.get(term) ?? new Set()).add(id));
    }
    const leader = leadersOf(nodes).at(-1);
    if (leader === undefined) return;
    count += 1;
    const command = `${count}`;
    const future: ApplyFuture = leader.raft.apply(utf8(command));
    void future.error().then((error) => error ?? acknowledged.push(command));
  };
  write();
  return {
    acknowledged,
    leaders,
    async stop(): Promise<void> {
      isOver = true;
      await time.pass(200);
    },
  };
}
