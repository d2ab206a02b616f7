import { expect, it } from 'vitest';
import { Answers } from './answers.ts';

const LINE = `${'x'.repeat(64 * 1024)}\n`;

async function settled(promise: Promise<unknown>): Promise<boolean> {
  let isSettled = false;
  void promise.then(() => {
    isSettled = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  return isSettled;
}

it('makes whoever answers wait for a slow reader, without another listener each time', async () => {
  const answers = new Answers();
  const before = answers.stream.eventNames().map((name) => answers.stream.listenerCount(name));
  for (let i = 0; i < 20; i += 1) {
    answers.add(LINE);
    await new Promise((resolve) => setImmediate(resolve));
    const room = answers.untilRoom();
    expect(await settled(room)).toBe(false);
    answers.stream.read();
    await room;
  }
  const after = answers.stream.eventNames().map((name) => answers.stream.listenerCount(name));
  expect(after).toEqual(before);
});

it('makes nobody wait for a reader that is gone', async () => {
  const answers = new Answers();
  answers.add(LINE);
  await new Promise((resolve) => setImmediate(resolve));
  const room = answers.untilRoom();
  expect(await settled(room)).toBe(false);
  answers.stream.destroy();
  await room;
  expect(answers.closed).toBe(true);
  await answers.untilRoom();
});
