import { describe, expect, it } from 'vitest';
import { type Raft, seededRandom } from '../../index.ts';
import {
  type Cluster,
  inmemConfig,
  makeClusterCustom,
  newVirtualClock,
  type VirtualClock,
} from '../../testing/index.ts';
import { LockService, type Reply } from './lock-service.ts';
import { LockTable } from './lock-table.ts';

/** Three nodes on virtual time, each with its service. */
class Locks {
  readonly cluster: Cluster;
  readonly clock: VirtualClock;
  readonly #services = new Map<Raft, LockService>();

  private constructor(cluster: Cluster, clock: VirtualClock) {
    this.cluster = cluster;
    this.clock = clock;
    for (const raft of cluster.rafts) this.serve(raft);
  }

  static async start(seed = 1): Promise<Locks> {
    const clock = newVirtualClock();
    const cluster = await makeClusterCustom({
      peers: 3,
      bootstrap: true,
      conf: { ...inmemConfig(), clock, random: seededRandom(seed) },
      makeFSMFunc: () => new LockTable(),
    });
    return new Locks(cluster, clock);
  }

  serve(raft: Raft): void {
    const service = new LockService(raft, this.tableOf(raft), this.clock);
    this.#services.set(raft, service);
    void service.run();
  }

  tableOf(raft: Raft): LockTable {
    const table = this.cluster.fsms[this.cluster.indexOf(raft)];
    if (!(table instanceof LockTable)) throw new Error('expected a LockTable');
    return table;
  }

  serviceOf(raft: Raft): LockService {
    const service = this.#services.get(raft);
    if (service === undefined) throw new Error('expected a node with a service');
    return service;
  }

  async leader(): Promise<{ raft: Raft; service: LockService }> {
    const raft = await this.cluster.leader();
    return { raft, service: this.serviceOf(raft) };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const service of this.#services.values()) service.stop();
    await this.cluster.close();
  }
}

function tokenOf({ granted, lease }: Reply): number {
  if (!granted || lease === null) throw new Error(`expected a grant, got ${JSON.stringify(lease)}`);
  return lease.token;
}

describe('a lock', () => {
  it('is held by one owner at a time, and each grant has a larger token', async () => {
    await using locks = await Locks.start();
    const { service } = await locks.leader();
    const first = tokenOf(await service.acquire('l', 'a', 1000));
    expect(await service.acquire('l', 'b', 1000)).toMatchObject({
      granted: false,
      lease: { owner: 'a', token: first },
    });
    expect((await service.release('l', first)).granted).toBe(true);
    const second = tokenOf(await service.acquire('l', 'b', 1000));
    expect(second).toBeGreaterThan(first);
    expect((await service.renew('l', first, 1000)).granted).toBe(false);
    expect(tokenOf(await service.acquire('other', 'a', 1000))).toBeGreaterThan(second);
  });

  it('ends on every node when its time is over, though nobody asks for it', async () => {
    await using locks = await Locks.start();
    const { service } = await locks.leader();
    await service.acquire('l', 'a', 1000);
    await locks.clock.sleep(990);
    expect(await service.get('l')).toMatchObject({ owner: 'a', expiresInMs: 10 });
    expect(locks.cluster.rafts.every((raft) => locks.tableOf(raft).get('l'))).toBe(true);
    await locks.clock.sleep(200);
    expect(locks.cluster.rafts.map((raft) => locks.tableOf(raft).get('l'))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(await service.get('l')).toBeNull();
  });

  it('lasts for as long as it is renewed', async () => {
    await using locks = await Locks.start();
    const { service } = await locks.leader();
    const token = tokenOf(await service.acquire('l', 'a', 300));
    for (let i = 0; i < 10; i += 1) {
      await locks.clock.sleep(200);
      expect((await service.renew('l', token, 300)).granted).toBe(true);
    }
    await locks.clock.sleep(400);
    expect((await service.renew('l', token, 300)).granted).toBe(false);
  });
});

describe('a new leader', () => {
  it('honours what the one before granted, and ends it no sooner than promised', async () => {
    await using locks = await Locks.start();
    const old = await locks.leader();
    await locks.clock.sleep(5000);
    const token = tokenOf(await old.service.acquire('l', 'a', 1000));
    const grantedMs = locks.clock.monotonicMs();
    locks.cluster.disconnect(old.raft.leader());
    const { raft, service } = await locks.leader();
    expect(raft).not.toBe(old.raft);
    expect((await service.acquire('l', 'b', 1000)).granted).toBe(false);
    expect((await service.renew('l', token, 1000)).granted).toBe(true);
    const heldMs = locks.clock.monotonicMs() - grantedMs;
    expect(heldMs).toBeLessThan(1000);
    await locks.clock.sleep(990);
    expect((await service.acquire('l', 'b', 1000)).granted).toBe(false);
    await locks.clock.sleep(50);
    expect(tokenOf(await service.acquire('l', 'b', 1000))).toBeGreaterThan(token);
  });

  it('does not count the time in which nobody led', async () => {
    await using locks = await Locks.start();
    const { service } = await locks.leader();
    await service.acquire('l', 'a', 1000);
    for (const trans of locks.cluster.trans) trans.disconnectAll();
    await locks.clock.sleep(5000);
    locks.cluster.fullyConnect();
    const next = await locks.leader();
    expect(await next.service.get('l')).toMatchObject({ owner: 'a' });
    await locks.clock.sleep(1000);
    expect(await next.service.get('l')).toBeNull();
  });

  it('is what a node without leadership sends its clients to', async () => {
    await using locks = await Locks.start();
    await locks.leader();
    const [follower] = await locks.cluster.followers();
    if (follower === undefined) throw new Error('a follower is missing');
    const refused = locks.serviceOf(follower).acquire('l', 'a', 1000);
    await expect(refused).rejects.toMatchObject({ outcome: 'not-applied' });
    await expect(refused).rejects.toThrow('node is not the leader');
    await expect(locks.serviceOf(follower).get('l')).rejects.toThrow('node is not the leader');
  });

  it('leaves a grant open whose leader lost its office before it was heard', async () => {
    await using locks = await Locks.start();
    const old = await locks.leader();
    locks.cluster.disconnect(old.raft.leader());
    await expect(old.service.acquire('l', 'a', 1000)).rejects.toMatchObject({
      outcome: 'unknown',
      message: 'leadership lost while committing log',
    });
  });
});

it('survives a restart of every node, one after the other', async () => {
  await using locks = await Locks.start();
  const token = tokenOf(await (await locks.leader()).service.acquire('l', 'a', 60_000));
  for (const raft of locks.cluster.rafts) {
    await raft.snapshot();
    locks.serve(await locks.cluster.restart(raft));
    await locks.leader();
  }
  const { service } = await locks.leader();
  expect(await service.get('l')).toMatchObject({ owner: 'a', token });
});
