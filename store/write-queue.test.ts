import { describe, expect, it } from 'vitest';
import { WriteQueue } from './write-queue.ts';

interface Job {
  readonly name: string;
  readonly sizeBytes: number;
  /** Transactions that it takes. */
  readonly steps: number;
  readonly passes: boolean;
}

function job(name: string, options: Partial<Job> = {}): Job {
  return { name, sizeBytes: 1, steps: 1, passes: true, ...options };
}

/** A queue that writes down its transactions as "a b" and fails at the one that holds "bad". */
function queueOf(transactions: string[]) {
  const stepsDone = new Map<Job, number>();
  return new WriteQueue<Job>({
    maxBatchBytes: 10,
    admits: (batch, next, held) =>
      (held === undefined || (next.passes && next.steps === 1)) &&
      (batch[0] === undefined || (batch[0].steps === 1 && next.steps === 1)),
    async commit(batch) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      transactions.push(batch.map(({ name }) => name).join(' '));
      if (batch.some(({ name }) => name === 'bad')) throw new Error('disk on fire');
      const [head] = batch;
      if (head === undefined) return true;
      stepsDone.set(head, (stepsDone.get(head) ?? 0) + 1);
      return (stepsDone.get(head) ?? 0) >= head.steps;
    },
  });
}

describe('WriteQueue', () => {
  it('puts what is added in one turn into one transaction, in order', async () => {
    const transactions: string[] = [];
    const queue = queueOf(transactions);
    await Promise.all(['a', 'b', 'c'].map((name) => queue.add(job(name))));
    await queue.add(job('d'));
    expect(transactions).toEqual(['a b c', 'd']);
  });

  it('bounds a transaction by its bytes, but performs a write that is larger', async () => {
    const transactions: string[] = [];
    const queue = queueOf(transactions);
    const jobs = [job('a', { sizeBytes: 6 }), job('b', { sizeBytes: 5 }), job('c')];
    await Promise.all([...jobs, job('huge', { sizeBytes: 99 }), job('d')].map((j) => queue.add(j)));
    expect(transactions).toEqual(['a', 'b c', 'huge', 'd']);
  });

  it('lets others in between the steps of a long write, and those behind it wait', async () => {
    const transactions: string[] = [];
    const queue = queueOf(transactions);
    const answered: string[] = [];
    const add = (j: Job) => queue.add(j).then(() => answered.push(j.name));
    const answers = [add(job('long', { steps: 3 })), add(job('a')), add(job('b'))];
    answers.push(add(job('stays', { passes: false })), add(job('c')));
    await Promise.all(answers);
    expect(transactions).toEqual(['long', 'a b', 'long', 'long', 'stays c']);
    expect(answered).toEqual(['a', 'b', 'long', 'stays', 'c']);
  });

  it('goes on with a long write though others never stop coming', async () => {
    const transactions: string[] = [];
    const queue = queueOf(transactions);
    let done = false;
    const long = queue.add(job('long', { steps: 5 })).then(() => {
      done = true;
    });
    while (!done) await queue.add(job('a'));
    await long;
    expect(transactions.filter((t) => t === 'long')).toHaveLength(5);
    expect(transactions.slice(0, 5)).toEqual(['long', 'a', 'long', 'a', 'long']);
  });

  it('refuses everything behind the first failure, and for ever', async () => {
    const transactions: string[] = [];
    const queue = queueOf(transactions);
    const good = queue.add(job('good', { sizeBytes: 9 }));
    const bad = queue.add(job('bad', { sizeBytes: 9 }));
    const long = queue.add(job('long', { steps: 2 }));
    const behind = queue.add(job('behind'));
    const refused = { code: 'ERR_STORE_FAILED', cause: { message: 'disk on fire' } };
    await expect(good).resolves.toBeUndefined();
    await expect(bad).rejects.toThrow('disk on fire');
    await expect(long).rejects.toMatchObject(refused);
    await expect(behind).rejects.toMatchObject(refused);
    await expect(queue.add(job('later'))).rejects.toMatchObject(refused);
    await queue.idle();
    expect(transactions).toEqual(['good', 'bad']);
  });

  it('refuses a long write when a write between its steps fails', async () => {
    const transactions: string[] = [];
    const queue = queueOf(transactions);
    const long = queue.add(job('long', { steps: 9 }));
    const bad = queue.add(job('bad'));
    await expect(bad).rejects.toThrow('disk on fire');
    await expect(long).rejects.toMatchObject({ code: 'ERR_STORE_FAILED' });
    await queue.idle();
    expect(transactions).toEqual(['long', 'bad']);
  });
});
