import { expect, it } from 'vitest';
import { Configuration } from '../configuration.ts';
import type { FSM } from '../fsm.ts';
import type { CountingReader, ReadCloserWrapper } from '../snapshot.ts';
import { restoreFsm } from './restore-fsm.ts';

async function* chunks(): AsyncGenerator<Uint8Array> {
  yield new Uint8Array(3);
  yield new Uint8Array(4);
}

function knowsMore(
  reader: AsyncIterable<Uint8Array>,
): reader is CountingReader & ReadCloserWrapper {
  return 'count' in reader && 'wrappedReadCloser' in reader;
}

it('lets an FSM ask how much it has read, and see the stream behind it (S142)', async () => {
  const reader = chunks();
  const counts: number[] = [];
  const fsm: FSM = {
    apply: () => undefined,
    snapshot: () => expect.fail(),
    restore: async (stream) => {
      if (!knowsMore(stream)) expect.fail('a plain stream');
      expect(stream.wrappedReadCloser()).toBe(reader);
      for await (const _chunk of stream) counts.push(stream.count());
    },
  };
  const configuration = new Configuration();
  const indexes = { index: 1, term: 1, configurationIndex: 1 };
  const meta = { version: 1, id: 'a', ...indexes, peers: null, configuration, size: 7 };
  await restoreFsm(fsm, { meta, reader });
  expect(counts).toEqual([3, 7]);
});
