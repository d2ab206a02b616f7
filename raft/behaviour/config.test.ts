import { describe, expect, it } from 'vitest';
import { newRaft } from '../../index.ts';
import { utf8 } from '../../internal/bytes.ts';
import { Channel } from '../../internal/channel.ts';
import { firstOf, led } from '../../testing/behaviour-fixture.ts';
import {
  HookedStore,
  ListFSM,
  TestCluster,
  type TestNode,
  turn,
  VirtualTime,
} from '../../testing/runtime-fixture.ts';
import { type Config, type ReloadableConfig, reloadableOf } from '../config.ts';
import { RaftError } from '../errors.ts';
import { newLineLogger } from '../line-logger.ts';
import { LeadershipNews } from '../runtime/leadership-news.ts';
import { silentTelemetry } from '../runtime/telemetry.ts';
import { RaftState } from '../state.ts';

const wanted: ReloadableConfig = {
  trailingLogs: 12_345,
  snapshotInterval: 234_000,
  snapshotThreshold: 6789,
  heartbeatTimeout: 45,
  electionTimeout: 46,
};

/** A cluster on `config`, and how to change it. */
async function withConfig(config: Partial<Config>, count = 3) {
  const cluster = await led(count, { config });
  const reload = ({ raft }: TestNode, changes: Partial<ReloadableConfig>): void =>
    raft.reloadConfig({ ...raft.reloadableConfig(), ...changes });
  return { ...cluster, reload };
}

