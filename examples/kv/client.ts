import { setTimeout as sleep } from 'node:timers/promises';
import { type Dispatcher, Pool } from 'undici';
import { type LineSource, streamLines } from './stream-client.ts';

const RETRY_MS = 20;
const ANSWER_LIMIT_MS = 3000;

/** What `GET /status` says, as far as the demo looks at it. */
export interface NodeStatus {
  readonly id: string;
  readonly state: string;
  readonly term: number;
  readonly leaderID: string;
  readonly appliedIndex: number;
  readonly records: number;
  readonly hash: string;
  readonly snapshotsInstalled: number;
  readonly members: number;
}

/** One line of a dump. */
export interface DumpedRecord {
  readonly key: string;
  readonly hash: string;
}

/** How a client talks. */
export interface ClientOptions {
  /** Requests it may have open at each node. */
  readonly connections: number;
  /** Time after which a write is given up and tried again, in milliseconds. */
  readonly answerLimitMs?: number;
}

/** An answer of the wrong status; nothing that trying again would change. */
export class UnexpectedAnswer extends Error {
  override readonly name = 'UnexpectedAnswer';
}

function fieldsOf(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function statusOf(body: unknown): NodeStatus {
  const { id, state, term, leader, appliedIndex, records, hash, ...rest } = fieldsOf(body);
  const { snapshotsInstalled, configuration } = rest;
  const { id: leaderID = '' } = fieldsOf(leader);
  return {
    id: String(id),
    state: String(state),
    term: Number(term),
    leaderID: String(leaderID),
    appliedIndex: Number(appliedIndex),
    records: Number(records),
    hash: String(hash),
    snapshotsInstalled: Number(snapshotsInstalled),
    members: Array.isArray(configuration) ? configuration.length : 0,
  };
}

/** A client that finds the leader by itself: it follows redirects and tries others on failure. */
export class KvClient {
  readonly #pools: Map<string, Pool>;
  readonly #origins: readonly string[];
  readonly #answerLimitMs: number;
  #leader: string;

  /** @param origins where the nodes serve, such as `http://127.0.0.1:8001` */
  constructor(origins: readonly string[], options: ClientOptions) {
    const { connections, answerLimitMs = ANSWER_LIMIT_MS } = options;
    this.#origins = origins;
    this.#answerLimitMs = answerLimitMs;
    this.#leader = origins[0] ?? '';
    this.#pools = new Map(
      origins.map((origin) => [origin, new Pool(origin, { connections, pipelining: 1 })]),
    );
  }

  /** The node that the next write goes to. */
  get leader(): string {
    return this.#leader;
  }

  /**
   * Writes until the write is acknowledged. A write whose fate is not known is sent again, which
   * does no harm: it stores the same value under the same key.
   *
   * @throws UnexpectedAnswer when a node refuses the write
   */
  async put(key: string, value: Uint8Array | string, signal?: AbortSignal): Promise<void> {
    await this.#insist('PUT', `/kv/${encodeURIComponent(key)}`, value, 200, signal);
  }

  /**
   * Writes all lines of `source`, each a change of its own, over one connection to the leader. When
   * the stream breaks, it goes on with the first line that was not acknowledged.
   *
   * @param window how many lines may wait for their acknowledgement
   * @throws UnexpectedAnswer when a node refuses a line
   */
  async writeLines(source: LineSource, window: number, signal: AbortSignal): Promise<void> {
    const answerLimitMs = this.#answerLimitMs;
    for (;;) {
      signal.throwIfAborted();
      const origin = this.#leader;
      const end = await streamLines(origin, source, { window, answerLimitMs, signal });
      const { status, error, location } = end;
      if (status === 200) return;
      if (location !== undefined) await this.#follow(origin, new URL(location).origin);
      else if (status === 503) await this.#tryAnother(origin);
      else throw new UnexpectedAnswer(`POST ${origin}/stream: ${status} ${error}`);
    }
  }

  /** One linear read, wherever the leader is; `undefined` when there is no such key. */
  async get(key: string, signal?: AbortSignal): Promise<string | undefined> {
    const path = `/kv/${encodeURIComponent(key)}`;
    const { statusCode, text } = await this.#insist('GET', path, null, 404, signal);
    return statusCode === 404 ? undefined : text;
  }

  /** What one node says of itself. @throws Error when it does not answer */
  async status(origin: string): Promise<NodeStatus> {
    const { body } = await this.#request(origin, 'GET', '/status', null);
    return statusOf(await body.json());
  }

  /** Asks one node for something and reads the whole answer. */
  async ask(
    origin: string,
    method: Dispatcher.HttpMethod,
    path: string,
    body: string | null = null,
  ): Promise<{ readonly statusCode: number; readonly text: string }> {
    const response = await this.#request(origin, method, path, body);
    return { statusCode: response.statusCode, text: await response.body.text() };
  }

  /** Every record that one node holds, read from its own state. */
  async *dump(origin: string): AsyncGenerator<DumpedRecord, void> {
    const response = await this.#request(origin, 'GET', '/kv?consistency=stale', null);
    let rest = '';
    // A chunk may end in the middle of a letter; setEncoding of undici's body damages such a one.
    const decoder = new TextDecoder();
    for await (const chunk of response.body) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
      rest = lines.pop() ?? '';
      for (const line of lines) {
        const { key, hash } = fieldsOf(JSON.parse(line));
        yield { key: String(key), hash: String(hash) };
      }
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#pools.values()].map((pool) => pool.destroy()));
  }

  #request(
    origin: string,
    method: Dispatcher.HttpMethod,
    path: string,
    body: Uint8Array | string | null,
  ): Promise<Dispatcher.ResponseData> {
    const pool = this.#pools.get(origin);
    if (pool === undefined) return Promise.reject(new Error(`no node serves at ${origin}`));
    const limit = this.#answerLimitMs;
    return pool.request({ method, path, body, headersTimeout: limit, bodyTimeout: limit });
  }

  /** Asks whom it takes for the leader until the answer is 200 or `alsoFine`. */
  async #insist(
    method: 'GET' | 'PUT',
    path: string,
    body: Uint8Array | string | null,
    alsoFine: number,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly statusCode: number; readonly text: string }> {
    for (;;) {
      signal?.throwIfAborted();
      const origin = this.#leader;
      let response: Dispatcher.ResponseData;
      let text = '';
      try {
        response = await this.#request(origin, method, path, body);
        // What a write was answered is of no interest, and reading it is not free.
        if (method === 'PUT' && response.statusCode === 200) await response.body.dump();
        else text = await response.body.text();
      } catch {
        await this.#tryAnother(origin);
        continue;
      }
      const { statusCode } = response;
      if (statusCode === 200 || statusCode === alsoFine) return { statusCode, text };
      const { location } = response.headers;
      if (statusCode === 307 && typeof location === 'string') {
        await this.#follow(origin, new URL(location).origin);
      } else if (statusCode === 503) {
        await this.#tryAnother(origin);
      } else {
        throw new UnexpectedAnswer(`${method} ${origin}${path}: ${statusCode} ${text.trim()}`);
      }
    }
  }

  async #follow(from: string, to: string): Promise<void> {
    if (!this.#pools.has(to)) return await this.#tryAnother(from);
    if (this.#leader === from) this.#leader = to;
    // Two followers may point to each other until they hear of a new leader: never spin.
    await sleep(RETRY_MS);
  }

  async #tryAnother(failed: string): Promise<void> {
    await sleep(RETRY_MS);
    // Another request may have found the leader meanwhile.
    if (this.#leader !== failed) return;
    const next = (this.#origins.indexOf(failed) + 1) % this.#origins.length;
    this.#leader = this.#origins[next] ?? failed;
  }
}
