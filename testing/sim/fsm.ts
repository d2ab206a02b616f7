import { utf8, utf8ToString } from '../../internal/bytes.ts';
import type { BatchingFSM, FSM, FSMSnapshot } from '../../raft/fsm.ts';
import { type Log, LogType, type MaybePromise } from '../../raft/log.ts';
import type { SnapshotSink } from '../../raft/snapshot.ts';
import type { KeyValueOutput } from '../check/index.ts';
import { hashBytes, hashText } from './trace.ts';

/** What a state machine is after an index: two of them agree when all of this is equal. */
export interface FSMState {
  /** Index of the last command that was applied, 0 before the first. */
  readonly index: number;
  /** How many commands were applied since the beginning of the log. */
  readonly count: number;
  /** A hash over every command that was applied, in order. */
  readonly historyHash: number;
  /** A hash over keys and values, whatever their order. */
  readonly contentHash: number;
}

/** What a state machine tells those who watch it. */
export interface FSMWatcher {
  /** An entry was applied; `state` is the state after it. */
  applied(log: Log, state: FSMState): void;
  /** A snapshot was restored; `state` is the state after it. */
  restored(state: FSMState): void;
}

/** What a command is answered with. */
export interface SimResponse {
  /** Where the command stands in the log. */
  readonly index: number;
  /** What it came to, as `keyValueModel` has it. */
  readonly output: KeyValueOutput;
}

interface Value {
  readonly text: string;
  /** Index of the command that wrote it. */
  readonly index: number;
}

const KEYS_PER_SLICE = 4;

function hashOfPair(key: string, value: Value): number {
  return hashText(`${key} ${value.text} ${value.index}`);
}

/** The state as it was at one index, drawn slice by slice while the state itself goes on. */
class Picture implements FSMSnapshot {
  readonly #lines: () => Iterable<string>;
  readonly #release: () => void;
  readonly #header: FSMState;

  constructor(header: FSMState, lines: () => Iterable<string>, release: () => void) {
    this.#header = header;
    this.#lines = lines;
    this.#release = release;
  }

  async persist(sink: SnapshotSink): Promise<void> {
    const { index, count, historyHash } = this.#header;
    await sink.write(utf8(`${index} ${count} ${historyHash}\n`));
    for (const slice of this.#lines()) await sink.write(utf8(slice));
  }

  release(): void {
    this.#release();
  }
}

/**
 * A small key-value store that remembers all it was told. Commands are `set KEY TEXT`,
 * `append KEY TEXT`, `cas KEY FROM TO`, where an empty FROM stands for no value, and `delete KEY`,
 * each with a word behind it that makes it unique; `KEY=TEXT` sets a value too. A snapshot is drawn
 * in slices while commands go on: the first write to a key saves the old value for the picture.
 */
export class SimFSM implements FSM {
  readonly #watcher: FSMWatcher;
  readonly #pause: (() => Promise<void>) | null;
  #values = new Map<string, Value>();
  #index = 0;
  #count = 0;
  #historyHash = 0;
  #contentHash = 0;
  /** Old values of keys written since the picture was taken; `null` when none is open. */
  #saved: Map<string, Value> | null = null;

  /** @param pause how long an apply takes; `null` applies at once */
  constructor(watcher: FSMWatcher, pause: (() => Promise<void>) | null) {
    this.#watcher = watcher;
    this.#pause = pause;
  }

  /** The state now. */
  get state(): FSMState {
    return {
      index: this.#index,
      count: this.#count,
      historyHash: this.#historyHash,
      contentHash: this.#contentHash,
    };
  }

  /** The text under a key, `null` when there is none. */
  get(key: string): string | null {
    return this.#values.get(key)?.text ?? null;
  }

  apply(log: Log): MaybePromise<SimResponse> {
    if (this.#pause === null) return this.#applyNow(log);
    return this.#pause().then(() => this.#applyNow(log));
  }

  snapshot(): FSMSnapshot {
    const saved = new Map<string, Value>();
    this.#saved = saved;
    return new Picture(this.state, this.#draw(saved), () => {
      if (this.#saved === saved) this.#saved = null;
    });
  }

  async restore(reader: AsyncIterable<Uint8Array>): Promise<void> {
    let text = '';
    for await (const chunk of reader) text += utf8ToString(chunk);
    const [header = '', ...lines] = text.split('\n');
    const [index = 0, count = 0, historyHash = 0] = header.split(' ').map(Number);
    this.#values = new Map();
    this.#contentHash = 0;
    for (const line of lines) {
      const [key, value, writtenAt] = line.split(' ');
      if (key === undefined || value === undefined) continue;
      this.#set(key, { text: value, index: Number(writtenAt) });
    }
    this.#index = index;
    this.#count = count;
    this.#historyHash = historyHash;
    this.#watcher.restored(this.state);
  }

  #applyNow(log: Log): SimResponse {
    const output = this.#perform(utf8ToString(log.data), log.index);
    this.#index = log.index;
    this.#count += 1;
    this.#historyHash = hashBytes(log.data, hashText(String(log.index), this.#historyHash));
    this.#watcher.applied(log, this.state);
    return { index: log.index, output };
  }

  #perform(command: string, index: number): KeyValueOutput {
    const [op = '', key = '', first = '', second = ''] = command.split(' ');
    const before = this.get(key);
    switch (op) {
      case 'set':
        this.#set(key, { text: first, index });
        return before;
      case 'append': {
        const text = (before ?? '') + first;
        this.#set(key, { text, index });
        return text;
      }
      case 'cas': {
        const isEqual = before === (first === '' ? null : first);
        if (isEqual) this.#set(key, { text: second, index });
        return isEqual;
      }
      case 'delete':
        this.#set(key, null);
        return before;
      default: {
        const [name = '', text = ''] = op.split('=');
        this.#set(name, { text, index });
        return undefined;
      }
    }
  }

  #set(key: string, value: Value | null): void {
    const old = this.#values.get(key) ?? null;
    if (old !== null && this.#saved?.has(key) === false) this.#saved.set(key, old);
    if (old !== null) this.#contentHash = (this.#contentHash ^ hashOfPair(key, old)) >>> 0;
    if (value === null) {
      this.#values.delete(key);
      return;
    }
    this.#contentHash = (this.#contentHash ^ hashOfPair(key, value)) >>> 0;
    this.#values.set(key, value);
  }

  /** Slices of the state as it was when `saved` was empty. */
  #draw(saved: ReadonlyMap<string, Value>): () => Iterable<string> {
    const values = this.#values;
    const keys = [...values.keys()];
    return function* () {
      for (let at = 0; at < keys.length; at += KEYS_PER_SLICE) {
        const lines = keys.slice(at, at + KEYS_PER_SLICE).map((key) => {
          const value = saved.get(key) ?? values.get(key);
          return `${key} ${value?.text ?? ''} ${value?.index ?? 0}\n`;
        });
        yield lines.join('');
      }
    };
  }
}

/** The same for commands that come in batches. */
export class BatchingSimFSM extends SimFSM implements BatchingFSM {
  async applyBatch(logs: readonly Log[]): Promise<readonly unknown[]> {
    const results: unknown[] = [];
    for (const log of logs) {
      results.push(log.type === LogType.LogCommand ? await this.apply(log) : undefined);
    }
    return results;
  }
}
