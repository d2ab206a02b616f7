/** An HTTP request that a `curl` line of a document stands for. */
export interface Request {
  readonly method: string;
  readonly url: string;
  readonly body: string | undefined;
}

/** The words of a shell line; single quotes hold a word together. */
function wordsOf(line: string): string[] {
  return [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
}

/** Reads a `curl` line; an option it does not know is an error, not a request without it. */
export function requestOf(line: string): Request {
  const words = wordsOf(line).slice(1);
  let method = 'GET';
  let body: string | undefined;
  let url = '';
  for (let word = words.shift(); word !== undefined; word = words.shift()) {
    if (word === '-X') method = words.shift() ?? '';
    else if (word === '--data-binary') body = words.shift();
    else if (word.startsWith('http://')) url = word;
    else if (word !== '-L') throw new Error(`${word} is not known here: ${line}`);
  }
  if (url === '' || method === '') throw new Error(`no URL or method: ${line}`);
  return { method, url, body };
}

/** Every port of loopback that lines name, once each, in order. */
export function portsIn(lines: readonly string[]): string[] {
  const found = lines.flatMap((line) =>
    [...line.matchAll(/127\.0\.0\.1:(\d+)/g)].map(([, port = '']) => port),
  );
  return [...new Set(found)];
}

/** The line with other ports in place of the ones it names. */
export function withPorts(line: string, ports: ReadonlyMap<string, number>): string {
  return line.replace(/127\.0\.0\.1:(\d+)/g, (address, port: string) => {
    const other = ports.get(port);
    return other === undefined ? address : `127.0.0.1:${other}`;
  });
}
