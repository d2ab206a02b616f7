/**
 * A real node as a process of its own, for the test that looks at its system calls. Two roles:
 * `leader` is the only voter and applies commands one after the other, printing "ACK n" for each;
 * `follower` waits for what its peer, the test, asks of it.
 */
import { writeSync } from 'node:fs';
import { newRaft } from '../../index.ts';
import { utf8 } from '../../internal/bytes.ts';
import { defaultConfig } from '../../raft/config.ts';
import { Configuration, ServerSuffrage } from '../../raft/configuration.ts';
import type { FSM } from '../../raft/fsm.ts';
import { bootstrapCluster } from '../../raft/recover.ts';
import { newInmemSnapshotStore } from '../../snapshot/inmem-snapshot-store.ts';
import { newLMDBStore } from '../../store/lmdb-store.ts';
import { newTCPTransport } from '../../transport/index.ts';

const [role = '', path = '', peer = ''] = process.argv.slice(2);
const say = (line: string): void => {
  writeSync(1, `${line}\n`);
};

const fsm: FSM = {
  apply: (log) => log.index,
  snapshot: () => ({ persist: () => {}, release: () => {} }),
  restore: () => {},
};
const store = await newLMDBStore({ path });
const snaps = newInmemSnapshotStore();
const trans = await newTCPTransport('127.0.0.1:0', null, 3, 10_000, { write: () => true });
// A follower that never stands by itself: what it sends is answers and nothing else.
const timeoutMs = role === 'leader' ? 50 : 600_000;
const config = {
  ...defaultConfig(),
  localID: 'traced',
  heartbeatTimeout: timeoutMs,
  electionTimeout: timeoutMs,
  leaderLeaseTimeout: 50,
  logLevel: 'ERROR' as const,
};
const voter = (id: string, address: string) => ({ suffrage: ServerSuffrage.Voter, id, address });
const self = voter('traced', trans.localAddr());
const servers = role === 'leader' ? [self] : [self, voter('peer', peer)];
await bootstrapCluster(config, store, store, snaps, trans, new Configuration(servers));
const raft = await newRaft(config, fsm, store, store, snaps, trans);
say(`READY ${trans.localAddr()}`);

if (role === 'leader') {
  for await (const leads of raft.leaderCh()) if (leads) break;
  await raft.barrier(10_000);
  say('LEADS');
  for (let n = 1; n <= 20; n += 1) {
    await raft.apply(utf8(`command ${n}`), 10_000);
    say(`ACK ${n}`);
  }
} else {
  for await (const _ of process.stdin) break;
}
await raft.shutdown();
await store.close();
