import { Channel } from '../../internal/channel.ts';
import type { TimerHandle } from '../../internal/clock.ts';
import { newDeferred } from '../../internal/deferred.ts';
import type { ServerAddress } from '../../raft/configuration.ts';
import { ErrPipelineShutdown } from '../../raft/errors.ts';
import { type AppendEntriesRequest, AppendEntriesResponse } from '../../raft/messages.ts';
import {
  type AppendFuture,
  type AppendPipeline,
  RPC,
  type RPCResponse,
} from '../../raft/transport.ts';
import { copyReply, copyRequest } from './copy-message.ts';
import type { Endpoint, SimNetwork } from './network.ts';
import type { SimProcess } from './virtual-clock.ts';

const MAX_IN_FLIGHT = 16;

class SimAppendFuture implements AppendFuture {
  readonly #request: AppendEntriesRequest;
  readonly #start: Date;
  readonly #done = newDeferred<Error | null>();
  #response: AppendEntriesResponse | null = null;
  timer: TimerHandle | null = null;

  constructor(request: AppendEntriesRequest, start: Date) {
    this.#request = request;
    this.#start = start;
  }

  error(): Promise<Error | null> {
    return this.#done.promise;
  }

  start(): Date {
    return this.#start;
  }

  request(): AppendEntriesRequest {
    return this.#request;
  }

  response(): AppendEntriesResponse {
    if (this.#response === null) throw new Error('the reply has not come');
    return this.#response;
  }

  settle(response: AppendEntriesResponse | null, error: Error | null): void {
    this.timer?.cancel();
    this.#response = response;
    this.#done.resolve(error);
  }
}

/** The answers of the far side, which leave in the order of the requests. */
interface AnswerSlot {
  answer: RPCResponse | null;
}

/**
 * An ordered connection for AppendEntries. What is lost on it makes it stall for good: nothing
 * behind arrives either, until a timeout breaks it.
 */
export class SimPipeline implements AppendPipeline {
  readonly #network: SimNetwork;
  readonly #process: SimProcess;
  readonly #from: ServerAddress;
  readonly #to: ServerAddress;
  readonly #timeoutMs: number;
  readonly #ready = new Channel<AppendFuture>(2 * MAX_IN_FLIGHT);
  #inFlight: SimAppendFuture[] = [];
  #waiters: (() => void)[] = [];
  readonly #answers: AnswerSlot[] = [];
  #peer: Endpoint | null = null;
  #lastArrivalMs = 0;
  #lastReturnMs = 0;
  #stalled = false;
  #broken: Error | null = null;
  readonly #disconnect: () => void;

  constructor(
    network: SimNetwork,
    process: SimProcess,
    from: ServerAddress,
    to: ServerAddress,
    timeoutMs: number,
  ) {
    this.#network = network;
    this.#process = process;
    this.#from = from;
    this.#to = to;
    this.#timeoutMs = timeoutMs;
    this.#disconnect = network.connect(from, to, () => {
      this.#stalled = true;
      this.#process.deliver(0, () => this.#break(new Error('read: connection reset by peer')));
    });
  }

  consumer(): Channel<AppendFuture> {
    return this.#ready;
  }

  async appendEntries(args: AppendEntriesRequest): Promise<AppendFuture> {
    while (this.#broken === null && this.#inFlight.length >= MAX_IN_FLIGHT) {
      await new Promise<void>((resolve) => this.#waiters.push(resolve));
    }
    if (this.#broken !== null) throw this.#broken;
    const future = new SimAppendFuture(args, this.#process.wallTime());
    future.timer = this.#process.setTimer(this.#timeoutMs, () => {
      this.#break(new Error(`pipeline to ${this.#to}: i/o timeout`));
    });
    this.#inFlight.push(future);
    this.#send(args);
    return future;
  }

  async close(): Promise<void> {
    this.#break(ErrPipelineShutdown);
    this.#broken = ErrPipelineShutdown;
    this.#ready.close();
  }

  #send(args: AppendEntriesRequest): void {
    const copy = copyRequest(args);
    this.#network.watcher.requestSent(this.#from, this.#to, copy);
    const journeyMs = this.#network.journeyMs(this.#from, this.#to);
    if (journeyMs === null) this.#stalled = true;
    if (this.#stalled || journeyMs === null) return;
    const { scheduler } = this.#network;
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, scheduler.nowMs + journeyMs);
    scheduler.schedule(this.#lastArrivalMs - scheduler.nowMs, () => {
      if (this.#network.isCut(this.#from, this.#to)) this.#stalled = true;
      if (!this.#stalled) this.#arrive(copy);
    });
  }

  #arrive(request: ReturnType<typeof copyRequest>): void {
    const endpoint = this.#network.endpointAt(this.#to);
    this.#peer ??= endpoint ?? null;
    if (endpoint === undefined || endpoint !== this.#peer) {
      this.#stalled = true;
      this.#process.deliver(0, () => this.#break(new Error('read: connection reset by peer')));
      return;
    }
    const slot: AnswerSlot = { answer: null };
    this.#answers.push(slot);
    endpoint.process.deliver(0, () => {
      const rpc = new RPC(request, null, (answer) => {
        if (!endpoint.process.isAlive) return;
        const response = answer.response === null ? null : copyReply(answer.response);
        if (response !== null && answer.error === null) {
          this.#network.watcher.replySent(this.#to, this.#from, request, response);
        }
        slot.answer = { response, error: answer.error };
        this.#returnAnswers();
      });
      endpoint.receive(rpc);
    });
  }

  /** Sends back what is answered without a gap. */
  #returnAnswers(): void {
    const { scheduler } = this.#network;
    for (;;) {
      const answer = this.#answers[0]?.answer;
      if (answer === undefined || answer === null) return;
      this.#answers.shift();
      const journeyMs = this.#network.journeyMs(this.#to, this.#from);
      if (journeyMs === null) this.#stalled = true;
      if (this.#stalled || journeyMs === null) return;
      this.#lastReturnMs = Math.max(this.#lastReturnMs, scheduler.nowMs + journeyMs);
      scheduler.schedule(this.#lastReturnMs - scheduler.nowMs, () => {
        if (this.#network.isCut(this.#to, this.#from)) this.#stalled = true;
        if (!this.#stalled) this.#process.deliver(0, () => this.#take(answer));
      });
    }
  }

  /** The answer to the oldest request has come. */
  #take({ response, error }: RPCResponse): void {
    const future = this.#inFlight.shift();
    if (future === undefined) return;
    if (response instanceof AppendEntriesResponse && error === null) future.settle(response, null);
    else future.settle(null, new Error(error?.message ?? 'a reply of another kind came'));
    this.#hand(future);
    this.#waiters.shift()?.();
  }

  #break(error: Error): void {
    if (this.#broken !== null) return;
    this.#broken = error;
    this.#stalled = true;
    this.#disconnect();
    const failed = this.#inFlight;
    this.#inFlight = [];
    for (const future of failed) {
      future.settle(null, error);
      this.#hand(future);
    }
    for (const wake of this.#waiters.splice(0)) wake();
  }

  #hand(future: SimAppendFuture): void {
    this.#ready.send(future).catch(() => {});
  }
}
