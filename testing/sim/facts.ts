import type { Configuration, ServerID } from '../../raft/configuration.ts';
import { decodeConfiguration } from '../../raft/configuration-codec.ts';
import { type Log, LogType } from '../../raft/log.ts';
import type { NodeView } from './court.ts';
import { hashBytes } from './trace.ts';

/** What is known of the entry with a given index and term. */
export interface EntryFact {
  /** Its place in the log. */
  readonly index: number;
  /** Its term. */
  readonly term: number;
  /** What it is for. */
  readonly type: LogType;
  /** Its command. */
  readonly data: Uint8Array | null;
  /** A hash over type and data. */
  readonly hash: number;
  /** The term of the entry before it, `undefined` when the first writer did not know. */
  readonly prevTerm: number | undefined;
}

interface ConfigurationFact {
  readonly index: number;
  readonly term: number;
  readonly configuration: Configuration;
}

/** Terms above this would collide in the table of entries. */
const TERM_LIMIT = 1 << 20;

/** A hash over what an entry says. */
export function hashOfLog(log: Log): number {
  return hashBytes(log.data, 0x811c9dc5 ^ log.type);
}

/** What an all-seeing observer knows of a run, shared by all invariants. */
export class Facts {
  /** Every node that ever ran. */
  readonly nodes: NodeView[] = [];
  readonly #leaders = new Map<number, ServerID>();
  readonly #entries = new Map<number, EntryFact>();
  readonly #committed: EntryFact[] = [];
  /** The term in which each index was first known to be committed. */
  readonly #commitTerms: number[] = [];
  readonly #configurations: ConfigurationFact[] = [];
  #newestTermLed = 0;
  #acknowledgedUpTo = 0;

  /** The server that leads, or led, in `term`. */
  leaderOf(term: number): ServerID | undefined {
    return this.#leaders.get(term);
  }

  /** The newest term in which a leader was seen. */
  get newestTermLed(): number {
    return this.#newestTermLed;
  }

  /** The highest index that some node knows to be committed. */
  get committedUpTo(): number {
    return this.#committed.length;
  }

  /** The highest command index that a client was told of, by a write or by a read. */
  get acknowledgedUpTo(): number {
    return this.#acknowledgedUpTo;
  }

  /** The committed entry at `index`, if there is one. */
  committedAt(index: number): EntryFact | undefined {
    return this.#committed[index - 1];
  }

  /** The highest index that was committed before `term`. */
  committedBefore(term: number): number {
    let index = this.#commitTerms.length;
    while (index > 0 && (this.#commitTerms[index - 1] ?? 0) >= term) index -= 1;
    return index;
  }

  /** What the first writer of this index and term said. */
  entry(index: number, term: number): EntryFact | undefined {
    return this.#entries.get(index * TERM_LIMIT + term);
  }

  /**
   * The configurations that a node may go by: the one it names, which takes effect before it is
   * written anywhere, and the newest two that are in its log or snapshot.
   */
  configurationsOf(node: NodeView): Configuration[] {
    const written = this.configurationsOnDisk(node);
    const named = node.raft?.getConfiguration().configuration();
    return named === undefined ? written : [named, ...written];
  }

  /** The newest two configurations in the log and the snapshot of a node, the newest first. */
  configurationsOnDisk({ disk }: NodeView): Configuration[] {
    const { issued } = disk;
    const meta = issued.snapshots[0]?.meta;
    const found: Configuration[] = [];
    for (let i = this.#configurations.length - 1; i >= 0 && found.length < 2; i -= 1) {
      const fact = this.#configurations[i];
      if (fact === undefined || fact.index <= (meta?.configurationIndex ?? 0)) continue;
      if (issued.entry(fact.index)?.term === fact.term) found.push(fact.configuration);
    }
    if (meta !== undefined && found.length < 2) found.push(meta.configuration);
    return found;
  }

  /** The newest committed configuration at or below a committed index. */
  committedConfiguration(index: number): Configuration | undefined {
    return this.#configurations.findLast(
      (fact) => fact.index <= index && this.committedAt(fact.index)?.term === fact.term,
    )?.configuration;
  }

  /** Remembers what a node is about to write. */
  recordEntries(node: NodeView, logs: readonly Log[]): void {
    let prevTerm = node.disk.issued.termAt((logs[0]?.index ?? 0) - 1);
    for (const log of logs) {
      const { index, term, type, data } = log;
      if (this.entry(index, term) === undefined) {
        const fact = { index, term, type, data, hash: hashOfLog(log), prevTerm };
        this.#entries.set(index * TERM_LIMIT + term, fact);
        if (type === LogType.LogConfiguration && data !== null) {
          this.#configurations.push({ index, term, configuration: decodeConfiguration(data) });
          this.#configurations.sort((a, b) => a.index - b.index || a.term - b.term);
        }
      }
      prevTerm = term;
    }
  }

  /** Notes that a node leads in a term. */
  recordLeader(node: NodeView, term: number): void {
    this.#leaders.set(term, node.id);
    if (term > this.#newestTermLed) this.#newestTermLed = term;
  }

  /** The next index is committed, says `node`. */
  recordCommit(node: NodeView, index: number, term: number): EntryFact {
    const termAt = node.disk.issued.termAt(index) ?? term;
    const known = node.disk.issued.entry(index) !== undefined;
    const isCovered = !known && node.disk.issued.snapshotIndex >= index;
    const missing = {
      index,
      term: termAt,
      type: LogType.LogNoop,
      data: null,
      hash: -1,
      prevTerm: undefined,
    };
    const fact = (isCovered ? undefined : this.entry(index, termAt)) ?? missing;
    this.#committed.push(fact);
    this.#commitTerms.push(term);
    return fact;
  }

  /** Notes that a client was told of the entry at `index`. */
  acknowledge(index: number): void {
    if (index > this.#acknowledgedUpTo) this.#acknowledgedUpTo = index;
  }
}
