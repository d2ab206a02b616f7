import { describe, expect, it } from 'vitest';
import { newLeader, peerOf, voters } from '../../testing/core-fixture.ts';
import { HookedStore, turn } from '../../testing/runtime-fixture.ts';
import { newInmemTransport } from '../../transport/inmem-transport.ts';
import { encodeConfiguration, encodePeers } from '../configuration-codec.ts';
import type { PeerInput } from '../core/input.ts';
import { RaftError } from '../errors.ts';
import { InstallSnapshotResponse } from '../messages.ts';
import type { SnapshotMeta, SnapshotStore } from '../snapshot.ts';
import type { Transport } from '../transport.ts';
import { Entries } from './entries.ts';
import { PeerSenders } from './peer-sender.ts';

function snapshotStore(reader: AsyncIterable<Uint8Array> | null): SnapshotStore {
  const meta: SnapshotMeta = {
    version: 1,
    id: 'snap',
    index: 7,
    term: 1,
    peers: null,
    configuration: voters('a', 'b', 'c'),
    configurationIndex: 1,
    size: 3,
  };
  return {
    create: () => {
      throw new Error('nothing is written here');
    },
    list: () => (reader === null ? [] : [meta]),
    open: () => {
      if (reader === null) throw new Error('no snapshot');
      return { meta, reader };
    },
  };
}

function setUp(reader: AsyncIterable<Uint8Array> | null = null) {
  const { node, leadership } = newLeader();
  const peer = peerOf(node, 'b');
  const inputs: PeerInput[] = [];
  const fatal: Error[] = [];
  const snaps = snapshotStore(reader);
  const trans: Transport = newInmemTransport('a:1')[1];
  const senders = new PeerSenders({
    node,
    trans,
    entries: new Entries(new HookedStore()),
    snaps,
    nowMs: () => 42,
    step: (input) => void inputs.push(input),
    isStopped: () => false,
    onFatal: (error) => void fatal.push(error),
  });
  return { node, leadership, peer, senders, trans, inputs, snaps, fatal };
}

describe('a snapshot for a follower', () => {
  function readerOf() {
    const state = { isOver: false };
    async function* read() {
      try {
        yield new Uint8Array(3);
      } finally {
        state.isOver = true;
      }
    }
    return { state, reader: read() };
  }

  it('is sent with what it is, and its reader is let go, read or not (S79)', async () => {
    for (const reads of [true, false]) {
      const { state, reader } = readerOf();
      const { senders, trans, leadership, peer, inputs } = setUp(reader);
      let request: unknown;
      trans.installSnapshot = async (_id, _address, args, data) => {
        request = args;
        for await (const chunk of data) {
          if (!reads) break;
          expect(chunk).toHaveLength(3);
        }
        return new InstallSnapshotResponse({ term: 1, success: true });
      };
      senders.snapshot({ kind: 'sendSnapshot', leadership, peer, epoch: peer.epoch, round: 4 });
      await turn();
      expect(request).toMatchObject({
        lastLogIndex: 7,
        lastLogTerm: 1,
        configuration: encodeConfiguration(voters('a', 'b', 'c')),
        configurationIndex: 1,
        peers: encodePeers(voters('a', 'b', 'c'), trans),
        snapshotVersion: 1,
        size: 3,
      });
      expect(inputs).toMatchObject([{ kind: 'snapshotReply', index: 7, round: 4, sentAtMs: 42 }]);
      expect(state.isOver).toBe(true);
    }
  });

  it('that is not there, or cannot be sent, is told as a failure (S79)', async () => {
    const none = setUp();
    const { leadership, peer } = none;
    none.senders.snapshot({ kind: 'sendSnapshot', leadership, peer, epoch: peer.epoch, round: 4 });
    await turn();
    expect(none.inputs).toMatchObject([
      { kind: 'snapshotReply', outcome: { error: { message: 'no snapshots found' } } },
    ]);

    const { state, reader } = readerOf();
    const failing = setUp(reader);
    failing.trans.installSnapshot = () => {
      throw new Error('refused');
    };
    failing.senders.snapshot({
      kind: 'sendSnapshot',
      leadership: failing.leadership,
      peer: failing.peer,
      epoch: failing.peer.epoch,
      round: 4,
    });
    await turn();
    expect(failing.inputs).toMatchObject([
      { kind: 'snapshotReply', outcome: { error: { message: 'refused' } } },
    ]);
    expect((await reader.next()).done).toBe(true);
    expect(state.isOver).toBe(false);
  });

  it('is the end when it is damaged: it is never sent, and the error says what to do', async () => {
    const { senders, snaps, trans, fatal, leadership, peer } = setUp(readerOf().reader);
    let calls = 0;
    trans.installSnapshot = async () => {
      calls += 1;
      return new InstallSnapshotResponse({});
    };
    snaps.open = () => Promise.reject(new RaftError('ERR_SNAPSHOT_CORRUPT', 'CRC mismatch'));
    senders.snapshot({ kind: 'sendSnapshot', leadership, peer, epoch: peer.epoch, round: 4 });
    await turn();
    expect(calls).toBe(0);
    expect(fatal.map(String)).toEqual([
      expect.stringMatching(/snapshot \S+ is damaged on disk: CRC mismatch; .*quorate verify/),
    ]);
  });

  it('is not sent when the leadership has ended, and its reader is let go', async () => {
    const { reader } = readerOf();
    const { senders, node, trans, leadership, peer, inputs } = setUp(reader);
    let calls = 0;
    trans.installSnapshot = async () => {
      calls += 1;
      return new InstallSnapshotResponse({});
    };
    senders.snapshot({ kind: 'sendSnapshot', leadership, peer, epoch: peer.epoch, round: 4 });
    node.leadership = null;
    await turn();
    expect([calls, inputs]).toEqual([0, []]);
    expect((await reader.next()).done).toBe(true);
  });
});
