import { utf8 } from '../../../internal/bytes.ts';
import { type Random, randomInteger } from '../../../internal/random.ts';
import type { SimCluster } from '../cluster.ts';
import type { SimNode } from '../sim-node.ts';

/** Nobody hears of the node, and the node hears of nobody. */
function isolate(cluster: SimCluster, node: SimNode): void {
  for (const { address } of cluster.nodes) {
    cluster.world.network.cut(node.address, address);
    cluster.world.network.cut(address, node.address);
  }
}

/**
 * Three times the leader is cut off just as it gets many commands, which nobody else will ever see;
 * it comes back when the others have gone on without it.
 */
export function orphanLongSuffixes(cluster: SimCluster, random: Random): void {
  const { scheduler, network } = cluster.world;
  const cutOff = (round: number): void => {
    const leader = cluster.someLeader(random);
    if (leader === undefined) return;
    isolate(cluster, leader);
    const orphans = randomInteger(random, 5, 80);
    flood(leader, orphans, `orphan${round}`);
    scheduler.schedule(400, () => network.heal());
  };
  for (const round of [1, 2, 3]) scheduler.schedule(500 * round, () => cutOff(round));
}

/**
 * Two servers are cut off, and all others restarted, so that nothing is in memory. Then the one
 * comes back and is fed from the disk, and while it is, the other brings the newer term in which it
 * stood all the while: the leader is deposed while it reads.
 */
export function deposeWhileReading(cluster: SimCluster, random: Random): void {
  const { scheduler, network } = cluster.world;
  const act = (): void => {
    const [hungry, rival] = cluster.nodes.filter(({ isLeader }) => !isLeader);
    if (hungry === undefined || rival === undefined) return;
    isolate(cluster, hungry);
    isolate(cluster, rival);
    scheduler.schedule(400, () => {
      const others = cluster.nodes.filter((node) => node !== hungry && node !== rival);
      for (const node of others) cluster.crash(node, 'kill', 1);
    });
    scheduler.schedule(900, () => {
      network.heal();
      isolate(cluster, rival);
    });
    scheduler.schedule(900 + randomInteger(random, 20, 200), () => network.heal());
  };
  for (const round of [0, 1, 2]) scheduler.schedule(400 + 1200 * round, act);
}

/** The leader is cut off for good: nobody hears it, nor it anybody. */
export function isolateTheLeader(cluster: SimCluster, random: Random): void {
  cluster.world.scheduler.schedule(600, () => {
    const leader = cluster.someLeader(random);
    if (leader !== undefined) isolate(cluster, leader);
  });
}

/** The disk of the leader never answers again. */
export function hangTheLeader(cluster: SimCluster, random: Random): void {
  cluster.world.scheduler.schedule(500, () => {
    const leader = cluster.someLeader(random);
    if (leader !== undefined) leader.disk.nextFault = 'hang';
  });
}

/** A burst of commands to one node. */
function flood({ process, raft }: SimNode, count: number, tag: string): void {
  process?.deliver(0, () => {
    for (let i = 0; i < count; i += 1) raft?.apply(utf8(`${tag}${i}=${tag}`));
  });
}

/** Messages go within these groups only. */
function partition(cluster: SimCluster, ...groups: readonly (readonly SimNode[])[]): void {
  const { network } = cluster.world;
  for (const group of groups) {
    for (const a of group) {
      for (const b of cluster.nodes) {
        if (group.includes(b)) continue;
        network.cut(a.address, b.address);
        network.cut(b.address, a.address);
      }
    }
  }
}

/**
 * The leader and a friend are cut off, and what the friend says comes late. Meanwhile the others go
 * on, both lose what they wrote alone, and the leader is given its office back. Then the friend's
 * word comes, of entries that it no longer has.
 */
export function answerLate(cluster: SimCluster, random: Random): void {
  const { scheduler, network } = cluster.world;
  scheduler.schedule(600, () => {
    const leader = cluster.someLeader(random);
    if (leader === undefined) return;
    const [friend, ...others] = cluster.nodes.filter((node) => node !== leader);
    if (friend === undefined) return;
    partition(cluster, [leader, friend], others);
    network.reset(leader.address);
    network.stall(friend.address, leader.address, 520);
    flood(leader, 40, 'orphan');
    scheduler.schedule(320, () => network.heal());
    scheduler.schedule(400, () => {
      const present = cluster.someLeader(random);
      const { id, address } = leader;
      present?.process?.deliver(0, () => present.raft?.leadershipTransferToServer(id, address));
    });
    scheduler.schedule(480, () => {
      for (const deaf of cluster.nodes) {
        if (deaf !== leader && deaf !== others[0]) network.cut(leader.address, deaf.address);
      }
      flood(leader, 60, 'fresh');
    });
    scheduler.schedule(900, () => network.heal());
  });
}

/**
 * Three times a leader hands over and is cut off before it hears that another was elected. Until
 * its lease ends it believes that it leads.
 */
export function oustQuietly(cluster: SimCluster, random: Random): void {
  oust(cluster, random, () => {});
}

/** The same with a leader that is stopped as well, and runs again before its lease has ended. */
export function oustAsleep(cluster: SimCluster, random: Random): void {
  oust(cluster, random, ({ process }) => {
    process?.pause();
    cluster.world.scheduler.schedule(120, () => process?.resume());
  });
}

function oust(cluster: SimCluster, random: Random, then: (leader: SimNode) => void): void {
  const { scheduler, network } = cluster.world;
  for (const round of [1, 2, 3]) {
    scheduler.schedule(500 * round, () => {
      const leader = cluster.someLeader(random);
      if (leader === undefined) return;
      leader.process?.deliver(0, () => leader.raft?.leadershipTransfer());
      scheduler.schedule(randomInteger(random, 2, 8), () => {
        isolate(cluster, leader);
        then(leader);
      });
      scheduler.schedule(400, () => network.heal());
    });
  }
}

/**
 * Kills whoever has a snapshot whose name is not durable yet, and takes its power away once it runs
 * again and has built on it.
 */
export function loseNames(cluster: SimCluster, random: Random): void {
  const { scheduler } = cluster.world;
  const watch = (): void => {
    for (const node of cluster.nodes) {
      const { visible, durable } = node.disk;
      if (node.process === null || visible.snapshotIndex <= durable.lastIndex) continue;
      if (visible.snapshotIndex === durable.snapshotIndex) continue;
      cluster.crash(node, 'kill', 1);
      const leaveMs = randomInteger(random, 60, 200);
      scheduler.schedule(leaveMs, () => cluster.crash(node, 'power-loss', 20));
    }
    if (scheduler.nowMs < 1700) scheduler.schedule(0.5, watch);
  };
  scheduler.schedule(1, watch);
}
