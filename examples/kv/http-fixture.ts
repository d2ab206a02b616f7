import type { FastifyInstance } from 'fastify';
import { RaftState } from '../../raft/state.ts';
import { encodeCommand } from './commands.ts';
import { FakeRaft } from './fake-raft.ts';
import { KvFsm } from './fsm.ts';
import { newHttpServer } from './http.ts';
import type { Service } from './service.ts';

/** Node "a" on a fake, with its HTTP server; for tests. */
export class HttpFixture {
  readonly id = 'a';
  readonly http = '127.0.0.1:8001';
  readonly raftAddress = '127.0.0.1:7001';
  readonly fsm = new KvFsm();
  readonly raft = new FakeRaft(this.fsm);
  readonly app: FastifyInstance;
  /** Who answers when a node that wants to join is asked who it is. */
  newcomer: { readonly id: string; readonly raft: string } | Error;

  constructor() {
    this.newcomer = new Error('connect ECONNREFUSED');
    const { id, http, raftAddress, raft, fsm } = this;
    const limits = { restoresAtStart: 0, enqueueTimeoutMs: 1000, requestTimeoutMs: 200 };
    const service: Service = {
      ...{ id, http, raftAddress, raft, fsm, ...limits },
      probe: async () => {
        if (this.newcomer instanceof Error) throw this.newcomer;
        return this.newcomer;
      },
    };
    this.app = newHttpServer(service);
  }

  /** Makes the node a follower of b, whose HTTP address is known. */
  async follow(): Promise<void> {
    await this.raft.apply(encodeCommand({ op: 'member', id: 'b', http: '127.0.0.1:8002' }));
    this.raft.role = RaftState.Follower;
    this.raft.leaderInfo = { id: 'b', address: '127.0.0.1:7002' };
  }
}

/** The `error` of a JSON answer. */
export function errorOf(response: { readonly body: string }): string {
  const body: unknown = JSON.parse(response.body);
  return typeof body === 'object' && body !== null && 'error' in body ? String(body.error) : '';
}
