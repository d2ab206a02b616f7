/**
 * A real node on a real disk, to be run under strace. Before it asks something of the node it says
 * "CALL ...", and when the node has acknowledged that, "ACK ...". Two roles: `leader` is the only
 * voter and applies commands; `follower` is asked for votes and given entries and snapshots by a
 * peer that lives in this process too.
 */
import { writeSync } from 'node:fs';
import { newRaft, type Raft, silentLogger } from '../../index.ts';
import { utf8 } from '../../internal/bytes.ts';
import { ZERO_TIME } from '../../internal/timestamp.ts';
import { defaultConfig } from '../../raft/config.ts';
import { Configuration, ServerSuffrage } from '../../raft/configuration.ts';
import { encodeConfiguration } from '../../raft/configuration-codec.ts';
import type { FSM } from '../../raft/fsm.ts';
import { type Log, LogType } from '../../raft/log.ts';
import {
  AppendEntriesRequest,
  InstallSnapshotRequest,
  RequestVoteRequest,
} from '../../raft/messages.ts';
import { bootstrapCluster } from '../../raft/recover.ts';
import { newFileSnapshotStoreWithLogger } from '../../snapshot/new-file-snapshot-store.ts';
import { newLMDBStore } from '../../store/lmdb-store.ts';
import { type InmemTransport, newInmemTransport } from '../../transport/index.ts';
import type { Claim } from './claim.ts';

const [role = '', directory = ''] = process.argv.slice(2);
const ROUNDS = 48;
const NO_LIMIT_MS = 600_000;

const say = (word: 'CALL' | 'ACK', claim: Claim): void => {
  writeSync(1, `${word} ${JSON.stringify(claim)}\n`);
};

/** A state of 20,000 bytes: a snapshot of several writes. */
const fsm: FSM = {
  apply: (log) => log.index,
  snapshot: () => ({
    persist: async (sink) => {
      for (let at = 0; at < 5; at += 1) await sink.write(new Uint8Array(4000).fill(at));
    },
    release: () => {},
  }),
  restore: async (reader) => {
    for await (const _ of reader);
  },
};

/** Sizes from a few bytes to several pages. */
function textOf(index: number, term: number): string {
  return `${index}/${term}/`.padEnd([8, 300, 40, 9000, 2000][index % 5] ?? 0, '.');
}

async function lead(raft: Raft): Promise<void> {
  for await (const leads of raft.leaderCh()) if (leads) break;
  await raft.barrier(NO_LIMIT_MS);
  for (let round = 1; round <= ROUNDS; round += 1) {
    const next = raft.lastIndex() + 1;
    const term = raft.currentTerm();
    const count = 1 + (round % 4);
    const entries = Array.from({ length: count }, (_, at) => {
      return { index: next + at, term, text: textOf(next + at, term) };
    });
    say('CALL', { kind: 'entries', from: next, entries });
    await Promise.all(entries.map(({ text }) => raft.apply(utf8(text), NO_LIMIT_MS)));
    say('ACK', { kind: 'entries', from: next, entries });
    if (round % 8 === 0) await raft.snapshot();
  }
}

class Peer {
  readonly #trans: InmemTransport;
  readonly #raft: Raft;
  #term = 1;

  constructor(trans: InmemTransport, raft: Raft) {
    this.#trans = trans;
    this.#raft = raft;
  }

