import { describe, expect, it } from 'vitest';
import { formatHclogJSON, formatHclogLine } from './hclog.ts';

const time = new Date('2026-11-20T22:35:19.022Z');

function line(message: string, fields: Record<string, unknown> = {}, name = 'raft'): string {
  return formatHclogLine({ time, level: 'INFO', name, message, fields });
}

function json(message: string, fields: Record<string, unknown> = {}): string {
  return formatHclogJSON({ time, level: 'INFO', name: 'raft', message, fields });
}

// What hclog v1.6.2 wrote for the same values.
const head = '2026-11-20T22:35:19.022Z [INFO]  raft: ';

describe('hclog line', () => {
  it('leaves empty values empty and quotes values with spaces', () => {
    const follower = 'Node at 127.0.0.1:7001 [Follower]';
    const fields = { follower, 'leader-address': '', 'leader-id': '' };
    expect(line('entering follower state', fields)).toBe(
      `${head}entering follower state: follower="Node at 127.0.0.1:7001 [Follower]" ` +
        'leader-address= leader-id=\n',
    );
  });

  it.each([
    ['TRACE', '[TRACE] raft: m\n'],
    ['DEBUG', '[DEBUG] raft: m\n'],
    ['INFO', '[INFO]  raft: m\n'],
    ['WARN', '[WARN]  raft: m\n'],
    ['ERROR', '[ERROR] raft: m\n'],
  ] as const)('pads level %s', (level, tail) => {
    const written = formatHclogLine({ time, level, name: 'raft', message: 'm', fields: {} });
    expect(written).toBe(`2026-11-20T22:35:19.022Z ${tail}`);
  });

  it('prints errors, numbers, booleans, nil and keys with spaces', () => {
    const error = new Error('dial tcp: refused');
    const fields = { error, 'backoff time': '10ms', n: 18, ok: true, nil: null, big: 7n };
    expect(line('failed', fields)).toBe(
      `${head}failed: error="dial tcp: refused" backoff time=10ms n=18 ok=true nil=<nil> big=7\n`,
    );
  });

  it('prints lists and bytes in brackets', () => {
    const fields = {
      stored: Uint8Array.of(1, 2, 255),
      list: ['a b', 'c"d', 'e\\f'],
      ints: [1, 2],
    };
    expect(line('bytes', fields)).toBe(
      `${head}bytes: stored=[1, 2, 255] list=["a b", "c\\"d", "e\\\\f"] ints=[1, 2]\n`,
    );
  });

  it.each([
    ['100.00%', '"100.00%"'],
    ['a+b', '"a+b"'],
    ['a\tb', String.raw`"a\tb"`],
    ['say "x"', String.raw`"say \"x\""`],
    ['héllo ☃ 😀', '"héllo ☃ 😀"'],
    ['\x01\x7f', String.raw`"\x01\u007f"`],
    ['\x1b[31m', String.raw`"\x1b[31m"`],
    ['a\u00a0b', String.raw`"a\u00a0b"`],
    ['a\\b', 'a\\b'],
    ['a \\b', String.raw`"a \b"`],
    ['\u{e0001}', String.raw`"\U000e0001"`],
    ['\ud800', String.raw`"\ufffd"`],
    ['-./09:;<=>?@AZ[]^_`az{|}~', '-./09:;<=>?@AZ[]^_`az{|}~'],
  ])('writes the value %j as %s', (value, written) => {
    expect(line('q', { k: value })).toBe(`${head}q: k=${written}\n`);
  });

  it('indents values of several lines', () => {
    const fields = { text: 'one\ntwo "q"\t\n', after: 'x', m2: 'a\n\nb' };
    expect(line('multi', fields)).toBe(
      `${head}multi:\n  text=\n  | one\n  | two "q"${'\\t'}\n   after=x\n` +
        '  m2=\n  | a\n  | \n  | b\n  \n',
    );
  });

  it('writes name or message alone without the colon between them', () => {
    expect(line('only', {}, '')).toBe('2026-11-20T22:35:19.022Z [INFO]  only\n');
    expect(line('')).toBe('2026-11-20T22:35:19.022Z [INFO]  raft\n');
  });

  it('never throws, whatever the value', () => {
    const loop: { self?: unknown } = {};
    loop.self = loop;
    const fields = { loop, at: new Date(Number.NaN), plain: { a: 1 }, symbol: Symbol('s') };
    expect(line('odd', fields)).toBe(
      `${head}odd: loop="[object Object]" at="invalid time" plain="{\\"a\\":1}" ` +
        'symbol="Symbol(s)"\n',
    );
    expect(JSON.parse(json('odd', fields))).toMatchObject({ loop: '[object Object]' });
  });
});

describe('hclog JSON line', () => {
  it('has the keys of hclog and keeps types', () => {
    const fields = { error: new Error('no'), n: 18, stored: Uint8Array.of(1, 2, 255), big: 7n };
    expect(json('failed', { ...fields, name: 'x.tmp' })).toBe(
      '{"@level":"info","@message":"failed","@module":"raft",' +
        '"@timestamp":"2026-11-20T22:35:19.022000Z",' +
        '"error":"no","n":18,"stored":"AQL/","big":"7","name":"x.tmp"}\n',
    );
  });
});
