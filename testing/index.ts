/**
 * What tests of your own need: whole clusters in memory, state machines that can be looked at, a
 * clock that never waits, and the contracts of the ports as cases for any test runner, to hold
 * stores, snapshot stores and transports of your own to them, and a judge of whether what clients
 * saw is linearizable. Nothing here knows a test runner.
 *
 * @example
 * ```ts
 * import { seededRandom } from 'quorate';
 * import { inmemConfig, makeCluster, newVirtualClock } from 'quorate/testing';
 *
 * const conf = { ...inmemConfig(), clock: newVirtualClock(), random: seededRandom(1) };
 * await using cluster = await makeCluster(3, conf);
 * const leader = await cluster.leader();
 * cluster.disconnect(leader.leader());
 * const next = await cluster.leader();
 * await next.apply(new TextEncoder().encode('hello'), 1000);
 * cluster.fullyConnect();
 * await cluster.ensureSame();
 * ```
 *
 * @example
 * ```ts
 * import { it } from 'node:test';
 * import { newInmemStore } from 'quorate/store';
 * import { logStoreConformance } from 'quorate/testing';
 *
 * const cases = logStoreConformance({ open: () => newInmemStore(), close: () => {} });
 * for (const { name, run } of cases) it(name, run);
 * ```
 *
 * @packageDocumentation
 */
export {
  type Answer,
  type CheckOptions,
  checkLinearizable,
  type KeyValueAccess,
  type KeyValueInput,
  type KeyValueOperation,
  type KeyValueOutput,
  type KeyValueSwap,
  type KeyValueWrite,
  keyValueModel,
  type LinearizabilityReport,
  type Operation,
  type SequentialModel,
  type Step,
} from './check/index.ts';
export type { ConformanceCase, StoreFactory } from './conformance/conformance.ts';
export { logStoreConformance } from './conformance/log-store.ts';
export {
  type SnapshotStoreTraits,
  snapshotStoreConformance,
} from './conformance/snapshot-store.ts';
export { stableStoreConformance } from './conformance/stable-store.ts';
export {
  type TransportFactory,
  type TransportPair,
  transportConformance,
} from './conformance/transport.ts';
export { FakeRaft, type FakeRaftOptions } from './fake/fake-raft.ts';
export type { Cluster } from './kit/cluster.ts';
export { type FileSnapTestOptions, fileSnapTest } from './kit/file-snap-test.ts';
export {
  inmemConfig,
  type MakeClusterOpts,
  makeCluster,
  makeClusterCustom,
  makeClusterNoBootstrap,
} from './kit/make-cluster.ts';
export {
  getMockFSM,
  MockFSM,
  MockFSMConfigStore,
  MockSnapshot,
  type WrappingFSM,
} from './kit/mock-fsm.ts';
export { MockMonotonicLogStore } from './kit/mock-monotonic-log-store.ts';
export { newVirtualClock, VirtualClock } from './kit/virtual-clock.ts';
export { type FaultKind, faultKinds } from './sim/fault-kinds.ts';
export {
  newSimulatedCluster,
  SimulatedCluster,
  type SimulatedClusterOptions,
} from './sim/simulated-cluster.ts';
