/** What may happen to a process. */
const processFaults = [
  'kill',
  'power-loss',
  'kill-then-power-loss',
  'blackout',
  'pause',
  'stutter',
  'clock-jump',
] as const;

/** What may happen on the network. */
const networkFaults = [
  'isolate',
  'one-way',
  'split',
  'slow-link',
  'stalled-link',
  'loss',
  'duplication',
  'reordering',
  'storm',
  'reset',
  'reset-in-snapshot',
] as const;

/** What may happen to a disk. */
const diskFaults = [
  'refuse',
  'sync-fails',
  'slow-write',
  'hang',
  'slow-disk',
  'full-disk',
  'snapshot-write-fails',
  'snapshot-sync-fails',
  'rot-entry',
  'rot-snapshot',
] as const;

/** Everything that may go wrong in a run. */
export const faultKinds = [...processFaults, ...networkFaults, ...diskFaults] as const;
/** One thing that may go wrong. */
export type FaultKind = (typeof faultKinds)[number];

const onNetwork: ReadonlySet<string> = new Set(networkFaults);
const onDisk: ReadonlySet<string> = new Set(diskFaults);

/** True for trouble between nodes. */
export function isNetworkFault(kind: FaultKind): boolean {
  return onNetwork.has(kind);
}

/** True for trouble with a disk. */
export function isDiskFault(kind: FaultKind): boolean {
  return onDisk.has(kind);
}
