/** A function or a field as Go declares it. */
export interface GoSignature {
  readonly parameters: readonly GoParameter[];
  /** The types of the results; the error, which is thrown here, is not among them. */
  readonly results: readonly string[];
  /** True when the last result is an error. */
  readonly fails: boolean;
}

/** One parameter; the name is empty where Go gives none. */
export interface GoParameter {
  readonly name: string;
  readonly type: string;
}

/** Cuts at the commas that stand in no bracket. */
function splitList(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = '';
  for (const letter of text) {
    if ('([{'.includes(letter)) depth += 1;
    if (')]}'.includes(letter)) depth -= 1;
    if (letter === ',' && depth === 0) {
      parts.push(part.trim());
      part = '';
    } else part += letter;
  }
  if (part.trim() !== '') parts.push(part.trim());
  return parts;
}

/** Where the bracket that opens at `start` is closed. */
function closingBracket(text: string, start: number): number {
  let depth = 0;
  for (let i = start; i < text.length; i++) {
    if (text[i] === '(') depth += 1;
    if (text[i] === ')') depth -= 1;
    if (depth === 0) return i;
  }
  throw new Error(`a bracket is not closed: ${text}`);
}

function parameterOf(text: string): GoParameter {
  const named = /^(\w+) (.+)$/.exec(text);
  if (named === null || named[1] === 'chan' || named[1] === 'func') return { name: '', type: text };
  return { name: named[1] ?? '', type: named[2] ?? '' };
}

/** Reads `func (*Raft).Apply(cmd []byte) ApplyFuture`, with or without a receiver. */
export function parseFunction(signature: string): GoSignature {
  const head = /^func (\([^)]*\)\.)?\w+/.exec(signature);
  if (head === null) throw new Error(`not a function: ${signature}`);
  const open = head[0].length;
  const close = closingBracket(signature, open);
  const parameters = splitList(signature.slice(open + 1, close)).map(parameterOf);
  const tail = signature.slice(close + 1).trim();
  const list = tail.startsWith('(') ? tail.slice(1, -1) : tail;
  const results = splitList(list).map((text) => parameterOf(text).type);
  const fails = results.at(-1) === 'error';
  return { parameters, results: fails ? results.slice(0, -1) : results, fails };
}

/** The type of `field Term uint64`. */
export function parseField(signature: string): string {
  const found = /^field \w+ (.+)$/.exec(signature);
  if (found === null) throw new Error(`not a field: ${signature}`);
  return found[1] ?? '';
}

/**
 * The parameters that a caller here gives. A test runner is none of ours, and what Go fills in
 * through a pointer is the result.
 */
export function givenParameters({ parameters }: GoSignature): GoParameter[] {
  return parameters.filter((one, i) => one.type !== '*testing.T' && !isFilledIn(one, i));
}

/** The results that a caller here gets. */
export function gottenResults({ parameters, results }: GoSignature): string[] {
  if (results.length > 0) return [...results];
  return parameters.filter(isFilledIn).map(({ type }) => type);
}

/** `StoreLog(log *Log)` reads its only argument; `GetLog(index, log *Log)` fills its last one. */
function isFilledIn({ type }: GoParameter, i: number): boolean {
  return /^\*\w+Response$/.test(type) || (type === '*Log' && i > 0);
}
