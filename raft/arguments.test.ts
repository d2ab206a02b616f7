import { describe, expect, it } from 'vitest';
import { TestCluster } from '../testing/runtime-fixture.ts';
import type { Raft } from './raft.ts';

const voter = { suffrage: 0, id: 'a', address: 'a:1' };
const servers = (...list: unknown[]) => [{ servers: list }];

/** Calls by somebody whose compiler says nothing. */
const mistakes: [keyof Raft, unknown[], string][] = [
  ['apply', ['text'], 'command must be a Uint8Array, got "text"'],
  ['apply', [undefined], 'command must be a Uint8Array, got undefined'],
  ['apply', [[1, 2]], 'command must be a Uint8Array, got an array'],
  ['applyLog', [{ data: 'x' }], 'data must be a Uint8Array, got "x"'],
  ['applyLog', [{ extensions: {} }], 'extensions must be a Uint8Array, got an object'],
  ['applyLog', [null], 'log must be an object with data and extensions, got null'],
  ['addVoter', [7, 'b:1'], 'id must be a string, got 7'],
  ['addVoter', ['b'], 'address must be a string, got undefined'],
  ['addVoter', ['b', 'b:1', -1], 'prevIndex must be a whole number from 0 to 2^53 - 1, got -1'],
  [
    'addVoter',
    ['b', 'b:1', 2 ** 53],
    'prevIndex must be a whole number from 0 to 2^53 - 1, got 9007199254740992',
  ],
  ['addVoter', ['b', 'b:1', 1.5], 'prevIndex must be a whole number from 0 to 2^53 - 1, got 1.5'],
  ['addVoter', ['b', 'b:1', 1n], 'prevIndex must be a whole number from 0 to 2^53 - 1, got 1'],
  ['addNonvoter', [null, 'b:1'], 'id must be a string, got null'],
  [
    'addNonvoter',
    ['b', 'b:1', '0'],
    'prevIndex must be a whole number from 0 to 2^53 - 1, got "0"',
  ],
  ['demoteVoter', [{}], 'id must be a string, got an object'],
  [
    'demoteVoter',
    ['a', Number.NaN],
    'prevIndex must be a whole number from 0 to 2^53 - 1, got NaN',
  ],
  ['removeServer', [undefined], 'id must be a string, got undefined'],
  [
    'removeServer',
    ['a', 0, -5],
    'timeout must be a number of milliseconds, 0 to wait for ever, got -5',
  ],
  ['leadershipTransferToServer', [7, 'b:1'], 'id must be a string, got 7'],
  ['leadershipTransferToServer', ['b', () => 1], 'address must be a string, got a function'],
  ['bootstrapCluster', [undefined], 'configuration must be a Configuration, got undefined'],
  ['bootstrapCluster', [{ servers: 'a' }], 'configuration must be a Configuration, got an object'],
  ['bootstrapCluster', servers(null), 'configuration.servers[0] must be a Server, got null'],
  [
    'bootstrapCluster',
    servers(voter, { ...voter, id: 7 }),
    'configuration.servers[1].id must be a string, got 7',
  ],
  [
    'bootstrapCluster',
    servers({ ...voter, address: null }),
    'configuration.servers[0].address must be a string, got null',
  ],
  [
    'bootstrapCluster',
    servers({ ...voter, suffrage: 3 }),
    'configuration.servers[0].suffrage must be a ServerSuffrage, got 3',
  ],
  ['readIndex', [-1], 'timeout must be a number of milliseconds, 0 to wait for ever, got -1'],
  [
    'barrier',
    [Symbol.iterator],
    'timeout must be a number of milliseconds, 0 to wait for ever, got a symbol',
  ],
  ['restore', [{}, []], 'reader must be an AsyncIterable of Uint8Array, got an array'],
];

describe('a caller without a compiler', () => {
  it.each(mistakes)(
    'is told what %s(%o) lacks, and nothing is done',
    async (method, args, message) => {
      const nodes = await new TestCluster().start(1);
      const { raft } = await nodes.leader();
      const before = [raft.lastIndex(), raft.getConfiguration().configuration()];
      const call = () => Reflect.apply(raft[method] as () => unknown, raft, args);
      expect(call).toThrow(expect.objectContaining({ code: 'ERR_INVALID_ARGUMENT', message }));
      await nodes.time.pass(50);
      expect([raft.lastIndex(), raft.getConfiguration().configuration()]).toEqual(before);
      expect(raft.fatal).toBeNull();
      await nodes.close();
    },
  );

  it.each<[keyof Raft]>([['addPeer'], ['removePeer']])(
    'is told what %s lacks in an old cluster',
    async (method) => {
      const nodes = new TestCluster();
      const raft = await nodes.add({ config: { protocolVersion: 2, localID: 'a:1' } }).start();
      const call = () => Reflect.apply(raft[method] as () => unknown, raft, [7]);
      expect(call).toThrow('peer must be a string, got 7');
      await nodes.close();
    },
  );
});
