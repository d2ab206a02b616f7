import { describe, expect, it } from 'vitest';
import { bytesEqual, concatBytes, copyBytes, utf8, utf8ToString } from './bytes.ts';

describe('bytes', () => {
  it('spell strings in UTF-8, both ways', () => {
    expect([...utf8('aü€😀')]).toEqual([97, 0xc3, 0xbc, 0xe2, 0x82, 0xac, 0xf0, 0x9f, 0x98, 0x80]);
    expect(utf8ToString(utf8('aü€😀'))).toBe('aü€😀');
    expect([utf8ToString(null), utf8ToString(new Uint8Array())]).toEqual(['', '']);
    expect(utf8ToString(new Uint8Array([0xff, 97]))).toBe('\ufffda');
  });

  it('spell what they hold now, whatever they or their like held before', () => {
    const names = ['node-1', 'node-2', 'mode-1', 'ab', 'cb', 'x'.repeat(64), 'x'.repeat(65)];
    for (const name of [...names, ...names]) expect(utf8ToString(utf8(name))).toBe(name);
    const bytes = utf8('node-1');
    expect(utf8ToString(bytes)).toBe('node-1');
    bytes[0] = 109;
    expect(utf8ToString(bytes)).toBe('mode-1');
    bytes[0] = 110;
    expect(utf8ToString(bytes)).toBe('node-1');
  });

  it.each([
    ['the same', utf8('ab'), utf8('ab'), true],
    ['both empty', utf8(''), utf8(''), true],
    ['another byte', utf8('ab'), utf8('ac'), false],
    ['a longer one', utf8('ab'), utf8('abc'), false],
    ['nothing and empty', null, utf8(''), false],
    ['empty and nothing', utf8(''), null, false],
    ['nothing twice', null, null, true],
  ])('are compared by what they hold: %s', (_what, a, b, equal) => {
    expect(bytesEqual(a, b)).toBe(equal);
  });

  it('are copied to memory of their own, however small a part of another they are', () => {
    const whole = utf8('abcdef');
    const part = whole.subarray(1, 3);
    const copy = copyBytes(part);
    whole.fill(0);
    expect(utf8ToString(copy)).toBe('bc');
    expect(copy.buffer.byteLength).toBe(2);
  });

  it('are joined in order', () => {
    const joined = concatBytes([utf8('ab'), utf8(''), utf8('c')]);
    expect(utf8ToString(joined)).toBe('abc');
    expect(concatBytes([])).toHaveLength(0);
  });
});
