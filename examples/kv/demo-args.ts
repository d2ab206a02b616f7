import { parseArgs } from 'node:util';
import { asError } from '../../raft/errors.ts';
import { UsageError, wholeNumber } from './args.ts';

/** What `npm run demo --` takes. */
export interface DemoOptions {
  /** End after the verdict. */
  readonly exit: boolean;
  /** Delete the data of earlier runs first. */
  readonly fresh: boolean;
  /** Records to load at most. */
  readonly limit: number;
  readonly dataDir: string;
}

/** What `npm run demo -- --help` prints. */
export const demoUsage = `Three nodes, real data, and a kill -9 in the middle.

  npm run demo -- [--exit] [--fresh] [--limit N] [--data DIR]

  --exit      end after the verdict, with code 0 when it is good and 1 when it is not
  --fresh     delete the data of earlier runs first
  --limit N   load the first N records (default: all)
  --data DIR  where the data live (default ./data/demo)
`;

const spec = {
  exit: { type: 'boolean', default: false },
  fresh: { type: 'boolean', default: false },
  limit: { type: 'string' },
  data: { type: 'string', default: 'data/demo' },
  help: { type: 'boolean', default: false },
} as const;

function parse(argv: readonly string[]) {
  try {
    return parseArgs({ args: [...argv], options: spec, strict: true }).values;
  } catch (error) {
    throw new UsageError(asError(error).message);
  }
}

/** Reads the demo's command line; `'help'` when that was asked for. @throws UsageError */
export function parseDemoArgs(argv: readonly string[]): DemoOptions | 'help' {
  const { exit, fresh, limit, data, help } = parse(argv);
  if (help) return 'help';
  if (data === '') throw new UsageError('--data: expected a directory, got nothing');
  return {
    exit,
    fresh,
    limit:
      limit === undefined
        ? Number.MAX_SAFE_INTEGER
        : wholeNumber('limit', limit, 1, Number.MAX_SAFE_INTEGER),
    dataDir: data,
  };
}
