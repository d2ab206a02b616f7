import { FileSnapshotReader } from '../file-snapshot-reader.ts';
import type { StateFile } from '../state-file.ts';

function wrapped(reader: AsyncIterable<Uint8Array>): unknown {
  return 'wrappedReadCloser' in reader && typeof reader.wrappedReadCloser === 'function'
    ? reader.wrappedReadCloser()
    : reader;
}

/** The file behind what `FSM.restore` was given; null when there is none that a thread can open. */
export function stateFileOf(reader: AsyncIterable<Uint8Array>): StateFile | null {
  const store = wrapped(reader);
  return store instanceof FileSnapshotReader ? store.stateFile : null;
}
