import { setTimeout as sleep } from 'node:timers/promises';
import type { LogStore } from '../../raft/log.ts';
import type { StableStore } from '../../raft/stable.ts';

type Store = LogStore & StableStore;

/** What happens to writes: nothing, a failure as of a full or a broken disk, or a delay. */
export type DiskMode = 'good' | 'full' | 'broken' | 'slow';

const WRITES: ReadonlySet<unknown> = new Set([
  'storeLog',
  'storeLogs',
  'deleteRange',
  'replaceTail',
  'set',
  'setUint64',
  'setMany',
]);

/** A disk that does what a test asks of it; see the option `--faulty-disk`. */
export class FaultyDisk {
  #mode: DiskMode = 'good';
  #delayMs = 0;

  set(mode: string, delayMs: number): void {
    if (mode !== 'good' && mode !== 'full' && mode !== 'broken' && mode !== 'slow') {
      throw new Error(`mode must be good, full, broken or slow, got "${mode}"`);
    }
    this.#mode = mode;
    this.#delayMs = delayMs;
  }

  /** The store on this disk. */
  under(store: Store): Store {
    return new Proxy(store, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== 'function') return member;
        const call = (args: unknown[]): unknown => Reflect.apply(member, target, args);
        if (!WRITES.has(name)) return (...args: unknown[]) => call(args);
        return (...args: unknown[]) => this.#write(() => call(args));
      },
    });
  }

  #write(call: () => unknown): unknown {
    if (this.#mode === 'good') return call();
    if (this.#mode === 'slow') return sleep(this.#delayMs).then(call);
    const text = this.#mode === 'full' ? 'no space left on device' : 'input/output error';
    return Promise.reject(new Error(text));
  }
}
