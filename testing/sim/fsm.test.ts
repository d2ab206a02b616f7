import { describe, expect, it } from 'vitest';
import { concatBytes, utf8 } from '../../internal/bytes.ts';
import { ZERO_TIME } from '../../internal/timestamp.ts';
import { type Log, LogType } from '../../raft/log.ts';
import type { SnapshotSink } from '../../raft/snapshot.ts';
import { BatchingSimFSM, type FSMState, SimFSM } from './fsm.ts';

const watcher = { applied() {}, restored() {} };

function command(index: number, text: string): Log {
  const rest = { extensions: null, appendedAt: ZERO_TIME };
  return { index, term: 1, type: LogType.LogCommand, data: utf8(text), ...rest };
}

/** A sink that lets something happen after every chunk. */
function sinkWith(chunks: Uint8Array[], between: () => void): SnapshotSink {
  return {
    id: () => 'x',
    close: async () => {},
    cancel: async () => {},
    write: async (chunk) => {
      chunks.push(chunk);
      between();
      return chunk.length;
    },
  };
}

describe('the state machine of the simulator', () => {
  it('draws the state of its index while commands go on', async () => {
    const fsm = new SimFSM(watcher, null);
    for (let i = 1; i <= 20; i += 1) fsm.apply(command(i, `k${i % 10}=a${i}`));
    const atSnapshot = fsm.state;
    const picture = fsm.snapshot();
    const chunks: Uint8Array[] = [];
    let next = 21;
    await picture.persist(
      sinkWith(chunks, () => {
        for (let k = 0; k < 15; k += 1, next += 1) fsm.apply(command(next, `k${k}=b${next}`));
      }),
    );
    picture.release();
    expect(fsm.state.index).toBeGreaterThan(40);
    const restored: FSMState[] = [];
    const other = new SimFSM({ applied() {}, restored: (state) => restored.push(state) }, null);
    await other.restore(
      (async function* () {
        yield concatBytes(chunks);
      })(),
    );
    expect(restored).toEqual([atSnapshot]);
  });

  it('comes to the same state by batches as one by one', async () => {
    const logs = [command(1, 'a=1'), command(2, 'b=2'), command(4, 'a=3')];
    const single = new SimFSM(watcher, null);
    for (const log of logs) single.apply(log);
    const batching = new BatchingSimFSM(watcher, () => Promise.resolve());
    const barrier = { ...command(3, ''), type: LogType.LogConfiguration };
    const [first, second, third] = logs;
    if (first === undefined || second === undefined || third === undefined) throw new Error();
    const results = await batching.applyBatch([first, second, barrier, third]);
    const at = (index: number) => ({ index, output: undefined });
    expect(results).toEqual([at(1), at(2), undefined, at(4)]);
    expect(batching.state).toEqual(single.state);
  });

  it('does what the model of the checker does', () => {
    const fsm = new SimFSM(watcher, null);
    let index = 0;
    const told = (text: string) => {
      index += 1;
      const response = fsm.apply(command(index, `${text} #${index}`));
      return 'output' in response ? response.output : undefined;
    };
    expect(told('set a 1')).toBeNull();
    expect(told('append a 2')).toBe('12');
    expect(told('cas a 1 3')).toBe(false);
    expect(told('cas a 12 3')).toBe(true);
    expect(told('cas b  4')).toBe(true);
    expect(told('delete a')).toBe('3');
    expect([fsm.get('a'), fsm.get('b')]).toEqual([null, '4']);
  });
});
