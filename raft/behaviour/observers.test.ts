import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { newObserver } from '../../observer/observer.ts';
import { TestCluster, type TestNodeOptions } from '../../testing/runtime-fixture.ts';
import type { Observation } from '../observation.ts';

/** A cluster of `count` voters, its leader and the others. */
async function cluster(count: number, options: TestNodeOptions = {}, seed = 1) {
  const nodes = await new TestCluster(seed).start(count, () => options);
  const leader = await nodes.leader();
  const others = nodes.nodes.filter((node) => node !== leader);
  return { nodes, time: nodes.time, leader, raft: leader.raft, others };
}

describe('observers', () => {
  it('observers hear of states, leaders and peers until they leave', async () => {
    const { nodes, time, leader, others } = await cluster(2);
    const heard: string[] = [];
    const observer = newObserver(null, false, ({ data, raft }: Observation) => {
      expect(raft).toBe(leader.raft);
      heard.push(data.kind === 'RaftState' ? `state ${data.state}` : data.kind);
      return true;
    });
    leader.raft.registerObserver(observer);
    nodes.isolate(leader);
    await time.until(() => heard.includes('state 0'), 'it has stepped down');
    expect(heard).toContain('FailedHeartbeatObservation');
    leader.raft.deregisterObserver(observer);
    const { length } = heard;
    nodes.connect();
    await nodes.leader();
    expect(heard).toHaveLength(length);
    expect(others).toHaveLength(1);
    await nodes.close();
  });

  it('an observer that throws or rejects harms nobody', async () => {
    const { nodes, time, raft } = await cluster(3);
    raft.registerObserver({
      observe: () => {
        throw new Error('mine');
      },
    });
    raft.registerObserver({ observe: () => Promise.reject(new Error('mine too')) });
    expect(await time.error(raft.removeServer('nobody'))).toBeNull();
    expect(await time.error(raft.apply(utf8('x')))).toBeNull();
    await nodes.close();
    expect(raft.fatal).toBeNull();
  });
});
