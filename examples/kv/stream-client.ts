import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { limits } from './commands.ts';
import { LineSplitter } from './lines.ts';

/** Where the lines of a stream come from. */
export interface LineSource {
  /** Starts over at the first line that was not acknowledged. */
  rewind(): void;
  /** The next line, without its newline; `undefined` when there is none. */
  next(): string | undefined;
  /** So many more lines were acknowledged, in their order. */
  acknowledged(count: number): void;
}

/** How a stream ended. */
export interface StreamEnd {
  /** 200 when every line was acknowledged, or the status of what ended it. */
  readonly status: number;
  readonly error?: string;
  /** Who is to be asked instead, with status 307. */
  readonly location?: string;
}

/** How a stream behaves. */
export interface StreamOptions {
  /** Lines that may wait for their acknowledgement. */
  readonly window: number;
  /** Time after which a silent node is given up, in milliseconds. */
  readonly answerLimitMs: number;
  readonly signal: AbortSignal;
}

/** What a line of the answer may hold. */
interface AnswerLine {
  readonly index?: unknown;
  readonly status?: unknown;
  readonly error?: unknown;
  readonly location?: unknown;
}

function parsed(line: string): AnswerLine {
  const value: unknown = JSON.parse(line);
  return typeof value === 'object' && value !== null ? value : {};
}

function endOf({ status, error, location }: AnswerLine): StreamEnd {
  const end = { status: Number(status), error: String(error) };
  return typeof location === 'string' ? { ...end, location } : end;
}

/** One attempt at one node. */
class LineStream {
  readonly #source: LineSource;
  readonly #options: StreamOptions;
  readonly #finish: (end: StreamEnd) => void;
  readonly #request: ClientRequest;
  readonly #silence: NodeJS.Timeout;
  #inFlight = 0;
  #allSent = false;
  #ended = false;

  constructor(
    origin: string,
    source: LineSource,
    options: StreamOptions,
    done: (end: StreamEnd) => void,
  ) {
    this.#source = source;
    this.#options = options;
    const { answerLimitMs, signal } = options;
    this.#request = request(`${origin}/stream`, { method: 'POST', agent: false, signal });
    this.#finish = (end) => {
      // A late answer must not count for the stream that took over.
      if (this.#ended) return;
      this.#ended = true;
      clearTimeout(this.#silence);
      this.#request.destroy();
      done(end);
    };
    this.#silence = setTimeout(() => this.#break('silence'), answerLimitMs);
    this.#request.on('error', (error) => this.#break(error.message));
    this.#request.on('response', (response) => this.#read(response));
    this.#send();
  }

  /** Nothing but trying again tells what became of the lines that are under way. */
  #break(error: string): void {
    this.#finish({ status: 503, error });
  }

  #send(): void {
    let text = '';
    while (!this.#allSent && this.#inFlight < this.#options.window) {
      const line = this.#source.next();
      if (line === undefined) this.#allSent = true;
      else {
        text += `${line}\n`;
        this.#inFlight += 1;
      }
    }
    if (text !== '') this.#request.write(text);
    if (this.#allSent && !this.#request.writableEnded) this.#request.end();
  }

  #read(response: IncomingMessage): void {
    const { statusCode = 0, headers } = response;
    const splitter = new LineSplitter(limits.batchBytes);
    response.on('error', (error) => this.#break(error.message));
    response.on('data', (chunk: Buffer) => {
      if (this.#ended) return;
      try {
        const lines = splitter.push(chunk).map(parsed);
        const [first = {}] = lines;
        if (statusCode === 200) this.#take(lines);
        else this.#finish(endOf({ ...first, status: statusCode, location: headers.location }));
      } catch (error) {
        this.#break(`not an answer: ${String(error)}`);
      }
    });
    response.on('end', () => {
      if (this.#allSent && this.#inFlight === 0) this.#finish({ status: 200 });
      else this.#break('the node ended the stream early');
    });
  }

  #take(lines: readonly AnswerLine[]): void {
    const failed = lines.find((line) => typeof line.index !== 'number');
    const count = failed === undefined ? lines.length : lines.indexOf(failed);
    this.#inFlight -= count;
    this.#silence.refresh();
    if (count > 0) this.#source.acknowledged(count);
    if (failed === undefined) this.#send();
    else this.#finish(endOf(failed));
  }
}

/**
 * Sends lines to one node until all are acknowledged or the stream ends otherwise; then what was
 * sent and not acknowledged may or may not be applied. Never rejects.
 */
export function streamLines(
  origin: string,
  source: LineSource,
  options: StreamOptions,
): Promise<StreamEnd> {
  source.rewind();
  return new Promise((done) => {
    new LineStream(origin, source, options, done);
  });
}
