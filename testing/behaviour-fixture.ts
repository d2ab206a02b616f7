import type { Config } from '../raft/config.ts';
import type { Raft } from '../raft/raft.ts';
import { RaftState } from '../raft/state.ts';
import { type InmemTransport, newInmemTransportWithTimeout } from '../transport/inmem-transport.ts';
import {
  TestCluster,
  type TestNode,
  type TestNodeOptions,
  type VirtualTime,
} from './runtime-fixture.ts';

/** A cluster whose nodes are voters and which has a leader. */
export interface Led {
  readonly nodes: TestCluster;
  readonly time: VirtualTime;
  readonly leader: TestNode;
  readonly raft: Raft;
  readonly others: readonly TestNode[];
}

/** Starts a cluster of `count` voters and waits for its leader. */
export async function led(
  count: number,
  options: TestNodeOptions | ((id: number) => TestNodeOptions) = {},
  seed = 1,
): Promise<Led> {
  const optionsOf = typeof options === 'function' ? options : () => options;
  const nodes = await new TestCluster(seed).start(count, optionsOf);
  const leader = await nodes.leader();
  const others = nodes.nodes.filter((node) => node !== leader);
  return { nodes, time: nodes.time, leader, raft: leader.raft, others };
}

/** The timeouts of the Go tests that ask for longer ones. */
export const slower: Partial<Config> = {
  heartbeatTimeout: 100,
  electionTimeout: 100,
  leaderLeaseTimeout: 100,
};

/** The first `count` of a list; throws when there are fewer. */
export function firstOf<T>(list: readonly T[], count: 1): [T];
export function firstOf<T>(list: readonly T[], count: 2): [T, T];
export function firstOf<T>(list: readonly T[], count: number): T[] {
  if (list.length < count) throw new Error(`expected ${count}, got ${list.length}`);
  return list.slice(0, count);
}

/** Those of `nodes` that lead. */
export function leadersOf(nodes: readonly TestNode[]): TestNode[] {
  return nodes.filter(({ isLeader }) => isLeader);
}

/** True while a node stands for election. */
export function isCandidate(node: TestNode): boolean {
  return node.raft.state() === RaftState.Candidate;
}

/** A transport that belongs to no node, with ways to all `nodes`: it speaks in anybody's name. */
export function stranger({ time, nodes }: TestCluster): InmemTransport {
  const clock = nodes[0]?.clock ?? time.clock;
  const [, transport] = newInmemTransportWithTimeout('stranger:1', 500, { clock });
  for (const node of nodes) transport.connect(node.address, node.transport);
  return transport;
}
