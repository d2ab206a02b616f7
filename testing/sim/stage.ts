import { utf8 } from '../../internal/bytes.ts';
import { seededRandom } from '../../internal/random.ts';
import { ZERO_TIME } from '../../internal/timestamp.ts';
import { Configuration, ServerSuffrage } from '../../raft/configuration.ts';
import { encodeConfiguration } from '../../raft/configuration-codec.ts';
import { KnownConfiguration } from '../../raft/future.ts';
import { type Log, LogType } from '../../raft/log.ts';
import {
  AppendEntriesResponse,
  RequestVoteRequest,
  RequestVoteResponse,
} from '../../raft/messages.ts';
import { RaftState } from '../../raft/state.ts';
import { Court, type NodeView } from './court.ts';
import { SimDisk } from './disk.ts';
import type { DiskWrite } from './disk-image.ts';
import { invariants } from './invariants/index.ts';
import { Scheduler, SimProcess } from './virtual-clock.ts';

export const members = new Configuration(
  ['a', 'b', 'c'].map((id) => ({ suffrage: ServerSuffrage.Voter, id, address: `sim:${id}` })),
);

interface Shown {
  role: RaftState;
  term: number;
  commit: number;
  last: number;
  applied: number;
  servers: Configuration;
  heardAtMs: number | null;
}

/** What a node shows that has just begun. */
const NEWBORN: Shown = {
  role: RaftState.Follower,
  term: 0,
  commit: 0,
  last: 0,
  applied: 0,
  servers: members,
  heardAtMs: null,
};

/** Three nodes that do nothing by themselves: a story moves them, the court watches. */
export class Stage {
  readonly court = new Court(invariants, {});
  readonly shown = new Map<string, Shown>();
  readonly #nodes = new Map<string, NodeView>();

  constructor() {
    for (const id of ['a', 'b', 'c']) {
      const speed = { minSyncMs: 1, maxSyncMs: 1 };
      const disk = new SimDisk(new Scheduler(), seededRandom(1), id, speed, this.court);
      const shown: Shown = { ...NEWBORN };
      this.shown.set(id, shown);
      const raft = {
        state: () => shown.role,
        currentTerm: () => shown.term,
        commitIndex: () => shown.commit,
        lastIndex: () => shown.last,
        appliedIndex: () => shown.applied,
        getConfiguration: () => new KnownConfiguration(shown.servers, 1),
      };
      const node = {
        id,
        address: `sim:${id}`,
        disk,
        stableDisk: disk,
        raft,
        get heardAtMs() {
          return shown.heardAtMs;
        },
      };
      this.#nodes.set(id, node);
      this.court.admit(node);
      this.court.started(node);
    }
  }

  node(id: string): NodeView {
    const node = this.#nodes.get(id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  /** Changes what a node shows, and lets it be judged. */
  step(id: string, change: Partial<Shown> = {}): void {
    Object.assign(this.shown.get(id) ?? {}, change);
    this.court.stepped(this.node(id));
  }

  /** A write that is durable at once. */
  write(id: string, write: DiskWrite): void {
    this.issue(id, write);
    this.court.writeSynced(id, write);
    this.node(id).disk.visible.apply(write);
    this.node(id).disk.durable.apply(write);
  }

  /** A write that is asked for and not done. */
  issue(id: string, write: DiskWrite): void {
    this.court.writeIssued(id, write);
    this.node(id).disk.issued.apply(write);
  }

  /** The disk never answers again. */
  hang(id: string): void {
    const { disk } = this.node(id);
    disk.nextFault = 'hang';
    void disk.write(new SimProcess(new Scheduler(), id), { kind: 'store', logs: [] });
  }

  store(id: string, ...logs: readonly Log[]): void {
    this.write(id, { kind: 'store', logs });
  }

  keys(id: string, entries: Readonly<Record<string, Uint8Array | number>>): void {
    this.write(id, { kind: 'keys', writes: new Map(Object.entries(entries)) });
  }

  snapshot(id: string, index: number, term: number): void {
    const meta = {
      version: 1,
      id: `${term}-${index}`,
      index,
      term,
      peers: null,
      configuration: members,
      configurationIndex: 1,
      size: 0,
    };
    this.write(id, { kind: 'snapshot', snapshot: { meta, bytes: new Uint8Array(0) } });
  }

  /** `a` is elected in term 1 with the first configuration and `upTo` entries everywhere. */
  elect(upTo: number): void {
    const logs = Array.from({ length: upTo }, (_, i) => entry(i + 1, 1));
    for (const id of ['a', 'b', 'c']) {
      this.keys(id, { CurrentTerm: 1, LastVoteTerm: 1, LastVoteCand: utf8('sim:a') });
      this.store(id, ...logs);
    }
    this.step('a', { role: RaftState.Leader, term: 1, last: upTo });
  }
}

/** The first entry is the configuration, all others are commands. */
export function entry(index: number, term: number, text = `x=${index}`): Log {
  const isFirst = index === 1;
  return {
    index,
    term,
    type: isFirst ? LogType.LogConfiguration : LogType.LogCommand,
    data: isFirst ? encodeConfiguration(members) : utf8(text),
    extensions: null,
    appendedAt: ZERO_TIME,
  };
}

export const state = (index: number, count = index, contentHash = 7) => ({
  index,
  count,
  historyHash: count,
  contentHash,
});
export const header = (id: string) => ({
  protocolVersion: 3,
  id: utf8(id),
  addr: utf8(`sim:${id}`),
});
export const voteOf = (term: number, id: string) =>
  new RequestVoteRequest({ term, rpcHeader: header(id) });
export const granted = (term: number) => new RequestVoteResponse({ term, granted: true });
export const appended = (term: number) => new AppendEntriesResponse({ term, success: true });

/** A story, and the invariant that it breaks; `null` for one that breaks none. */
export type Story = readonly [string, string | null, (stage: Stage) => void];
