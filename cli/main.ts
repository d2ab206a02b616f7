#!/usr/bin/env node
/**
 * `npx quorate verify DIR`: says whether the data directory of a node that does not run is whole.
 * Ends with 0 when it is, with 1 when something is wrong, with 2 when it could not be asked.
 */
import process from 'node:process';
import { asError } from '../raft/errors.ts';
import { NotADataDirectory, verify } from './verify.ts';

const USAGE = 'usage: quorate verify DIR';

async function main(args: readonly string[]): Promise<number> {
  const [command, directory, ...rest] = args;
  if (command !== 'verify' || directory === undefined || rest.length > 0) {
    console.error(`${USAGE}, got ${args.length === 0 ? 'nothing' : args.join(' ')}`);
    return 2;
  }
  try {
    const { isGood, lines } = await verify(directory);
    for (const line of lines) console.log(line);
    return isGood ? 0 : 1;
  } catch (error) {
    console.error(error instanceof NotADataDirectory ? error.message : asError(error).stack);
    return 2;
  }
}

process.exitCode = await main(process.argv.slice(2));