  #header() {
    return { protocolVersion: 3 as const, id: utf8('peer'), addr: utf8('peer') };
  }

  async askVote(): Promise<void> {
    this.#term += 1;
    const claim: Claim = { kind: 'vote', term: this.#term, candidate: 'peer' };
    say('CALL', claim);
    const reply = await this.#trans.requestVote(
      'node',
      'node',
      new RequestVoteRequest({
        rpcHeader: this.#header(),
        term: this.#term,
        lastLogIndex: 1_000_000,
        lastLogTerm: this.#term,
      }),
    );
    if (!reply.granted) throw new Error('the vote was refused');
    say('ACK', claim);
  }

  /** Sends entries behind `prev`; those the node has there in another term are replaced. */
  async append(prev: number, prevTerm: number, count: number, commit: number): Promise<void> {
    const term = this.#term;
    const entries = Array.from({ length: count }, (_, at) => {
      const index = prev + 1 + at;
      return { index, term, text: textOf(index, term) };
    });
    say('CALL', { kind: 'entries', from: prev + 1, entries });
    const logs = entries.map(
      ({ index, text }): Log => ({
        index,
        term,
        type: LogType.LogCommand,
        data: utf8(text),
        extensions: null,
        appendedAt: ZERO_TIME,
      }),
    );
    const reply = await this.#trans.appendEntries(
      'node',
      'node',
      new AppendEntriesRequest({
        rpcHeader: this.#header(),
        term,
        leader: utf8('peer'),
        prevLogEntry: prev,
        prevLogTerm: prevTerm,
        entries: logs,
        leaderCommitIndex: commit,
      }),
    );
    if (!reply.success) throw new Error(`entries ${prev + 1} were refused`);
    say('ACK', { kind: 'entries', from: prev + 1, entries });
  }

  async install(index: number, configuration: Configuration): Promise<void> {
    const claim: Claim = { kind: 'snapshot', index };
    say('CALL', claim);
    const bytes = new Uint8Array(20_000).fill(7);
    const reply = await this.#trans.installSnapshot(
      'node',
      'node',
      new InstallSnapshotRequest({
        rpcHeader: this.#header(),
        snapshotVersion: 1,
        term: this.#term,
        leader: utf8('peer'),
        lastLogIndex: index,
        lastLogTerm: this.#term,
        configuration: encodeConfiguration(configuration),
        configurationIndex: 1,
        size: bytes.length,
      }),
      (async function* () {
        yield bytes;
      })(),
    );
    if (!reply.success) throw new Error('the snapshot was refused');
    say('ACK', claim);
  }

  /** One round: a new term, entries, and a conflict where the last leader had gone further. */
  async play(round: number, configuration: Configuration): Promise<void> {
    const committed = this.#raft.commitIndex();
    const committedTerm = committed <= 1 ? 1 : this.#term;
    await this.askVote();
    const base = Math.max(committed, 1);
    await this.append(base, committedTerm, 1 + (round % 5), base);
    await this.append(base, committedTerm, 1 + (round % 5), base + 1);
    await this.askVote();
    // The one committed entry stays; what the last leader wrote behind it is cut.
    await this.append(base + 1, this.#term - 1, 2 + (round % 3), base + 1);
    await this.append(base + 1, this.#term - 1, 2 + (round % 3), base + 3);
    if (round % 6 === 3) {
      await this.#raft.snapshot();
    }
    if (round % 6 === 5) await this.install(this.#raft.lastIndex() + 10, configuration);
  }
}

const store = await newLMDBStore({ path: `${directory}/raft` });
const snaps = await newFileSnapshotStoreWithLogger(directory, 2, silentLogger);
const [, trans] = newInmemTransport('node');
const [, peerTrans] = newInmemTransport('peer');
peerTrans.connect('node', trans);
const timeoutMs = role === 'leader' ? 50 : NO_LIMIT_MS;
const config = {
  ...defaultConfig(),
  localID: 'node',
  heartbeatTimeout: timeoutMs,
  electionTimeout: timeoutMs,
  leaderLeaseTimeout: 50,
  trailingLogs: 4,
  snapshotInterval: NO_LIMIT_MS,
  logger: silentLogger,
};
const voter = (id: string) => ({ suffrage: ServerSuffrage.Voter, id, address: id });
const servers = role === 'leader' ? [voter('node')] : [voter('node'), voter('peer')];
const configuration = new Configuration(servers);
await bootstrapCluster(config, store, store, snaps, trans, configuration);
const raft = await newRaft(config, fsm, store, store, snaps, trans);
if (role === 'leader') await lead(raft);
else {
  const peer = new Peer(peerTrans, raft);
  for (let round = 1; round <= ROUNDS / 2; round += 1) await peer.play(round, configuration);
}
await raft.shutdown();
await store.close();
