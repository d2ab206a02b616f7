/**
 * A whole cluster in one thread on virtual time: clock, network and disks are simulated and seeded,
 * so the same seed gives the same run, byte for byte.
 *
 * ```ts
 * import { describeFailure, runSimulation } from 'quorate/testing/sim';
 *
 * const result = await runSimulation({ seed: 1, nodes: 3 });
 * if (result.violation !== null) throw new Error(describeFailure(result));
 * ```
 *
 * @packageDocumentation
 */
export { SimCluster } from './cluster.ts';
export {
  Court,
  type Invariant,
  type NodeView,
  type Question,
  type RaftView,
  type Violation,
  type Watcher,
} from './court.ts';
export {
  type CrashKind,
  type DiskFault,
  type DiskSpeed,
  type DiskWatcher,
  type FileFault,
  SimDisk,
} from './disk.ts';
export {
  type DeleteWrite,
  DiskImage,
  type DiskWrite,
  type KeysWrite,
  type ReplaceWrite,
  type SnapshotWrite,
  type StoredSnapshot,
  type StoreWrite,
} from './disk-image.ts';
export { AtomicDiskStore, DiskStore } from './disk-log-store.ts';
export { type EntryFact, Facts } from './facts.ts';
export { type FaultKind, faultKinds } from './fault-kinds.ts';
export {
  BatchingSimFSM,
  type FSMState,
  type FSMWatcher,
  SimFSM,
  type SimResponse,
} from './fsm.ts';
export { invariants } from './invariants/index.ts';
export { Nemesis } from './nemesis.ts';
export {
  CALM,
  type DelaySpread,
  type Endpoint,
  type NetworkWatcher,
  type NetworkWeather,
  SimNetwork,
} from './network.ts';
export { configOf, drawProfile, type Profile } from './profile.ts';
export type { WriteLine } from './scribe.ts';
export { type Shrunk, shrink, testLine } from './shrink.ts';
export { SimFileSystem } from './sim-file-system.ts';
export { type FilePlace, SimDirectory, SimFile, SimFiles } from './sim-files.ts';
export { SimNode, type World } from './sim-node.ts';
export { SimTransport } from './sim-transport.ts';
export {
  newSimulatedCluster,
  SimulatedCluster,
  type SimulatedClusterOptions,
} from './simulated-cluster.ts';
export {
  describeFailure,
  runCleanly,
  runSimulation,
  type SimulationOptions,
  type SimulationResult,
} from './simulator.ts';
export { Trace } from './trace.ts';
export { Scheduler, type SimEvent, SimProcess } from './virtual-clock.ts';
export { Workload } from './workload.ts';
