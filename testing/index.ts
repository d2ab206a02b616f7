/**
 * The contracts of the ports, as cases that any test runner can run: for stores, snapshot stores
 * and transports of your own.
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
export type { ConformanceCase, StoreFactory } from './conformance/conformance.ts';
export { logStoreConformance } from './conformance/log-store.ts';
export { snapshotStoreConformance } from './conformance/snapshot-store.ts';
export { stableStoreConformance } from './conformance/stable-store.ts';
export {
  type TransportFactory,
  type TransportPair,
  transportConformance,
} from './conformance/transport.ts';
