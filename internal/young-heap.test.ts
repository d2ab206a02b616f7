import { constants, PerformanceObserver, performance } from 'node:perf_hooks';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, it } from 'vitest';
import { fillYoungHeap } from './young-heap.ts';

it('has the young heap collected long before the bytes of buffers count', async () => {
  let collections = 0;
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const { kind }: { kind?: unknown } = 'detail' in entry ? Object(entry.detail) : {};
      if (kind === constants.NODE_PERFORMANCE_GC_MINOR) collections += 1;
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  for (let i = 0; i < 4096; i += 1) fillYoungHeap(65_536);
  // The observer is told a little later.
  const endMs = performance.now() + 50;
  while (performance.now() < endMs) await turn();
  observer.disconnect();
  // 128 MiB of nothing, and the young heap has 16 at most.
  expect(collections).toBeGreaterThanOrEqual(7);
});
