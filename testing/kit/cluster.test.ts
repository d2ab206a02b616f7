import { existsSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { utf8, utf8ToString } from '../../internal/bytes.ts';
import { seededRandom } from '../../internal/random.ts';
import type { Config } from '../../raft/config.ts';
import type { FSM } from '../../raft/fsm.ts';
import type { Log } from '../../raft/log.ts';
import { RaftState } from '../../raft/state.ts';
import { logOf } from '../runtime-fixture.ts';
import type { Cluster } from './cluster.ts';
import {
  inmemConfig,
  makeCluster,
  makeClusterCustom,
  makeClusterNoBootstrap,
} from './make-cluster.ts';
import { getMockFSM, MockFSM, MockFSMConfigStore } from './mock-fsm.ts';
import { newVirtualClock } from './virtual-clock.ts';

function virtual(seed = 1): Config {
  return { ...inmemConfig(), clock: newVirtualClock(), random: seededRandom(seed) };
}

function commandsOf(cluster: Cluster, at: number): string[] {
  const fsm = cluster.fsms[at];
  return fsm === undefined ? [] : (getMockFSM(fsm)?.logs() ?? []).map(utf8ToString);
}

describe('a cluster', () => {
  it('elects a leader and replicates, on real time, and leaves no directory behind', async () => {
    const cluster = await makeCluster(3);
    expect(cluster.dirs).toHaveLength(3);
    expect(cluster.dirs.every(existsSync)).toBe(true);
    const leader = await cluster.leader();
    expect(await leader.apply(utf8('x'), 1000)).toBe(1);
    await cluster.waitForReplication(1);
    await cluster.ensureSame();
    await cluster.ensureSamePeers();
    await cluster.ensureLeader(leader.leader());
    await leader.snapshot();
    expect(await cluster.snaps[cluster.indexOf(leader)]?.list()).toHaveLength(1);
    await cluster.close();
    expect(cluster.dirs.some(existsSync)).toBe(false);
    expect(cluster.rafts.map((raft) => raft.state())).toEqual([3, 3, 3]);
    await cluster.close();
  });

  it('takes the same course each time on virtual time', async () => {
    const courses: unknown[] = [];
    for (const seed of [7, 7, 8]) {
      const conf = virtual(seed);
      await using cluster = await makeCluster(5, conf);
      const first = await cluster.leader();
      cluster.disconnect(first.leader());
      const second = await cluster.leader();
      const ids = [first, second].map((raft) => raft.toString());
      courses.push([ids, second.currentTerm(), conf.clock?.monotonicMs()]);
    }
    expect(courses[1]).toEqual(courses[0]);
    expect(courses[2]).not.toEqual(courses[0]);
  });

  it('keeps snapshots in memory on virtual time, where restarted nodes find them', async () => {
    await using cluster = await makeCluster(3, { ...virtual(), trailingLogs: 1 });
    const leader = await cluster.leader();
    const [follower] = await cluster.followers();
    if (follower === undefined) throw new Error('a follower is missing');
    const at = cluster.indexOf(follower);
    for (let i = 0; i < 20; i += 1) await leader.apply(utf8(String(i)), 1000);
    await cluster.waitForReplication(20);
    await follower.snapshot();
    expect(cluster.dirs).toEqual([]);
    expect(cluster.stores[at]?.firstIndex()).toBeGreaterThan(15);
    const restarted = await cluster.restart(follower);
    expect(restarted).not.toBe(follower);
    expect(cluster.indexOf(restarted)).toBe(at);
    await leader.apply(utf8('after'), 1000);
    await cluster.ensureSame();
    expect(commandsOf(cluster, at)).toHaveLength(21);
  });

  it('can be partitioned and connected again', async () => {
    await using cluster = await makeCluster(5, virtual(3));
    const leader = await cluster.leader();
    const [friend] = await cluster.followers();
    const addresses = cluster.trans.map((trans) => trans.localAddr());
    const far = [leader, friend].map((raft) => {
      return addresses[raft === undefined ? -1 : cluster.indexOf(raft)] ?? '';
    });
    cluster.partition(far);
    const next = await cluster.leader();
    expect([leader, friend]).not.toContain(next);
    await next.apply(utf8('majority'), 1000);
    expect(commandsOf(cluster, cluster.indexOf(leader))).toEqual([]);
    cluster.fullyConnect();
    await cluster.ensureSame();
    expect(commandsOf(cluster, cluster.indexOf(leader))).toEqual(['majority']);
  });

  it('starts without a configuration when it is not bootstrapped, and can be merged', async () => {
    const conf = virtual();
    await using cluster = await makeCluster(1, conf);
    await using strangers = await makeClusterNoBootstrap(2, conf);
    const leader = await cluster.leader();
    const [first, second] = strangers.rafts;
    expect(first?.lastIndex()).toBe(0);
    expect(second?.state()).toBe(RaftState.Follower);
    cluster.merge(strangers);
    cluster.fullyConnect();
    for (const trans of strangers.trans) {
      const address = trans.localAddr();
      await leader.addVoter(`server-${address}`, address, 0, 0);
    }
    expect(await cluster.followers()).toHaveLength(2);
    await cluster.ensureSamePeers();
    expect(cluster.rafts.map((raft) => cluster.getConfiguration(raft).servers.length)).toEqual([
      3, 3, 3,
    ]);
    const gone = strangers.trans[1]?.localAddr() ?? '';
    await leader.removeServer(`server-${gone}`, 0, 0);
    cluster.removeServer(`server-${gone}`);
    expect(cluster.rafts).not.toContain(second);
    await cluster.ensureSamePeers();
    await cluster.close();
    expect(second?.state()).toBe(RaftState.Shutdown);
  });

  it('names servers by their address before protocol version 3', async () => {
    await using cluster = await makeCluster(1, { ...virtual(), protocolVersion: 2 });
    const [raft] = cluster.rafts;
    if (raft === undefined) throw new Error('a node is missing');
    const [server] = cluster.getConfiguration(raft).servers;
    expect(server?.id).toBe(server?.address);
  });

  it('refuses a bad config and leaves nothing running', async () => {
    const bad = { ...virtual(), heartbeatTimeout: 1 };
    await expect(makeCluster(1, bad)).rejects.toMatchObject({ code: 'ERR_INVALID_CONFIG' });
  });

  it('writes the log of its nodes where the config says', async () => {
    const lines: string[] = [];
    const logOutput = { write: (line: string) => lines.push(line) };
    await using cluster = await makeCluster(1, { ...virtual(), logOutput });
    await cluster.leader();
    expect(lines.join('')).toMatch(/server-.*election won/);
  });
});

describe('the options of makeClusterCustom', () => {
  it('give every node a state machine that is told configurations', async () => {
    const opts = { peers: 3, bootstrap: true, configStoreFSM: true, conf: virtual() };
    await using cluster = await makeClusterCustom(opts);
    const leader = await cluster.leader();
    await leader.apply(utf8('x'), 1000);
    await cluster.ensureSame();
    for (const fsm of cluster.fsms) {
      expect(fsm).toBeInstanceOf(MockFSMConfigStore);
      expect(getMockFSM(fsm)?.configurations.map(({ servers }) => servers.length)).toEqual([3]);
    }
  });

  it('take any state machine, and find the mock inside of one that wraps', async () => {
    const makeFSMFunc = () => {
      const inner = new MockFSM();
      return {
        apply: (log: Log) => inner.apply(log),
        snapshot: () => inner.snapshot(),
        restore: (reader: AsyncIterable<Uint8Array>) => inner.restore(reader),
        underlying: () => inner,
      };
    };
    await using cluster = await makeClusterCustom({
      peers: 1,
      bootstrap: true,
      conf: virtual(),
      makeFSMFunc,
    });
    const leader = await cluster.leader();
    await leader.apply(utf8('x'), 1000);
    await cluster.waitForReplication(1);
    expect(commandsOf(cluster, 0)).toEqual(['x']);
  });

  it('make log stores that cannot hold gaps', async () => {
    await using cluster = await makeClusterCustom({
      peers: 1,
      bootstrap: true,
      conf: virtual(),
      monotonicLogs: true,
    });
    const leader = await cluster.leader();
    await leader.apply(utf8('x'), 1000);
    expect(cluster.stores[0]?.lastIndex()).toBe(leader.lastIndex());
  });
});

describe('what a cluster waits for in vain', () => {
  async function failing(peers = 3): Promise<Cluster> {
    const opts = { peers, bootstrap: true, conf: virtual(), longstopTimeout: 300 };
    return makeClusterCustom(opts);
  }

  it('is a leader: says how many there are and what each node does', async () => {
    await using cluster = await failing();
    for (const trans of cluster.trans) trans.disconnectAll();
    const wait = cluster.leader();
    await expect(wait).rejects.toMatchObject({ code: 'ERR_TEST_CLUSTER' });
    await expect(wait).rejects.toThrow(
      /^expected one leader, got 0(\n {2}Node at \S+ \[\w+\]: term 1, leader \[none\], .*){3}$/,
    );
  });

  it('is a number of followers', async () => {
    await using cluster = await failing();
    await cluster.leader();
    await expect(cluster.waitForFollowers(3)).rejects.toThrow('3 followers, got 2');
  });

  it('is replication', async () => {
    await using cluster = await failing();
    await cluster.leader();
    await expect(cluster.waitForReplication(1)).rejects.toThrow(
      'expected 1 commands in every FSM, got 0, 0, 0',
    );
  });

  it('is the same everywhere: length, content, configuration', async () => {
    await using cluster = await failing(2);
    const [a, b] = cluster.fsms.map(getMockFSM);
    const log = { ...logOf(1, 1), data: utf8('a') };
    a?.apply(log);
    await expect(cluster.ensureSame()).rejects.toThrow('FSM log length mismatch: 1 0');
    b?.apply({ ...log, data: utf8('b') });
    await expect(cluster.ensureSame()).rejects.toThrow('FSM log mismatch at index 0');
    b?.logs()[0]?.set(utf8('a'));
    const [first] = cluster.rafts;
    if (first === undefined) throw new Error('a node is missing');
    a?.configurations.push(cluster.getConfiguration(first));
    await expect(cluster.ensureSame()).rejects.toThrow('FSM configuration length mismatch: 1 0');
  });

  it('is a leader that nobody follows, or the same peers', async () => {
    await using cluster = await failing();
    await cluster.leader();
    await expect(cluster.ensureLeader('nobody')).rejects.toThrow(
      /sees the leader \S+, expected nobody/,
    );
    await using stranger = await makeClusterNoBootstrap(1, cluster.conf);
    cluster.merge(stranger);
    await expect(cluster.ensureSamePeers()).rejects.toThrow('peer mismatch: [{');
  });

  it('is an event', async () => {
    await using cluster = await failing();
    await cluster.leader();
    expect(await cluster.waitEvent(() => false, 100)).toBe(false);
  });

  it('is a mock in another state machine', async () => {
    const silent: FSM = {
      apply: () => undefined,
      snapshot: () => ({ persist: () => {}, release: () => {} }),
      restore: () => {},
    };
    const opts = { peers: 1, bootstrap: true, conf: virtual(), makeFSMFunc: () => silent };
    await using cluster = await makeClusterCustom(opts);
    await expect(cluster.ensureSame()).rejects.toThrow('expected a MockFSM');
  });

  it('is a node that does not end', async () => {
    let release = (): void => {};
    const stuck = new Promise<void>((resolve) => {
      release = resolve;
    });
    const makeFSMFunc = (): FSM => {
      const fsm = new MockFSM();
      return {
        apply: (log) => stuck.then(() => fsm.apply(log)),
        snapshot: () => fsm.snapshot(),
        restore: (reader) => fsm.restore(reader),
      };
    };
    const opts = { peers: 1, bootstrap: true, conf: virtual(), longstopTimeout: 300 };
    const cluster = await makeClusterCustom({ ...opts, makeFSMFunc });
    const leader = await cluster.leader();
    leader.apply(utf8('x'), 1000);
    await cluster.waitEvent(null, 50);
    await expect(cluster.close()).rejects.toThrow('timed out waiting for shutdown');
    release();
    await cluster.close();
  });
});
