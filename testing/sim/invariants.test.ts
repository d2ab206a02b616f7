import { describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { seededRandom } from '../../internal/random.ts';
import { ZERO_TIME } from '../../internal/timestamp.ts';
import { Configuration, ServerSuffrage } from '../../raft/configuration.ts';
import { encodeConfiguration } from '../../raft/configuration-codec.ts';
import { type ConfigurationFuture, SettableFuture } from '../../raft/future.ts';
import { type Log, LogType } from '../../raft/log.ts';
import {
  AppendEntriesRequest,
  AppendEntriesResponse,
  InstallSnapshotRequest,
  InstallSnapshotResponse,
  RequestVoteRequest,
  RequestVoteResponse,
} from '../../raft/messages.ts';
import { RaftState } from '../../raft/state.ts';
import { Court, type NodeView } from './court.ts';
import { SimDisk } from './disk.ts';
import type { DiskWrite } from './disk-image.ts';
import { invariants } from './invariants/index.ts';
import { Scheduler } from './virtual-clock.ts';

/** The configuration that every node goes by. */
class KnownConfiguration extends SettableFuture<Configuration> implements ConfigurationFuture {
  configuration(): Configuration {
    return members;
  }
}

interface Shown {
  role: RaftState;
  term: number;
  commit: number;
  last: number;
  applied: number;
}

/** Three nodes that do nothing by themselves: a story moves them, the court watches. */
class Stage {
  readonly court = new Court(invariants, {});
  readonly shown = new Map<string, Shown>();
  readonly #nodes = new Map<string, NodeView>();

  constructor() {
    for (const id of ['a', 'b', 'c']) {
      const speed = { minSyncMs: 1, maxSyncMs: 1 };
      const disk = new SimDisk(new Scheduler(), seededRandom(1), id, speed, this.court);
      const shown: Shown = { role: RaftState.Follower, term: 0, commit: 0, last: 0, applied: 0 };
      this.shown.set(id, shown);
      const raft = {
        state: () => shown.role,
        currentTerm: () => shown.term,
        commitIndex: () => shown.commit,
        lastIndex: () => shown.last,
        appliedIndex: () => shown.applied,
        getConfiguration: () => new KnownConfiguration(),
      };
      const node = { id, address: `sim:${id}`, disk, raft };
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

const members = new Configuration(
  ['a', 'b', 'c'].map((id) => ({ suffrage: ServerSuffrage.Voter, id, address: `sim:${id}` })),
);

/** The first entry is the configuration, all others are commands. */
function entry(index: number, term: number, text = `x=${index}`): Log {
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

const state = (index: number, count = index, contentHash = 7) => ({
  index,
  count,
  historyHash: count,
  contentHash,
});
const header = (id: string) => ({ protocolVersion: 3, id: utf8(id), addr: utf8(`sim:${id}`) });
const voteOf = (term: number, id: string) =>
  new RequestVoteRequest({ term, rpcHeader: header(id) });
const granted = (term: number) => new RequestVoteResponse({ term, granted: true });
const appended = (term: number) => new AppendEntriesResponse({ term, success: true });

/** A story, and the invariant that it breaks; `null` for one that breaks none. */
const stories: readonly (readonly [string, string | null, (stage: Stage) => void])[] = [
  [
    'a healthy election and commit',
    null,
    (stage) => {
      stage.elect(3);
      stage.step('a', { commit: 3 });
      stage.court.applied(stage.node('a'), entry(2, 1), state(2));
      stage.step('a', { applied: 3 });
      stage.court.outcome(stage.node('a'), utf8('x=2'), 'applied', 2);
      stage.step('a');
      stage.court.ended();
    },
  ],
  [
    'two leaders in a term',
    'election-safety',
    (stage) => {
      stage.elect(1);
      stage.step('b', { role: RaftState.Leader, term: 1 });
    },
  ],
  [
    'two votes in a term',
    'election-safety',
    (stage) => {
      stage.keys('c', { CurrentTerm: 2, LastVoteTerm: 2, LastVoteCand: utf8('sim:a') });
      stage.court.replySent('sim:c', 'sim:a', voteOf(2, 'a'), granted(2));
      stage.keys('c', { LastVoteCand: utf8('sim:b') });
      stage.court.replySent('sim:c', 'sim:b', voteOf(2, 'b'), granted(2));
    },
  ],
  [
    'a leader that cuts its log',
    'leader-append-only',
    (stage) => {
      stage.elect(4);
      stage.issue('a', { kind: 'replace', from: 3, logs: [entry(3, 1)] });
    },
  ],
  [
    'a leader that forgets a head',
    null,
    (stage) => {
      stage.elect(4);
      stage.step('a', { commit: 4 });
      stage.snapshot('a', 3, 1);
      stage.write('a', { kind: 'delete', min: 1, max: 3 });
    },
  ],
  [
    'one index and term, two contents',
    'log-matching',
    (stage) => {
      stage.elect(2);
      stage.store('a', entry(3, 1, 'p=1'));
      stage.store('b', entry(3, 1, 'p=2'));
    },
  ],
  [
    'one index and term, two pasts',
    'log-matching',
    (stage) => {
      stage.elect(2);
      stage.store('a', entry(3, 1), entry(4, 3));
      stage.store('b', entry(3, 2), entry(4, 3));
    },
  ],
  [
    'a leader without a committed entry',
    'leader-completeness',
    (stage) => {
      stage.elect(2);
      for (const id of ['a', 'b']) stage.store(id, entry(3, 1));
      stage.step('a', { commit: 3 });
      stage.keys('c', { CurrentTerm: 2, LastVoteTerm: 2 });
      stage.step('c', { role: RaftState.Leader, term: 2, last: 2 });
    },
  ],
  [
    'two commands at an index',
    'state-machine-safety',
    (stage) => {
      stage.court.applied(stage.node('a'), entry(2, 1, 'p=1'), state(2, 1));
      stage.court.applied(stage.node('b'), entry(2, 1, 'p=2'), state(2, 1));
    },
  ],
  [
    'a snapshot that saw a later write',
    'state-machine-safety',
    (stage) => {
      stage.court.applied(stage.node('a'), entry(2, 1), state(2, 1, 7));
      stage.court.restored(stage.node('b'), state(2, 1, 8));
    },
  ],
  [
    'a term that goes back',
    'monotonic',
    (stage) => {
      stage.step('a', { term: 4 });
      stage.step('a', { term: 3 });
    },
  ],
  [
    'a commit index that goes back',
    'monotonic',
    (stage) => {
      stage.elect(3);
      stage.step('a', { commit: 3 });
      stage.step('a', { commit: 2 });
    },
  ],
  [
    'a log that ends below what was applied',
    'monotonic',
    (stage) => {
      stage.elect(3);
      stage.step('a', { commit: 3, applied: 3, last: 2 });
    },
  ],
  [
    'a term on disk that goes back',
    'monotonic',
    (stage) => {
      stage.keys('a', { CurrentTerm: 4 });
      stage.keys('a', { CurrentTerm: 3 });
    },
  ],
  [
    'a command applied twice',
    'state-ordering',
    (stage) => {
      stage.elect(3);
      stage.step('a', { commit: 3 });
      for (const index of [2, 3, 3]) {
        stage.court.applied(stage.node('a'), entry(index, 1), state(index));
      }
    },
  ],
  [
    'a command left out',
    'state-ordering',
    (stage) => {
      stage.elect(3);
      stage.step('a', { commit: 3 });
      stage.court.applied(stage.node('a'), entry(3, 1), state(3));
      stage.step('a');
    },
  ],
  [
    'a command applied before it is committed',
    'state-ordering',
    (stage) => {
      stage.elect(3);
      stage.court.applied(stage.node('a'), entry(2, 1), state(2));
      stage.step('a');
    },
  ],
  [
    'a commit that only one disk has',
    'committed-on-quorum',
    (stage) => {
      stage.elect(2);
      stage.store('a', entry(3, 1));
      stage.issue('b', { kind: 'store', logs: [entry(3, 1)] });
      stage.step('a', { commit: 3 });
    },
  ],
  [
    'a commit of an older term by counting',
    'committed-on-quorum',
    (stage) => {
      stage.elect(2);
      stage.keys('b', { CurrentTerm: 2, LastVoteTerm: 2 });
      stage.step('b', { role: RaftState.Leader, term: 2, commit: 2 });
    },
  ],
  [
    'a vote that is not on the disk',
    'persist-before-reply',
    (stage) => {
      stage.keys('c', { CurrentTerm: 2 });
      stage.issue('c', { kind: 'keys', writes: new Map([['LastVoteTerm', 2]]) });
      stage.court.replySent('sim:c', 'sim:a', voteOf(2, 'a'), granted(2));
    },
  ],
  [
    'a term that is not on the disk',
    'persist-before-reply',
    (stage) => {
      stage.court.replySent('sim:c', 'sim:a', voteOf(2, 'a'), new RequestVoteResponse({ term: 2 }));
    },
  ],
  [
    'a request of a term that is not on the disk',
    'persist-before-reply',
    (stage) => {
      stage.court.requestSent('sim:c', 'sim:a', voteOf(2, 'c'));
    },
  ],
  [
    'an acknowledged entry that is not on the disk',
    'persist-before-reply',
    (stage) => {
      stage.elect(2);
      stage.issue('b', { kind: 'store', logs: [entry(3, 1)] });
      const fields = { term: 1, prevLogEntry: 2, prevLogTerm: 1, entries: [entry(3, 1)] };
      const request = new AppendEntriesRequest({ ...fields, rpcHeader: header('a') });
      stage.court.replySent('sim:b', 'sim:a', request, appended(1));
    },
  ],
  [
    'an acknowledged snapshot that is not on the disk',
    'persist-before-reply',
    (stage) => {
      stage.elect(2);
      const request = new InstallSnapshotRequest({ term: 1, lastLogIndex: 9, lastLogTerm: 1 });
      const reply = new InstallSnapshotResponse({ term: 1, success: true });
      stage.court.replySent('sim:b', 'sim:a', request, reply);
    },
  ],
  [
    'an answer after a failed write',
    'first-failure-is-last',
    (stage) => {
      stage.elect(1);
      stage.court.writeFailed('b');
      stage.step('b');
      stage.court.replySent('sim:b', 'sim:a', new AppendEntriesRequest({ term: 1 }), appended(1));
    },
  ],
  [
    'a write after a failed write',
    'first-failure-is-last',
    (stage) => {
      stage.elect(1);
      stage.court.writeFailed('b');
      stage.step('b');
      stage.issue('b', { kind: 'store', logs: [entry(2, 1)] });
    },
  ],
  [
    'a committed entry that is cut',
    'committed-never-cut',
    (stage) => {
      stage.elect(3);
      stage.step('a', { commit: 3 });
      stage.write('b', { kind: 'replace', from: 3, logs: [entry(3, 2)] });
    },
  ],
  [
    'an uncommitted entry that is cut',
    null,
    (stage) => {
      stage.elect(3);
      stage.step('a', { commit: 2 });
      stage.write('b', { kind: 'replace', from: 3, logs: [entry(3, 2)] });
    },
  ],
  [
    'a head that no snapshot covers',
    'committed-never-cut',
    (stage) => {
      stage.elect(4);
      stage.step('a', { commit: 4 });
      stage.snapshot('b', 2, 1);
      stage.write('b', { kind: 'delete', min: 1, max: 3 });
    },
  ],
  [
    'a hole between two writes',
    'log-without-holes',
    (stage) => {
      stage.elect(2);
      stage.store('b', entry(4, 1));
    },
  ],
  [
    'an old log below a snapshot and its successor',
    'log-without-holes',
    (stage) => {
      stage.elect(2);
      stage.snapshot('b', 9, 1);
      stage.store('b', entry(11, 1));
    },
  ],
  [
    'a read that misses an acknowledged write',
    'linear-reads',
    (stage) => {
      stage.court.read(stage.node('a'), 5, state(4));
    },
  ],
  [
    'a confirmed leader that was deposed before',
    'verified-leader',
    (stage) => {
      stage.court.verified(stage.node('a'), 3, 4);
    },
  ],
  [
    'a denied command that is committed',
    'truthful-outcomes',
    (stage) => {
      stage.elect(2);
      stage.court.outcome(stage.node('a'), utf8('x=2'), 'not-applied', 0);
      stage.step('a', { commit: 2 });
    },
  ],
  [
    'an acknowledged command that is not there',
    'truthful-outcomes',
    (stage) => {
      stage.elect(2);
      stage.step('a', { commit: 2 });
      stage.court.outcome(stage.node('a'), utf8('x=9'), 'applied', 2);
      stage.step('a');
    },
  ],
  [
    'a command committed two times',
    'truthful-outcomes',
    (stage) => {
      stage.elect(2);
      for (const id of ['a', 'b']) stage.store(id, entry(3, 1, 'x=2'));
      stage.step('a', { commit: 3 });
    },
  ],
  [
    'a leader that speaks for a term it has left',
    'leader-speaks-for-its-term',
    (stage) => {
      stage.elect(1);
      stage.step('a', { role: RaftState.Follower, term: 2 });
      stage.court.requestSent('sim:a', 'sim:b', new AppendEntriesRequest({ term: 1 }));
    },
  ],
  [
    'a leader that sends what is not in its log',
    'leader-speaks-for-its-term',
    (stage) => {
      stage.elect(2);
      const request = new AppendEntriesRequest({ term: 1, entries: [entry(2, 3)] });
      stage.court.requestSent('sim:a', 'sim:b', request);
    },
  ],
  [
    'a node that stops although its disk works',
    'stops-only-for-cause',
    (stage) => {
      stage.court.retired(stage.node('a'), new Error('entry 3 after 5'));
    },
  ],
  [
    'a question without an answer',
    'every-future-settles-once',
    (stage) => {
      stage.court.asked({ number: 1, kind: 'apply', node: stage.node('a') });
      stage.court.ended();
    },
  ],
  [
    'a question to a process that was killed',
    null,
    (stage) => {
      stage.court.asked({ number: 1, kind: 'apply', node: stage.node('a') });
      stage.court.started(stage.node('a'));
      stage.court.ended();
    },
  ],
  [
    'an answer that changes',
    'every-future-settles-once',
    (stage) => {
      const question = { number: 1, kind: 'apply', node: stage.node('a') };
      stage.court.asked(question);
      stage.court.answered(question, 'ok');
      stage.court.answered(question, 'ERR_LEADERSHIP_LOST');
    },
  ],
];

describe('the invariants', () => {
  it.each(stories)('%s: %s', (_title, broken, tell) => {
    const stage = new Stage();
    tell(stage);
    const found = stage.court.violation;
    expect(found?.invariant ?? null, found?.message ?? '').toBe(broken);
  });

  it('are each broken by a story, and each name their source', () => {
    const broken = new Set(stories.map(([, name]) => name));
    for (const { name, source } of invariants) {
      expect(broken).toContain(name);
      expect(source).not.toBe('');
    }
  });
});