describe('reloading', () => {
  it('changes the five values (S8, test 13)', async () => {
    const { nodes, raft } = await led(1, { config: { leaderLeaseTimeout: 40 } });
    raft.reloadConfig(wanted);
    expect(raft.reloadableConfig()).toEqual(wanted);
    await nodes.close();
  });

  it.each<[string, object, string]>([
    ['a snapshot interval', { snapshotInterval: 1 }, 'SnapshotInterval is too low'],
    ['a heartbeat timeout of 0', { heartbeatTimeout: 0 }, 'HeartbeatTimeout is too low'],
    ['an election timeout of 0', { electionTimeout: 0 }, 'ElectionTimeout is too low'],
    [
      'a heartbeat timeout below the lease',
      { heartbeatTimeout: 45, electionTimeout: 46 },
      'LeaderLeaseTimeout (50ms) cannot be larger than heartbeat timeout (45ms)',
    ],
    [
      'nothing for a value',
      { trailingLogs: undefined },
      'trailingLogs must be a finite number, got undefined',
    ],
    ['a text', { snapshotThreshold: '7' }, 'snapshotThreshold must be a finite number, got 7'],
  ])('with %s changes nothing (S8, test 14)', async (_what, changes, message) => {
    const { nodes, leader, raft } = await led(1);
    const before = raft.reloadableConfig();
    expect(before).toEqual(reloadableOf(leader.config));
    const mixed = { ...before, trailingLogs: 1, snapshotThreshold: 1, ...changes };
    expect(() => raft.reloadConfig(mixed)).toThrow(message);
    expect(() => raft.reloadConfig(mixed)).toThrow(RaftError);
    expect(raft.reloadableConfig()).toEqual(before);
    await nodes.close();
  });

  it.each([null, undefined, 'config', 7])('with %s is refused (S8)', async (value) => {
    const { nodes, raft } = await led(1);
    const call = () => Reflect.apply(raft.reloadConfig, raft, [value]);
    expect(call).toThrow(
      `config must be an object as reloadableConfig() makes it, got ${String(value)}`,
    );
    await nodes.close();
  });

  it('neither reads nor writes the config that the caller holds (S8)', async () => {
    const { nodes, leader, raft } = await led(1);
    const before = { ...leader.config };
    const mine = { ...raft.reloadableConfig(), trailingLogs: 5 };
    raft.reloadConfig(mine);
    mine.trailingLogs = 6;
    raft.reloadableConfig().trailingLogs = 7;
    expect(raft.reloadableConfig().trailingLogs).toBe(5);
    expect(leader.config).toEqual(before);
    await nodes.close();
  });

  it('a shorter heartbeat timeout makes a lonely follower stand soon (S9, test 20)', async () => {
    const timeouts = { heartbeatTimeout: 5000, electionTimeout: 5000 };
    const { nodes, time, others, reload } = await withConfig(timeouts);
    const [follower] = firstOf(others, 1);
    await time.pass(1000);
    nodes.isolate(follower);
    const before = time.scheduler.nowMs;
    reload(follower, { heartbeatTimeout: 50, electionTimeout: 50 });
    await time.until(() => follower.raft.state() === RaftState.Candidate, 'it stands', 150);
    expect(time.scheduler.nowMs - before).toBeLessThanOrEqual(150);
    await nodes.close();
  });

  it('one on all nodes keeps the leader in office (S9)', async () => {
    const timeouts = { heartbeatTimeout: 5000, electionTimeout: 5000 };
    const { nodes, time, leader, raft, reload } = await withConfig(timeouts);
    await time.pass(1000);
    const term = raft.currentTerm();
    for (const node of nodes.nodes) reload(node, { heartbeatTimeout: 50, electionTimeout: 50 });
    await time.pass(2000);
    expect([leader.isLeader, raft.currentTerm()]).toEqual([true, term]);
    await nodes.close();
  });

  it('a longer one spares the leader an election when it is slow (S9)', async () => {
    const { nodes, time, others, reload } = await withConfig({});
    const [follower] = firstOf(others, 1);
    reload(follower, { heartbeatTimeout: 5000, electionTimeout: 5000 });
    await time.pass(200);
    nodes.isolate(follower);
    await time.pass(4000);
    expect(follower.raft.state()).toBe(RaftState.Follower);
    await time.until(() => follower.raft.state() === RaftState.Candidate, 'it stands', 16_000);
    await nodes.close();
  });

  it('reaches the snapshots: interval, threshold and trailing entries (S8)', async () => {
    const config = { snapshotInterval: 100, snapshotThreshold: 1000, trailingLogs: 0 };
    const { nodes, time, leader, raft, reload } = await withConfig(config, 1);
    const snapshotted = () => {
      const { last_snapshot_index: index } = raft.stats();
      return index;
    };
    for (let i = 0; i < 100; i += 1) raft.apply(utf8('x'));
    await nodes.agree(100);
    await time.pass(500);
    expect(snapshotted()).toBe('0');
    reload(leader, { snapshotInterval: 10_000, snapshotThreshold: 50, trailingLogs: 20 });
    await time.pass(300);
    expect(snapshotted()).toBe('102');
    expect(await leader.store.firstIndex()).toBe(102 - 20 + 1);
    const before = await leader.snaps.list();
    for (let i = 0; i < 100; i += 1) raft.apply(utf8('x'));
    await time.pass(9000);
    expect(await leader.snaps.list()).toEqual(before);
    await time.until(() => snapshotted() === '202', 'the next one', 11_000);
    await nodes.close();
  });

  it('a node that has stopped is remembered, and harms nobody', async () => {
    const { nodes, raft, leader, reload } = await withConfig({}, 1);
    await nodes.time.result(raft.shutdown());
    reload(leader, { trailingLogs: 5 });
    expect(raft.reloadableConfig().trailingLogs).toBe(5);
    expect(raft.state()).toBe(RaftState.Shutdown);
    await nodes.close();
  });
});

