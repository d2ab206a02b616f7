import { describe, expect, it } from 'vitest';
import { utf8, utf8ToString } from '../../internal/bytes.ts';
import type { FSM, FSMSnapshot } from '../../raft/fsm.ts';
import type { Log } from '../../raft/log.ts';
import { newSimulatedCluster } from './simulated-cluster.ts';

/** Counts words: what a user might write. */
class WordCount implements FSM {
  readonly counts = new Map<string, number>();

  apply(log: Log): number {
    const word = utf8ToString(log.data);
    const count = (this.counts.get(word) ?? 0) + 1;
    this.counts.set(word, count);
    return count;
  }

  snapshot(): FSMSnapshot {
    const text = JSON.stringify([...this.counts].sort());
    return { persist: async (sink) => void (await sink.write(utf8(text))), release() {} };
  }

  async restore(reader: AsyncIterable<Uint8Array>): Promise<void> {
    let text = '';
    for await (const chunk of reader) text += utf8ToString(chunk);
    this.counts.clear();
    for (const [word, count] of JSON.parse(text)) this.counts.set(word, count);
  }
}

describe('a simulated cluster with a state machine of a user', () => {
  it('applies, survives faults and agrees, the same way every time', async () => {
    const runs = [];
    for (let run = 0; run < 2; run += 1) {
      const cluster = newSimulatedCluster({
        seed: 7,
        fsm: () => new WordCount(),
        faults: ['kill', 'power-loss', 'isolate', 'loss', 'pause'],
      });
      for (let i = 0; i < 40; i += 1) await cluster.apply(utf8(`w${i % 3}`)).catch(() => {});
      await cluster.settle();
      const states = cluster.ids.map((id) => Object.fromEntries(cluster.fsm(id)?.counts ?? []));
      expect(Object.keys(states[0] ?? {})).toHaveLength(3);
      expect(states[0]).toEqual(states[2]);
      runs.push([cluster.nowMs, states, cluster.trace]);
      await cluster.close();
    }
    expect(runs[0]).toEqual(runs[1]);
  });

  it('loses a leader by kill and by partition, and goes on', async () => {
    await using cluster = newSimulatedCluster({ seed: 1, fsm: () => new WordCount() });
    expect(await cluster.apply(utf8('a'))).toBe(1);
    const first = await cluster.leader();
    cluster.crash(first, 'power-loss', 5_000);
    expect(cluster.raft(first)).toBeNull();
    expect(await cluster.apply(utf8('a'))).toBe(2);
    await cluster.until(() => cluster.fsm(first)?.counts.get('a') === 2);
    cluster.isolate(await cluster.leader());
    await cluster.run(5_000);
    cluster.heal();
    expect(await cluster.apply(utf8('a'))).toBe(3);
    await cluster.settle();
  });

  it('compares state machines that have finished what they were given', async () => {
    for (let seed = 1; seed <= 25; seed += 1) {
      await using cluster = newSimulatedCluster({
        seed,
        fsm: () => new WordCount(),
        faults: ['kill', 'power-loss', 'isolate', 'pause'],
      });
      for (let i = 0; i < 20; i += 1) await cluster.apply(utf8('a')).catch(() => {});
      await cluster.settle();
    }
  });

  it('says when state machines do not come to the same state', async () => {
    let made = 0;
    const odd = () => {
      made += 1;
      const fsm = new WordCount();
      if (made === 2) fsm.counts.set('mine alone', 1);
      return fsm;
    };
    await using cluster = newSimulatedCluster({ seed: 1, fsm: odd });
    await cluster.apply(utf8('a'));
    await expect(cluster.settle()).rejects.toThrow('in different states');
  });

  it('says when something does not happen in time, or what it does not know', async () => {
    await using cluster = newSimulatedCluster({ seed: 1, nodes: 1, fsm: () => new WordCount() });
    await expect(cluster.until(() => false, 100)).rejects.toMatchObject({ code: 'ERR_SIMULATION' });
    expect(() => cluster.crash('n9')).toThrow('expected one of n1, got n9');
  });
});
