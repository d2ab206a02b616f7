import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { utf8 } from '../../internal/bytes.ts';
import { led } from '../../testing/behaviour-fixture.ts';
import { failures, garbage, RejectionWatch, silence } from '../../testing/fault-fixture.ts';
import { ListFSM, TestCluster } from '../../testing/runtime-fixture.ts';
import { ErrRaftShutdown } from '../errors.ts';
import type { FSM } from '../fsm.ts';
import { RaftState } from '../state.ts';

const watch = new RejectionWatch();
beforeAll(watch.start);
afterAll(() => expect(watch.stop()).toEqual([]));

/** A state machine that is sound but for what is given. */
function withFault(fault: Readonly<Record<string, unknown>>): FSM {
  return Object.assign(new ListFSM(), fault);
}

describe('a state machine', () => {
  const one = async (fsm: FSM) => {
    const { nodes, time, leader, raft } = await led(1, { fsm });
    return { cluster: nodes, time, node: leader, raft };
  };

  it.each([
    ['throws', 'apply', failures.throws, 'on purpose'],
    ['rejects', 'apply', failures.rejects, 'on purpose'],
    ['throws for a batch', 'applyBatch', failures.throws, 'on purpose'],
    ['rejects for a batch', 'applyBatch', failures.rejects, 'on purpose'],
    ['gives too few results', 'applyBatch', () => [], 'invalid number of responses: expected'],
    ['gives too many', 'applyBatch', () => [1, 2, 3, 4], 'invalid number of responses: expected'],
    ['gives no list of results', 'applyBatch', () => 7, 'invalid number of responses: expected'],
    ['gives no results', 'applyBatch', () => undefined, 'invalid number of responses: expected'],
    ['gives none later', 'applyBatch', async () => null, 'invalid number of responses: expected'],
  ])(
    'that %s stops its node, and no future hangs (S137, S138)',
    async (_name, method, fault, text) => {
      const armed = { isOn: false };
      const sound = (logs: readonly unknown[]) => logs.map(() => undefined);
      const spoilt = (arg: readonly unknown[]) => {
        if (armed.isOn) return fault?.();
        return method === 'applyBatch' ? sound(arg) : undefined;
      };
      const { cluster, time, node, raft } = await one(withFault({ [method]: spoilt }));
      await time.result(raft.apply(utf8('kept')));
      armed.isOn = true;
      const futures = ['x', 'y', 'z'].map((command) => raft.apply(utf8(command)));
      for (const future of futures) {
        expect(await time.error(future)).toBeInstanceOf(Error);
        expect(future.outcome()).toBe('unknown');
      }
      expect(raft.fatal?.message).toContain(text);
      expect(raft.state()).toBe(RaftState.Shutdown);
      expect(await time.error(raft.apply(utf8('late')))).toBe(ErrRaftShutdown);
      await time.result(node.stop());
      node.renew();
      await node.start();
      await cluster.leader();
      await time.result(node.raft.barrier());
      expect(node.applied.slice(0, 2)).toEqual(['kept', 'x']);
      await cluster.close();
    },
  );

  it.each(Object.entries(failures))(
    'whose storeConfiguration %s stops its node (S201)',
    async (_name, fault) => {
      const nodes = new TestCluster();
      await nodes.start(1, () => ({ fsm: withFault({ storeConfiguration: fault }) }));
      const [node] = nodes.nodes;
      await nodes.time.until(() => node?.raft.fatal !== null, 'the node has stopped');
      expect(node?.raft.fatal?.message).toContain('on purpose');
      await nodes.close();
    },
  );

  it.each([...Object.entries(failures), ...Object.entries(garbage)])(
    'whose snapshot %s fails the snapshot only (S145)',
    async (_name, fault) => {
      const { cluster, time, raft } = await one(withFault({ snapshot: fault }));
      await time.result(raft.apply(utf8('x')));
      const error = await time.error(raft.snapshot());
      expect(error?.message).toMatch(
        /^failed to start snapshot: (on purpose|expected snapshot\(\) of the FSM to give .*, got)/,
      );
      expect(await time.error(raft.apply(utf8('y')))).toBeNull();
      await cluster.close();
    },
  );

  it.each(Object.entries(failures))(
    'whose snapshot cannot be persisted because that %s fails it only (S145)',
    async (_name, fault) => {
      let released = 0;
      const release = () => {
        released += 1;
      };
      const snapshot = () => ({ persist: fault, release });
      const { cluster, time, raft } = await one(withFault({ snapshot }));
      await time.result(raft.apply(utf8('x')));
      const error = await time.error(raft.snapshot());
      expect(error?.message).toBe('failed to persist snapshot: on purpose');
      expect(released).toBe(1);
      expect(await time.error(raft.apply(utf8('y')))).toBeNull();
      await cluster.close();
    },
  );

  it.each(Object.entries(failures))(
    'whose restore %s keeps its node from starting (S16)',
    async (_name, fault) => {
      const { cluster, time, node, raft } = await one(new ListFSM());
      await time.result(raft.apply(utf8('x')));
      await time.result(raft.snapshot());
      await time.result(node.stop());
      node.renew(withFault({ restore: fault }));
      await expect(time.result(node.start())).rejects.toMatchObject({
        code: 'ERR_STARTUP',
        message: 'failed to load any existing snapshots',
      });
      expect(node.lines).toContain('error: failed to restore snapshot');
      node.renew();
      await node.start();
      expect(node.applied).toEqual(['x']);
      await cluster.close();
    },
  );

  it('that never answers is named when the node is shut down (S143, S161)', async () => {
    const { time, raft } = await one(withFault({ apply: silence['never answers'] }));
    const future = raft.apply(utf8('x'));
    await time.pass(100);
    const shutdown = raft.shutdown();
    expect((await time.error(shutdown))?.message).toMatch(/FSM|state machine|apply/i);
    expect(await time.error(future)).toBe(ErrRaftShutdown);
    expect(future.outcome()).toBe('unknown');
  });
});
