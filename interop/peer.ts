/**
 * Runs one node with a key-value state machine, driven line by line over standard input and output:
 * the counterpart of `interop/go/peer`, which does the same with hashicorp/raft.
 */
import process from 'node:process';
import { asError } from '../raft/errors.ts';
import { type PeerNode, startNode } from './peer/node.ts';
import { observe, watchLeadership } from './peer/observe.ts';
import { ops, outcomeOf } from './peer/ops.ts';
import { objectOf, parseOptions } from './peer/options.ts';
import { Request } from './peer/request.ts';

function print(line: object): void {
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

async function* linesOfInput(): AsyncGenerator<string, void> {
  process.stdin.setEncoding('utf8');
  let rest = '';
  for await (const text of process.stdin) {
    rest += String(text);
    if (!String(text).includes('\n')) continue;
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

/** The request of a line; a line that is none is answered here. */
function requestOf(line: string): Request | null {
  try {
    const request = new Request(objectOf('not a request', line));
    if (request.op === 'shutdown' || ops.has(request.op)) return request;
    throw new Error(`unknown op "${request.op}"`);
  } catch (error) {
    print({ id: null, ok: false, error: asError(error).message });
    return null;
  }
}

async function answer(id: unknown, act: () => PromiseLike<object> | object): Promise<void> {
  print({ id, ...(await outcomeOf(act)) });
}

/** Answers requests until one of them, or the end of the input, ends the node. */
async function serve(node: PeerNode): Promise<void> {
  for await (const line of linesOfInput()) {
    const request = line.trim() === '' ? null : requestOf(line);
    if (request === null) continue;
    const op = ops.get(request.op);
    if (op === undefined) {
      await answer(request.id, async () => {
        await node.close();
        return {};
      });
      return;
    }
    void answer(request.id, () => op(node, request));
  }
  await node.close();
}

try {
  const options = parseOptions(process.argv.slice(2));
  const node = await startNode(options);
  process.once('SIGTERM', () => {
    void node.close().finally(() => process.exit(0));
  });
  void watchLeadership(node.raft, print);
  if (options.observe) void observe(node.raft, print);
  print({ event: 'ready', id: options.id, address: node.address });
  await serve(node);
  process.exit(0);
} catch (error) {
  console.error(asError(error).message);
  process.exit(1);
}
