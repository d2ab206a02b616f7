/** A call of a traced process that has begun or has returned. */
export interface SystemCall {
  readonly name: string;
  /** Everything between the parentheses. */
  readonly args: string;
  /** What it returned; `null` while it has only begun. */
  readonly result: number | null;
}

/** The calls that change a disk or say something, as strace takes them. */
export const TRACED =
  'trace=openat,close,lseek,write,writev,pwrite64,pwritev,pwritev2,fdatasync,fsync,ftruncate,' +
  'fallocate,rename,renameat,renameat2,mkdir,unlink,unlinkat,rmdir,copy_file_range';

const STRING = /"((?:\\x[0-9a-f]{2})*)"/g;

/** The texts and buffers among the arguments. */
export function stringsOf({ args }: SystemCall): Buffer[] {
  return [...args.matchAll(STRING)].map(([, hex = '']) =>
    Buffer.from(hex.replaceAll('\\x', ''), 'hex'),
  );
}

/** The descriptor that a call starts with. */
export function descriptorOf({ args }: SystemCall): number {
  return Number.parseInt(args, 10);
}

/** The last argument, a number. */
export function lastNumberOf({ args }: SystemCall): number {
  return Number(args.slice(args.lastIndexOf(',') + 1));
}

function resultOf(text: string): number {
  return Number.parseInt(text, 10);
}

/**
 * What a trace of `strace -f -xx` says: each call twice, when it begins and when it has returned.
 */
export function* callsOf(trace: string): Generator<SystemCall, void> {
  const begun = new Map<string, { readonly name: string; readonly args: string }>();
  for (const line of trace.split('\n')) {
    const space = line.indexOf(' ');
    const [thread, text] = [line.slice(0, space), line.slice(space + 1).trim()];
    const resumed = text.match(/^<\.\.\. \w+ resumed>.*= (-?\d+)/);
    if (resumed !== null) {
      const call = begun.get(thread);
      if (call !== undefined) yield { ...call, result: resultOf(resumed[1] ?? '') };
      begun.delete(thread);
      continue;
    }
    const open = text.indexOf('(');
    if (open < 1 || /\W/.test(text.slice(0, open))) continue;
    const name = text.slice(0, open);
    if (text.endsWith('<unfinished ...>')) {
      const call = { name, args: text.slice(open + 1, -' <unfinished ...>'.length) };
      begun.set(thread, call);
      yield { ...call, result: null };
      continue;
    }
    const close = text.lastIndexOf(')', text.lastIndexOf(' = '));
    const args = text.slice(open + 1, close);
    yield { name, args, result: null };
    yield { name, args, result: resultOf(text.slice(text.lastIndexOf(' = ') + 3)) };
  }
}
