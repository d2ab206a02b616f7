import { RaftError } from '../raft/errors.ts';

/**
 * The chunks of `data`; fails with a `RaftError` (`ERR_SNAPSHOT_SIZE`) when they are more than
 * `size` bytes, before the one that is too much, or fewer.
 */
export async function* exactly(
  size: number,
  data: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, void> {
  let count = 0;
  for await (const chunk of data) {
    count += chunk.length;
    if (count > size) {
      throw new RaftError('ERR_SNAPSHOT_SIZE', `expected a snapshot of ${size} bytes, got more`);
    }
    yield chunk;
  }
  if (count < size) {
    throw new RaftError('ERR_SNAPSHOT_SIZE', `expected a snapshot of ${size} bytes, got ${count}`);
  }
}
