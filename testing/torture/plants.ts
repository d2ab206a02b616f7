import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { mutants } from '../sim/mutants/index.ts';
import type { Edit } from '../sim/mutants/mutant.ts';
import { buildPlanted } from '../sim/mutants/plant.ts';
import type { Rule } from './verdict.ts';

/** A bug planted in every node of ours, to see that torture finds it. */
export interface Plant {
  readonly name: string;
  /** What goes wrong, in one sentence. */
  readonly title: string;
  readonly edits: readonly Edit[];
  /** The fault that brings it to light. */
  readonly fault: string;
  /** The rules of which one must catch it: a crash does not count. */
  readonly caughtBy: readonly Rule[];
}

/** A bug that the simulator has to find as well. */
function simulated(name: string, fault: string, caughtBy: readonly Rule[]): Plant {
  const mutant = mutants.find((one) => one.name === name);
  if (mutant === undefined) throw new Error(`the simulator knows no bug called ${name}`);
  const { title, edits } = mutant;
  return { name, title, edits, fault, caughtBy };
}

/** What `--plant` can name. */
export const plants: readonly Plant[] = [
  simulated('commit-quorum-off-by-one', 'a partition', ['linearizable-history', 'equal-states']),
  simulated('entry-checksum-unread', 'a damaged record', ['damage-is-named']),
  {
    name: 'tail-lost-at-restart',
    title: 'a node forgets the last entries of its log when it starts again',
    edits: [
      {
        file: 'interop/peer/node.ts',
        find: "  const opened = await openStore(options.store, path.join(options.data, 'raft'));\n",
        replace:
          "  const opened = await openStore(options.store, path.join(options.data, 'raft'));\n" +
          '  const last = await opened.lastIndex();\n' +
          '  if (last > 20) await opened.deleteRange(last - 19, last);\n',
      },
    ],
    fault: 'kill -9 of all',
    caughtBy: ['linearizable-history', 'equal-states'],
  },
  {
    name: 'read-from-anybody',
    title: 'whoever is asked serves a linear read, leader or not',
    edits: [
      {
        file: 'interop/peer/ops.ts',
        find: "  if (mode === 'index') await raft.readIndex();\n",
        replace: '',
      },
    ],
    fault: 'slow links',
    caughtBy: ['linearizable-history'],
  },
  {
    name: 'key-lost-at-restore',
    title: 'a state machine loses a key when it is restored from a snapshot',
    edits: [
      {
        file: 'interop/peer/state.ts',
        find: '    this.#data = data;\n',
        replace:
          '    this.#data = data;\n' +
          '    const [first] = data.snapshot();\n' +
          '    if (first !== undefined) data.delete(first[0]);\n',
      },
    ],
    fault: 'kill -9',
    caughtBy: ['linearizable-history', 'equal-states'],
  },
];

/** Below the repository, where the packages are found, and never in a package. */
const FOLDER = 'dist/planted';

/** Builds a peer with the bug, lets `use` have its path, and removes it. */
export async function withPlanted(
  { name, edits }: Pick<Plant, 'name' | 'edits'>,
  use: (program: string) => Promise<void>,
): Promise<void> {
  const folder = join(process.cwd(), FOLDER, name);
  await mkdir(folder, { recursive: true });
  try {
    const program = join(folder, 'peer.js');
    await buildPlanted('interop/peer.ts', program, edits);
    await use(program);
  } finally {
    await rm(folder, { recursive: true });
  }
}
