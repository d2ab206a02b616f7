/**
 * Stores that need no native module. The durable store is the sub-path `quorate/store/lmdb`.
 *
 * @example
 * ```ts
 * import { newInmemStore, newLogCache } from 'quorate/store';
 *
 * const store = newInmemStore();
 * const logs = newLogCache(512, store);
 * ```
 *
 * @packageDocumentation
 */
export { InmemStore, newInmemStore } from './inmem-store.ts';
export { LogCache, newLogCache } from './log-cache.ts';
export { readConfigJSON, readPeersJSON } from './peers-json.ts';
