/** Bytes that are not what was expected, or a value that has no encoding. */
export class MsgpackError extends Error {
  override readonly name = 'MsgpackError';
  readonly code = 'ERR_MSGPACK';
}

/** The byte as Go prints it: `0xc1`. */
export function hexByte(byte: number): string {
  return `0x${byte.toString(16).padStart(2, '0')}`;
}
