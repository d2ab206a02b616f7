import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger } from '../../index.ts';
import { utf8 } from '../../internal/bytes.ts';
import { Configuration, ServerSuffrage } from '../../raft/configuration.ts';
import {
  KEY_CURRENT_TERM,
  KEY_LAST_VOTE_CANDIDATE,
  KEY_LAST_VOTE_TERM,
} from '../../raft/stable.ts';
import { newFileSnapshotStoreWithLogger } from '../../snapshot/new-file-snapshot-store.ts';
import { newLMDBStore } from '../../store/lmdb-store.ts';
import { newInmemTransport } from '../../transport/index.ts';
import { logOf } from '../runtime-fixture.ts';
import type { Claim, ClaimedEntry } from './claim.ts';
import { judge } from './judge.ts';
import { Promises } from './promises.ts';

let directory = '';

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'quorate-judge-'));
});

afterEach(async () => {
  await rm(directory, { recursive: true });
});

/** A disk as a power cut might leave it. */
async function left(
  entries: readonly ClaimedEntry[],
  { term = 2, voteTerm = 2, candidate = 'peer' } = {},
): Promise<void> {
  const store = await newLMDBStore({ path: join(directory, 'raft') });
  await store.storeLogs(
    entries.map(({ index, term: of, text }) => ({ ...logOf(index, of), data: utf8(text) })),
  );
  await store.setUint64(KEY_CURRENT_TERM, term);
  await store.setUint64(KEY_LAST_VOTE_TERM, voteTerm);
  await store.set(KEY_LAST_VOTE_CANDIDATE, utf8(candidate));
  await store.close();
}

async function leftSnapshot(index: number): Promise<void> {
  const snaps = await newFileSnapshotStoreWithLogger(directory, 2, silentLogger);
  const [, trans] = newInmemTransport('node');
  const voter = { suffrage: ServerSuffrage.Voter, id: 'node', address: 'node' };
  const sink = await snaps.create(1, index, 2, new Configuration([voter]), 1, trans);
  await sink.close();
}

const entry = (index: number, term = 2): ClaimedEntry => ({
  index,
  term,
  text: `${index}/${term}`,
});
const entriesFrom = (from: number, entries: ClaimedEntry[]): Claim => ({
  kind: 'entries',
  from,
  entries,
});
const OLD = [1, 2, 3, 4, 5].map((index) => entry(index));

/** What the node has acknowledged: five entries and a vote, and what is asked behind them. */
function promised(...more: Claim[]): Promises {
  const promises = new Promises();
  promises.acknowledged(entriesFrom(1, OLD));
  promises.acknowledged({ kind: 'vote', term: 2, candidate: 'peer' });
  for (const claim of more) promises.acknowledged(claim);
  return promises;
}

describe('what a power cut has left', () => {
  it('is good when it holds every promise, and may hold more', async () => {
    await left([...OLD, entry(6)], { term: 3, voteTerm: 3, candidate: 'other' });
    await judge(directory, promised());
  });

  it.each<[string, ClaimedEntry[], Parameters<typeof left>[1]]>([
    ['entry 5 of term 2 is lost', OLD.slice(0, 4), {}],
    ['entry 5 of term 2 is lost', [...OLD.slice(0, 4), { ...entry(5), text: 'other' }], {}],
    [
      'entry 5 of term 2 is lost',
      [...OLD.slice(0, 4), { ...entry(5, 3), text: '5/2' }],
      { term: 3 },
    ],
    ['term 2 is lost, the store has 1', [], { term: 1, voteTerm: 1 }],
    ['the vote of term 2 is lost', OLD, { voteTerm: 1 }],
    ['the vote of term 2 went to other', OLD, { candidate: 'other' }],
    ['LastVoteTerm: term 5 is ahead of the current term 2', OLD, { voteTerm: 5 }],
  ])('is not: %s', async (text, entries, state) => {
    await left(entries, state);
    const promises = entries.length > 0 ? promised() : new Promises();
    if (entries.length === 0) promises.acknowledged({ kind: 'vote', term: 2, candidate: 'peer' });
    await expect(judge(directory, promises)).rejects.toThrow(text);
  });

  it('may lack entries that a snapshot covers, but not the snapshot', async () => {
    await left([entry(5)]);
    await leftSnapshot(4);
    await judge(directory, promised());
    await judge(directory, promised({ kind: 'snapshot', index: 4 }));
    const promises = promised({ kind: 'snapshot', index: 9 });
    await expect(judge(directory, promises)).rejects.toThrow('snapshot 9 is lost');
  });

  it('may have all of a tail that was being replaced, or nothing of it', async () => {
    const claim = entriesFrom(4, [entry(4, 3), entry(5, 3)]);
    const promises = promised();
    promises.called(claim);
    const state = { term: 3, voteTerm: 2 };
    await left([...OLD.slice(0, 3), entry(4, 3)], state);
    await expect(judge(directory, promises)).rejects.toThrow('entry 4 of term 2 is lost');
    await left([entry(5, 3)], state);
    await judge(directory, promises);
    await left(OLD.slice(3), state);
    await judge(directory, promises);
    promises.acknowledged(claim);
    await expect(judge(directory, promises)).rejects.toThrow('entry 4 of term 3 is lost');
  });
});

describe('promises', () => {
  it('of entries end where others take their place', () => {
    const promises = promised(entriesFrom(4, [entry(4, 3)]));
    expect([...promises.entries.values()]).toEqual([...OLD.slice(0, 3), entry(4, 3)]);
    expect([promises.term, promises.count]).toEqual([3, 3]);
    expect(promises.replacedFrom).toBe(Number.POSITIVE_INFINITY);
  });
});
