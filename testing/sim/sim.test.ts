import { describe, expect, it } from 'vitest';
import { RaftState } from '../../raft/state.ts';
import type { SimCluster } from './cluster.ts';
import { Coverage } from './coverage.ts';
import { shrink, testLine } from './shrink.ts';
import type { SimNode } from './sim-node.ts';
import { describeFailure, runCleanly, runSimulation } from './simulator.ts';

const SEEDS = 1000;
const SEEDS_PER_TEST = 100;
/** Less than what a hunt gives a seed: many short runs find more than a few long ones. */
const CHAOS_MS = 600;
/** Three nodes of which nobody wants anything odd. */
const STEADY = { nodes: 3, memberChanges: false, proposalsPerSecond: 100, workEveryMs: 9_000 };

describe('a simulated cluster under every fault', () => {
  for (let first = 1; first <= SEEDS; first += SEEDS_PER_TEST) {
    const last = first + SEEDS_PER_TEST - 1;
    it(`keeps every rule with seeds ${first} to ${last}`, async () => {
      let acknowledged = 0;
      for (let seed = first; seed <= last; seed += 1) {
        const options = { seed, durationMs: CHAOS_MS };
        const result = await runSimulation({ ...options, traceLines: 0 });
        if (result.violation !== null)
          throw new Error(describeFailure(await runSimulation(options)));
        acknowledged += result.acknowledged;
      }
      // A cluster that does nothing breaks no rule either.
      expect(acknowledged).toBeGreaterThan(SEEDS_PER_TEST * 5);
    });
  }
});

describe('a seed', () => {
  it('gives the same run, byte for byte, every time', async () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const [first, second] = [await runSimulation({ seed }), await runSimulation({ seed })];
      expect(second).toEqual(first);
    }
  });

  it('goes the same way when nobody writes it down', async () => {
    const { trace, traceHash, ...written } = await runSimulation({ seed: 6 });
    expect(trace.length).toBeGreaterThan(0);
    expect(await runSimulation({ seed: 6, traceLines: 0 })).toMatchObject(written);
    expect(traceHash).not.toBe((await runSimulation({ seed: 6, traceLines: 0 })).traceHash);
  });

  it('gives another run than the next seed', async () => {
    const hashes = new Set<string>();
    for (const seed of [1, 2, 3, 4, 5]) hashes.add((await runSimulation({ seed })).traceHash);
    expect(hashes.size).toBe(5);
  });
});

describe('clients that follow the leader', () => {
  it('bring what they owe after an outage', async () => {
    const result = await runSimulation({
      seed: 2,
      nodes: 5,
      durationMs: 4000,
      faults: [],
      profile: { proposalsPerSecond: 100, workEveryMs: 4000, memberChanges: false },
      traceLines: 0,
      script: (cluster) => {
        cluster.world.scheduler.schedule(1000, () => {
          for (const node of cluster.nodes) cluster.crash(node, 'kill', 500);
        });
      },
    });
    expect(result.violation).toBeNull();
    expect(result.loadedMs).toBe(4000);
    expect(result.proposed).toBeGreaterThan(380);
    expect(result.proposed).toBeLessThan(420);
    expect(result.acknowledged).toBeGreaterThan(200);
  });
});

describe('a disk that hangs', () => {
  it('ends its node after the limit, and the others go on', async () => {
    const result = await runSimulation({
      seed: 1,
      durationMs: 13_000,
      faults: [],
      profile: { nodes: 3, memberChanges: false, workEveryMs: 60 },
      traceLines: 100_000,
      script: (cluster, random) => {
        cluster.world.scheduler.schedule(500, () => {
          const leader = cluster.someLeader(random);
          if (leader !== undefined) leader.disk.nextFault = 'hang';
        });
      },
    });
    expect(result.violation).toBeNull();
    const happened = (what: string): number => result.trace.findIndex((l) => l.includes(what));
    expect(happened('has not been answered for')).toBeGreaterThan(0);
    expect(result.newestTerm).toBeGreaterThan(2);
  });
});

