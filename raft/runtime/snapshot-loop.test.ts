import { describe, expect, it } from 'vitest';
import { newInmemSnapshotStore } from '../../snapshot/inmem-snapshot-store.ts';
import { recordingLogger, voters } from '../../testing/core-fixture.ts';
import { Gate, HookedStore, ListFSM, turn, VirtualTime } from '../../testing/runtime-fixture.ts';
import { newInmemTransport } from '../../transport/inmem-transport.ts';
import { ErrNothingNewToSnapshot, ErrRaftShutdown } from '../errors.ts';
import { Entries } from './entries.ts';
import { type Capture, FsmLoop } from './fsm-loop.ts';
import { InFlightEntries } from './ledger.ts';
import { SnapshotLoop } from './snapshot-loop.ts';

/** The FSM's side of a snapshot, without entries to apply. */
class PicturedFsm extends FsmLoop {
  readonly #picture: () => Capture;

  constructor({ clock }: VirtualTime, picture: () => Capture) {
    super({
      fsm: new ListFSM(),
      entries: new Entries(new HookedStore()),
      inFlight: new InFlightEntries(),
      clock,
      maxBatch: 1,
      appliedIndex: 0,
      onProgress: () => {},
      onFatal: () => {},
    });
    this.#picture = picture;
  }

  override async capture(): Promise<Capture> {
    return this.#picture();
  }
}

function setUp() {
  const time = new VirtualTime();
  const fsm = new ListFSM();
  fsm.applied = ['x'];
  const snaps = newInmemSnapshotStore(time.clock);
  const { log, lines } = recordingLogger();
  const state = {
    index: 10,
    configurationIndex: 3,
    isWorthwhile: true,
    configurationGate: new Gate(),
  };
  state.configurationGate.open();
  const taken: string[] = [];
  const loop = new SnapshotLoop({
    clock: time.clock,
    random: { next: () => 0 },
    log,
    fsm: new PicturedFsm(time, () => {
      if (state.index === 0) throw ErrNothingNewToSnapshot;
      return { index: state.index, term: 2, snapshot: fsm.snapshot() };
    }),
    snaps,
    trans: newInmemTransport('a:1', { clock: time.clock })[1],
    intervalMs: () => 1000,
    isWorthwhile: () => state.isWorthwhile,
    async configuration() {
      await state.configurationGate.pass();
      return { configuration: voters('a'), configurationIndex: state.configurationIndex };
    },
    onTaken: (index, term) => void taken.push(`${index}@${term}`),
  });
  return { time, fsm, snaps, loop, state, taken, lines };
}

async function read(reader: AsyncIterable<Uint8Array>): Promise<string> {
  let text = '';
  for await (const chunk of reader) text += new TextDecoder().decode(chunk);
  return text;
}

describe('a snapshot that is asked for', () => {
  it('is written with its metadata, told, and opened once (S145, S150, S151)', async () => {
    const { loop, snaps, taken, fsm } = setUp();
    const future = loop.take();
    await future;
    const [meta] = snaps.list();
    expect(meta).toMatchObject({ version: 1, index: 10, term: 2, configurationIndex: 3 });
    expect(taken).toEqual(['10@2']);
    const { reader } = await future.open();
    expect(await read(reader)).toBe('["x"]');
    await expect(future.open()).rejects.toThrow('no snapshot available');
    expect(fsm.released).toBe(1);
  });

  it('waits for the one under way', async () => {
    const { loop, fsm } = setUp();
    const gate = new Gate();
    fsm.onPersist = gate.pass;
    const futures = [loop.take(), loop.take()];
    await turn();
    expect(gate.waiting).toBe(1);
    gate.open();
    await Promise.all(futures);
    expect(fsm.released).toBe(2);
  });

  it('fails when there is nothing to put into it, and the next one may succeed', async () => {
    const { loop, state } = setUp();
    state.index = 0;
    expect(await loop.take().error()).toBe(ErrNothingNewToSnapshot);
    state.index = 1;
    state.configurationIndex = 1;
    expect(await loop.take().error()).toBeNull();
  });

  it('is refused while its membership is newer than its state (S145)', async () => {
    const { loop, state, snaps, fsm } = setUp();
    state.configurationIndex = 11;
    const error = await loop.take().error();
    expect(error?.message).toBe(
      'cannot take snapshot now, wait until the configuration entry at 11 has been applied ' +
        '(have applied 10)',
    );
    expect([snaps.list(), fsm.released]).toEqual([[], 1]);
  });

  it('that cannot be persisted is cancelled, and its picture let go (S140, S145)', async () => {
    const { loop, fsm, snaps, taken } = setUp();
    fsm.onPersist = () => Promise.reject(new Error('disk is full'));
    const future = loop.take();
    expect((await future.error())?.message).toBe('failed to persist snapshot: disk is full');
    await expect(future.open()).rejects.toThrow('no snapshot available');
    expect([snaps.list(), taken, fsm.released]).toEqual([[], [], 1]);
  });

  it.each([
    ['create', 'failed to create snapshot: no'],
    ['close', 'failed to close snapshot: no'],
  ])('that fails at %s says so (S145)', async (step, text) => {
    const { loop, snaps, fsm } = setUp();
    const create = snaps.create.bind(snaps);
    snaps.create = (...args) => {
      if (step === 'create') throw new Error('no');
      return Object.assign(create(...args), { close: () => Promise.reject(new Error('no')) });
    };
    expect((await loop.take().error())?.message).toBe(text);
    expect(fsm.released).toBe(1);
  });
});

describe('periodic snapshots', () => {
  it('are taken when enough has come since the last, and not otherwise', async () => {
    const { time, loop, state, taken } = setUp();
    state.isWorthwhile = false;
    loop.start();
    await time.pass(5000);
    expect(taken).toEqual([]);
    state.isWorthwhile = true;
    await time.pass(1001);
    expect(taken).toEqual(['10@2']);
    await time.pass(1001);
    expect(taken).toHaveLength(2);
    await loop.stop();
  });

  it('go on after one that failed', async () => {
    const { time, loop, state, taken, lines } = setUp();
    state.configurationIndex = 11;
    loop.start();
    await time.pass(1500);
    expect(lines).toContain('error: failed to take snapshot');
    state.configurationIndex = 3;
    await time.pass(1000);
    expect(taken).toEqual(['10@2']);
    await loop.stop();
  });

  it('end with the loop', async () => {
    const { time, loop, taken } = setUp();
    loop.start();
    await loop.stop();
    await time.pass(10_000);
    expect(taken).toEqual([]);
  });
});

describe('stopping', () => {
  it('settles at once whoever asked, and waits for what is under way', async () => {
    const { loop, fsm, snaps, taken } = setUp();
    const gate = new Gate();
    fsm.onPersist = gate.pass;
    const [first, second] = [loop.take(), loop.take()];
    await turn();
    let isStopped = false;
    const stopped = loop.stop().then(() => {
      isStopped = true;
    });
    expect([await first.error(), await second.error()]).toEqual([ErrRaftShutdown, ErrRaftShutdown]);
    expect(await loop.take().error()).toBe(ErrRaftShutdown);
    await turn();
    expect(isStopped).toBe(false);
    gate.open();
    await stopped;
    expect([snaps.list(), taken, fsm.released]).toEqual([[], [], 1]);
  });
});
