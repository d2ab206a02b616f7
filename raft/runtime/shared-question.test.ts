import { describe, expect, it } from 'vitest';
import { turn } from '../../testing/runtime-fixture.ts';
import type { MainInput } from '../core/input.ts';
import { ErrLeadershipLost, ErrRaftShutdown } from '../errors.ts';
import { SettableFuture } from '../future.ts';
import type { MaybePromise } from '../log.ts';
import { Ledger } from './ledger.ts';
import { SharedQuestion } from './shared-question.ts';

/** A question to rules that are played by the test. */
function newQuestion(answer: (value: unknown) => MaybePromise<number> = Number) {
  const posted: MainInput[] = [];
  const node = {
    ledger: new Ledger(),
    isStopped: false,
    post: (input: MainInput) => void posted.push(input),
  };
  const question = new SharedQuestion(node, (ticket) => ({ kind: 'readIndex', ticket }), answer);
  const ask = (count: number) => {
    const futures = Array.from({ length: count }, () => new SettableFuture<number>());
    for (const future of futures) question.ask(future);
    return futures;
  };
  return { posted, node, ask };
}

describe('a question that many ask in one breath', () => {
  it('is one to the rules, and its answer goes to all of them', async () => {
    const { posted, node, ask } = newQuestion();
    const futures = ask(3);
    expect(node.ledger.size).toBe(3);
    await turn();
    expect(posted).toEqual([{ kind: 'readIndex', ticket: 1 }]);
    node.ledger.settle(1, 7);
    expect(await Promise.all(futures)).toEqual([7, 7, 7]);
    expect(node.ledger.size).toBe(0);
  });

  it('is not shared with those who ask after it was posted', async () => {
    const { posted, node, ask } = newQuestion();
    const [early] = ask(1);
    await turn();
    const [late] = ask(1);
    await turn();
    expect(posted).toHaveLength(2);
    node.ledger.settle(1, 7);
    expect([early?.isSettled, late?.isSettled]).toEqual([true, false]);
  });

  it('may be answered later, or not at all', async () => {
    const later = newQuestion((value) => Promise.resolve(Number(value) + 1));
    const [waits] = later.ask(1);
    later.node.ledger.settle(1, 7);
    expect(await waits).toBe(8);
    const never = newQuestion(() => Promise.reject(ErrRaftShutdown));
    const futures = [...never.ask(2)];
    never.node.ledger.settle(1, 7);
    for (const future of futures) expect(await future.error()).toBe(ErrRaftShutdown);
  });

  it('fails for all of them, and their places are free again', async () => {
    const { node, ask } = newQuestion();
    const futures = ask(2);
    node.ledger.failAll(ErrLeadershipLost);
    for (const future of futures) expect(await future.error()).toBe(ErrLeadershipLost);
    expect(node.ledger.size).toBe(0);
  });

  it('is refused by a node that has stopped', async () => {
    const { node, ask } = newQuestion();
    node.isStopped = true;
    expect(await ask(1)[0]?.error()).toBe(ErrRaftShutdown);
    expect(node.ledger.size).toBe(0);
  });
});