describe('whoever wants to know who leads', () => {
  it('is told by notifyCh, once for every change (S158, test 15)', async () => {
    const notifyCh = new Channel<boolean>(1);
    const { nodes, time, raft } = await led(1, { config: { notifyCh } });
    expect(notifyCh.tryReceive()).toEqual({ value: true });
    expect(await time.error(raft.shutdown())).toBeNull();
    expect(notifyCh.tryReceive()).toEqual({ value: false });
    await nodes.close();
  });

  it('that reads notifyCh never again is forgotten word by word, the oldest first', async () => {
    const notifyCh = new Channel<boolean>(0);
    const { clock } = new VirtualTime();
    const telemetry = silentTelemetry();
    const news = new LeadershipNews({ notifyCh, logs: new HookedStore(), clock, telemetry });
    for (let i = 0; i < 2000; i += 1) {
      news.changed(true);
      news.changed(false);
    }
    news.close();
    const words: boolean[] = [];
    for (;;) {
      await turn();
      const word = notifyCh.tryReceive();
      if (word === undefined) break;
      words.push(word.value === true);
    }
    expect(words.length).toBeGreaterThan(1000);
    expect(words.length).toBeLessThanOrEqual(1025);
    expect(words).toEqual(words.map((_, i) => i % 2 === 0));
    expect(words.at(-1)).toBe(false);
  });

  it('is told by notifyCh in order, however late, and holds nobody up (S158)', async () => {
    const notifyCh = new Channel<boolean>(0);
    const { nodes, time, leader, raft } = await led(1, { config: { notifyCh } });
    expect(leader.isLeader).toBe(true);
    expect(await time.error(raft.apply(utf8('x')))).toBeNull();
    expect(await time.error(raft.shutdown())).toBeNull();
    expect((await notifyCh.receive()).value).toBe(true);
    expect((await notifyCh.receive()).value).toBe(false);
    await nodes.close();
  });

  it('reads the newest word from leaderCh, and nothing before the first (S158)', async () => {
    const { nodes, time, leader, raft, others } = await led(2);
    const [other] = firstOf(others, 1);
    expect(other.raft.leaderCh().tryReceive()).toBeUndefined();
    nodes.isolate(leader);
    await time.until(() => !leader.isLeader, 'it has stepped down');
    expect(raft.leaderCh().tryReceive()).toEqual({ value: false });
    expect(raft.leaderCh().tryReceive()).toBeUndefined();
    await nodes.close();
  });
});

it('a loop over leaderCh sees leadership come and go, and ends with its node', async () => {
  const { nodes, time, raft } = await led(1, { fsm: new ListFSM() });
  const seen: boolean[] = [];
  const loop = (async () => {
    for await (const isLeader of raft.leaderCh()) seen.push(isLeader);
  })();
  await time.pass(10);
  expect(await time.error(raft.shutdown())).toBeNull();
  await time.result(loop);
  expect(seen).toEqual([true, false]);
  await nodes.close();
});

describe('the default loggers', () => {
  const written = () => {
    const lines: string[] = [];
    return {
      lines,
      output: { write: (line: string) => void lines.push(line.slice(line.indexOf('['))) },
    };
  };

  it.each([
    ['DEBUG', ['[INFO]  raft: initial configuration: index=0 servers=[]\n']],
    ['WARN', []],
  ] as const)(
    'of a node writes as "raft" from %s on, in hclog’s form (S10)',
    async (level, first) => {
      const { lines, output } = written();
      const { config: test, fsm, store, snaps, transport } = new TestCluster().add();
      const { logger: _, ...config } = { ...test, logLevel: level, logOutput: output };
      const before = { ...config };
      const raft = await newRaft(config, fsm, store, store, snaps, transport);
      expect(lines.slice(0, 1)).toEqual(first);
      expect(config).toEqual(before);
      await raft.shutdown();
    },
  );

  it.each(['raft-net', 'snapshot'])('of %s writes from INFO on (S10)', (name) => {
    const { lines, output } = written();
    const log = newLineLogger(name, output);
    log.trace({}, 'no');
    log.debug({}, 'no');
    log.info({ id: 7 }, 'yes');
    log.warn({}, 'yes');
    log.error({}, 'yes');
    expect(lines).toEqual([
      `[INFO]  ${name}: yes: id=7\n`,
      `[WARN]  ${name}: yes\n`,
      `[ERROR] ${name}: yes\n`,
    ]);
  });
});
