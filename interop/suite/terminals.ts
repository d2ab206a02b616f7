import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { type Line, PeerProcess } from './peer-process.ts';
import { freeAddress } from './ports.ts';
import { waitFor } from './wait.ts';

const run = promisify(execFile);

/** The lines of every console of a page, in order. */
export function consoleLines(page: string): string[] {
  const blocks = [...page.matchAll(/^```console\n([\s\S]*?)^```/gm)];
  return blocks.flatMap(([, block = '']) => block.trim().split('\n'));
}

/** Other ports and another directory than a page has, so that nobody is in the way. */
export async function elsewhere(lines: readonly string[], directory: string): Promise<string[]> {
  const addresses = new Map<string, string>();
  for (const line of lines) {
    for (const [address] of line.matchAll(/127\.0\.0\.1:\d+/g)) {
      if (!addresses.has(address)) addresses.set(address, await freeAddress());
    }
  }
  return lines.map((line) =>
    line
      .replaceAll(/127\.0\.0\.1:\d+/g, (address) => addresses.get(address) ?? address)
      .replaceAll('./data', directory),
  );
}

/** Types lines into terminals: `n1$ command`, `n1> {"op":"state"}`, `sh$ command`. */
export class Terminals {
  readonly #peers = new Map<string, PeerProcess>();

  async type(line: string): Promise<Line | undefined> {
    const [, name = '', mark, text = ''] = /^(\w+)([$>]) (.*)$/.exec(line) ?? [];
    if (mark === '>') return this.#ask(name, text);
    if (name === 'sh') await run('sh', ['-c', text]);
    else await this.#start(name, text);
    return undefined;
  }

  async #start(name: string, command: string): Promise<void> {
    const [, program, args] = /^(interop\/go\/bin\/peer|node dist\/interop\/peer\.js) (.*)$/.exec(
      command,
    ) ?? [null, null, null];
    if (!program || !args) throw new Error(`not a command of this page: ${command}`);
    const peer = new PeerProcess(program.startsWith('node') ? 'ts' : 'go', args.split(' '));
    this.#peers.set(name, peer);
    await peer.ready();
  }

  /** Asks until it is answered well, as one does who waits for an election or for a follower. */
  async #ask(name: string, text: string): Promise<Line> {
    const peer = this.#peers.get(name);
    if (peer === undefined) throw new Error(`nothing runs in ${name}`);
    const { op, ...fields } = JSON.parse(text);
    if (op === 'transfer') return this.#transfer(peer, fields);
    const reply = await waitFor(text, () => peer.ask(op, fields), 30_000);
    if (op === 'shutdown') {
      const code = await peer.ended;
      if (code !== 0) throw new Error(`${name} ended with ${code}: ${peer.log}`);
    }
    return reply;
  }

  /** Whoever leads hands over, unless the one that is named leads already. */
  #transfer(first: PeerProcess, fields: { readonly server: string }): Promise<Line> {
    const { server } = fields;
    return waitFor(`${server} to lead`, async () => {
      const { leaderId } = await first.ask('state');
      const leader = this.#peers.get(String(leaderId));
      if (leaderId !== server) await leader?.ask('transfer', fields);
      const after = await this.#peers.get(server)?.ask('state');
      return after?.state === 'Leader' && after;
    });
  }
}