describe('a stop that is longer than a lease', () => {
  /** The terms of the leaders before three stops and long after each of them. */
  async function termsOf(seed: number, isStopped: (node: SimNode) => boolean) {
    const terms: number[] = [];
    const result = await runSimulation({
      seed,
      durationMs: 3_000,
      faults: [],
      profile: { ...STEADY, heartbeatTimeoutMs: 250, leaseTimeoutMs: 125 },
      traceLines: 0,
      script: ({ nodes, world: { scheduler } }) => {
        const look = (): void => {
          const leader = nodes.find(({ raft }) => raft?.state() === RaftState.Leader);
          terms.push(leader?.raft?.currentTerm() ?? 0);
        };
        const stop = (): void => {
          look();
          const processes = nodes.filter(isStopped).map(({ process }) => process);
          for (const process of processes) process?.pause();
          scheduler.schedule(150, () => {
            for (const process of processes) process?.resume();
          });
          scheduler.schedule(500, look);
        };
        for (const atMs of [1000, 1600, 2200]) scheduler.schedule(atMs, stop);
      },
    });
    expect(result.violation).toBeNull();
    expect(terms).toHaveLength(6);
    return new Set(terms);
  }

  it.each([
    ['the leader', ({ raft }: SimNode) => raft?.state() === RaftState.Leader],
    ['everybody', () => true],
  ] as const)('of %s ends no leadership that no follower has given up', async (_, isStopped) => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const terms = await termsOf(seed, isStopped);
      expect(terms.size).toBe(1);
      expect(terms).not.toContain(0);
    }
  });
});

describe('a seed that found a bug', () => {
  it('keeps a leader up that restores for a user while its disk is slow', () =>
    runCleanly({
      seed: 102,
      faults: ['slow-link', 'stalled-link', 'slow-disk', 'isolate', 'reordering'],
    }));

  it('never sends a snapshot that the disk has damaged since it was opened', () =>
    runCleanly({ seed: 1876478709, strikes: [2, 3, 4, 6, 10, 11, 12, 16, 17, 19] }));

  it('believes no commit index that stems from a restore which had to give way', () =>
    runCleanly({
      seed: 151413657,
      strikes: [1, 2, 3, 9, 10, 11, 12, 13, 14, 28, 29, 32, 36, 37, 38, 39, 40],
    }));

  it('takes no snapshot for kept that was withdrawn', () => runCleanly({ seed: 414692991 }));

  it('turns no bit that nobody is told of', () =>
    runCleanly({ seed: 2100312902, strikes: [6, 7, 9, 10, 12, 13, 17, 18] }));

  it('counts no snapshot as kept whose name a sync further up has left out', () =>
    runCleanly({ seed: 2028040703, strikes: [3, 5] }));

  it('says at once that it leads no more, however slow its disk is', () =>
    runCleanly({
      seed: 1765937980,
      nodes: 5,
      durationMs: 20_000,
      strikes: [4, 8],
      profile: { proposalsPerSecond: 130, workEveryMs: 200 },
    }));

  it('elects a leader although servers that were removed keep standing', () =>
    runCleanly({ seed: 1172104940, strikes: [1, 2, 3, 6, 10, 11, 12] }));
});

describe('a failure', () => {
  it('is brought down to the faults that it needs, and to a line for a test', async () => {
    const options = {
      seed: 5,
      faults: ['kill', 'pause'],
      script: ({ world }: SimCluster) => {
        world.scheduler.schedule(1000, () => world.court.violated('a rule', 'is broken'));
      },
    } as const;
    const shrunk = await shrink(options);
    expect(shrunk?.options.strikes).toEqual([]);
    expect(shrunk?.result.violation?.invariant).toBe('a rule');
    expect(await shrink({ seed: 5, faults: [], durationMs: 100 })).toBeNull();
    expect(testLine({ seed: 5, strikes: [2, 7] }, 'a rule')).toBe(
      "it('keeps a rule with seed 5', () => runCleanly({seed: 5, strikes: [2, 7]}));",
    );
    const loaded = { seed: 5, durationMs: 9000, strikes: [2], profile: { workEveryMs: 20 } };
    expect(testLine(loaded, 'a rule')).toContain(
      '({seed: 5, durationMs: 9000, strikes: [2], profile: {workEveryMs: 20}})',
    );
  });
});

describe('what a hunt has reached', () => {
  it('names the faults and changes of role that it has not', async () => {
    const coverage = new Coverage();
    coverage.add(await runSimulation({ seed: 1, nodes: 3, faults: ['kill'] }));
    expect(coverage.faults).toBeGreaterThan(0);
    expect(coverage.gaps).toContain('hang');
    expect(coverage.gaps).not.toContain('kill');
    expect(coverage.gaps).not.toContain('Candidate to Leader');
  });
});
