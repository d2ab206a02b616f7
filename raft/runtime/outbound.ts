import type { StartedEffect } from '../core/effect.ts';
import type { MainInput } from '../core/input.ts';
import type { Self } from '../core/node.ts';
import { RaftError } from '../errors.ts';
import { TimeoutNowRequest } from '../messages.ts';
import { supportsPreVote, type Transport } from '../transport.ts';
import { outcomeOf } from './outcome.ts';
import type { Telemetry } from './telemetry.ts';

/**
 * Sends the requests of elections and transfers; the answers come back as inputs of the main lane.
 */
export class Outbound {
  readonly #trans: Transport;
  readonly #self: Self;
  readonly #post: (input: MainInput) => void;
  readonly #telemetry: Telemetry;

  constructor(
    trans: Transport,
    self: Self,
    post: (input: MainInput) => void,
    telemetry: Telemetry,
  ) {
    this.#trans = trans;
    this.#self = self;
    this.#post = post;
    this.#telemetry = telemetry;
  }

  async requestVote({
    candidacy,
    to,
    request,
  }: Extract<StartedEffect, { kind: 'sendVote' }>): Promise<void> {
    const startMs = this.#telemetry.nowMs();
    const outcome = await outcomeOf(() => this.#trans.requestVote(to.id, to.address, request));
    this.#telemetry.took('raft.candidate.electSelf', startMs);
    this.#post({ kind: 'voteReply', candidacy, from: to.id, outcome });
  }

  async requestPreVote({
    candidacy,
    to,
    request,
  }: Extract<StartedEffect, { kind: 'sendPreVote' }>): Promise<void> {
    const trans = this.#trans;
    const startMs = this.#telemetry.nowMs();
    const outcome = await outcomeOf(async () => {
      if (supportsPreVote(trans)) return trans.requestPreVote(to.id, to.address, request);
      throw new RaftError('ERR_NO_PRE_VOTE', 'the transport cannot ask for pre-votes');
    });
    this.#telemetry.took('raft.candidate.preElectSelf', startMs);
    this.#post({ kind: 'preVoteReply', candidacy, from: to.id, outcome });
  }

  async timeoutNow({
    transfer,
    id,
    address,
  }: Extract<StartedEffect, { kind: 'sendTimeoutNow' }>): Promise<void> {
    const request = new TimeoutNowRequest({ rpcHeader: this.#self.header });
    const outcome = await outcomeOf(() => this.#trans.timeoutNow(id, address, request));
    this.#post({ kind: 'timeoutNowReply', transfer, error: outcome.error ?? null });
  }
}
