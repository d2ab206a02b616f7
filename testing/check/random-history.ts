import { type Random, randomInteger, seededRandom } from '../../internal/random.ts';
import {
  type KeyValueInput,
  type KeyValueOperation,
  type KeyValueOutput,
  keyValueModel,
} from './key-value-model.ts';

/** What a history is to look like. */
export interface HistoryShape {
  readonly operations: number;
  readonly clients: number;
  readonly keys: number;
  /** Of a hundred operations, how many nobody hears of again. */
  readonly lostPercent: number;
}

interface Running {
  readonly input: KeyValueInput;
  readonly calledAt: number;
  output: KeyValueOutput;
  hasHappened: boolean;
}

const VALUES = 4;

function drawInput(random: Random, keys: number): KeyValueInput {
  const key = `k${randomInteger(random, 1, keys)}`;
  const text = () => `${randomInteger(random, 1, VALUES)}`;
  const kind = randomInteger(random, 0, 9);
  if (kind <= 2) return { op: 'get', key };
  if (kind <= 4) return { op: 'set', key, value: text() };
  if (kind <= 6) return { op: 'append', key, value: text() };
  if (kind === 7) return { op: 'delete', key };
  return { op: 'cas', key, from: random.next() < 0.2 ? null : text(), to: text() };
}

/** Clients of a store that does one thing at a time: what they see is linearizable. */
class Store {
  readonly #values = new Map<string, string | null>();

  run(running: Running): void {
    const { input } = running;
    const before = this.#values.get(input.key) ?? keyValueModel.initial;
    const { state } = keyValueModel.step(before, input);
    this.#values.set(input.key, state);
    running.hasHappened = true;
    if (input.op === 'cas') running.output = before === input.from;
    else running.output = input.op === 'append' || input.op === 'get' ? state : before;
  }
}

/**
 * A history that is linearizable because a store that does one thing at a time made it.
 *
 * @param seed the same seed and shape make the same history
 */
export function goodHistory(seed: number, shape: HistoryShape): KeyValueOperation[] {
  const random = seededRandom(seed);
  const store = new Store();
  const history: KeyValueOperation[] = [];
  const running: Running[] = [];
  const lost: Running[] = [];
  let calls = 0;
  for (let at = 1; history.length + lost.length < shape.operations; at += 1) {
    const chosen = running[randomInteger(random, 0, shape.clients - 1)];
    const late = lost[randomInteger(random, 0, lost.length * 4)];
    if (late !== undefined && !late.hasHappened) store.run(late);
    if (chosen === undefined) {
      if (calls === shape.operations) continue;
      calls += 1;
      const input = drawInput(random, shape.keys);
      running.push({ input, calledAt: at, output: undefined, hasHappened: false });
    } else if (randomInteger(random, 1, 100) <= shape.lostPercent / 2) {
      lost.push(...running.splice(running.indexOf(chosen), 1));
    } else if (!chosen.hasHappened) {
      store.run(chosen);
    } else {
      running.splice(running.indexOf(chosen), 1);
      const { input, calledAt, output } = chosen;
      history.push({ input, calledAt, answer: { at, output } });
    }
  }
  return [...history, ...lost.map(({ input, calledAt }) => ({ input, calledAt, answer: null }))];
}

function otherOutput(random: Random, operation: KeyValueOperation): KeyValueOutput {
  if (operation.input.op === 'cas') return operation.answer?.output !== true;
  return random.next() < 0.3 ? null : `${randomInteger(random, 1, VALUES)}`;
}

/** The same history with one to three answers or times that were made up: most are broken. */
export function doubtfulHistory(seed: number, shape: HistoryShape): KeyValueOperation[] {
  const random = seededRandom(seed ^ 0x5eed);
  const history = goodHistory(seed, shape);
  for (let lies = randomInteger(random, 1, 3); lies > 0; lies -= 1) {
    const at = randomInteger(random, 0, history.length - 1);
    const operation = history[at];
    if (operation === undefined || operation.answer === null) continue;
    const { input, calledAt, answer } = operation;
    const output = random.next() < 0.7 ? otherOutput(random, operation) : answer.output;
    const end = random.next() < 0.7 ? answer.at : calledAt + (answer.at - calledAt) * 0.3;
    history[at] = { input, calledAt, answer: { at: end, output } };
  }
  return history;
}
