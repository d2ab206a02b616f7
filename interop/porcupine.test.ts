import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import {
  checkLinearizable,
  type KeyValueOperation,
  keyValueModel,
} from '../testing/check/index.ts';
import { doubtfulHistory, goodHistory } from '../testing/check/random-history.ts';

const PORCUPINE = fileURLToPath(new URL('./go/bin/porcupine', import.meta.url));
const HISTORIES = 5000;

/** What porcupine says of each history. */
async function judgedByPorcupine(histories: readonly KeyValueOperation[][]): Promise<string[]> {
  const child = spawn(PORCUPINE, { stdio: ['pipe', 'pipe', 'inherit'] });
  child.stdin.end(histories.map((history) => `${JSON.stringify(history)}\n`).join(''));
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  const [code] = await once(child, 'close');
  expect(code).toBe(0);
  return text.trimEnd().split('\n');
}

describe('the checker of histories', () => {
  it('agrees with porcupine on thousands of good and broken histories', async () => {
    const histories = Array.from({ length: HISTORIES }, (_, seed) => {
      const shape = {
        operations: 10 + (seed % 40),
        clients: 1 + (seed % 6),
        keys: 1 + (seed % 3),
        lostPercent: seed % 10,
      };
      return seed % 4 === 0 ? goodHistory(seed, shape) : doubtfulHistory(seed, shape);
    });
    const theirs = await judgedByPorcupine(histories);
    const ours = histories.map((history) => checkLinearizable(history, keyValueModel).verdict);
    expect(theirs).toHaveLength(HISTORIES);
    const differing = ours.flatMap((verdict, seed) =>
      verdict === theirs[seed] ? [] : [{ seed, ours: verdict, theirs: theirs[seed] }],
    );
    expect(differing).toEqual([]);
    expect(ours.filter((verdict) => verdict === 'linearizable').length).toBeGreaterThan(1250);
    expect(ours.filter((verdict) => verdict === 'broken').length).toBeGreaterThan(1250);
  });
});
