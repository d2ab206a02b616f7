import fc from 'fast-check';
import { describe, expect, it, vi } from 'vitest';
import { Timestamp, ZERO_TIME } from '../timestamp.ts';
import { Decoder } from './decode.ts';
import { Encoder } from './encode.ts';
import { MsgpackError } from './error.ts';
import { MAX_MESSAGE_BYTES, MAX_RAW_BYTES, Scanner } from './scan.ts';
import { bool, bytes, int, name, Struct, uint } from './struct.ts';

function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll(' ', ''), 'hex'));
}

function decoder(text: string): Decoder {
  return Decoder.ofWhole(hex(text));
}

function encoded(write: (to: Encoder) => void): string {
  const to = new Encoder(1);
  write(to);
  return Buffer.from(to.finish()).toString('hex');
}

describe('Encoder', () => {
  it.each([-1, 0.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY])('refuses uint %s', (value) => {
    expect(() => encoded((to) => to.uint(value))).toThrow(MsgpackError);
  });

  it.each([0.5, Number.NaN, 2 ** 53, -(2 ** 53)])('refuses int %s', (value) => {
    expect(() => encoded((to) => to.int(value))).toThrow(MsgpackError);
  });

  it('tells nil from empty', () => {
    expect(encoded((to) => to.bytes(null))).toBe('c0');
    expect(encoded((to) => to.bytes(new Uint8Array(0)))).toBe('a0');
  });

  it('writes headers of every width', () => {
    const header = (count: number) => encoded((to) => to.arrayHeader(count));
    expect([0, 15, 16, 65_535, 65_536].map(header)).toEqual([
      '90',
      '9f',
      'dc0010',
      'dcffff',
      'dd00010000',
    ]);
    expect(encoded((to) => to.mapHeader(16))).toBe('de0010');
    expect(encoded((to) => to.mapHeader(65_536))).toBe('df00010000');
  });

  it('refuses a zone that Go cannot write', () => {
    for (const zone of [-60, -119, 32_768 * 60]) {
      expect(() => encoded((to) => to.time(new Timestamp(0, 0, zone)))).toThrow(/zone offset/);
    }
  });
});

describe('Decoder', () => {
  it.each([
    ['05', 5],
    ['ff', -1],
    ['cc ff', 255],
    ['cd 0005', 5],
    ['ce 00000005', 5],
    ['cf 001fffffffffffff', 2 ** 53 - 1],
    ['d0 80', -128],
    ['d1 0005', 5],
    ['d2 ffffffff', -1],
    ['d3 ffe0000000000001', -(2 ** 53 - 1)],
    ['c0', 0],
  ])('reads the number %s as %s', (text, value) => {
    expect(decoder(text).int()).toBe(value);
  });

  it.each([
    ['cf 0020000000000000', /at most 2\^53-1/],
    ['cf ffffffffffffffff', /at most 2\^53-1/],
    ['d3 ffe0000000000000', /within 2\^53-1/],
    ['d3 8000000000000000', /within 2\^53-1/],
    ['ca 3f800000', /expected a whole number, got 0xca/],
    ['cb 3ff0000000000000', /expected a whole number, got 0xcb/],
    ['a1 31', /expected a whole number, got 0xa1/],
    ['c3', /expected a whole number, got 0xc3/],
  ])('refuses the number %s', (text, message) => {
    expect(() => decoder(text).int()).toThrow(message);
  });

  it('refuses a negative number where Go has an unsigned one', () => {
    expect(() => decoder('ff').uint()).toThrow('expected an unsigned number, got -1');
    expect(() => decoder('d3 ffffffffffffffff').uint()).toThrow(MsgpackError);
  });

  it.each([
    'a2 6162',
    'd9 02 6162',
    'da 0002 6162',
    'db 00000002 6162',
    'c4 02 6162',
    'c5 0002 6162',
  ])('reads the bytes %s', (text) => expect(decoder(text).bytes()).toEqual(hex('6162')));

  it.each(['c6 00000002 6162', '92 61 cc 62', 'dc 0002 61 62', 'dd 00000002 61 62'])(
    'reads the bytes %s',
    (text) => expect(decoder(text).bytes()).toEqual(hex('6162')),
  );

  it('refuses what is no byte in an array of bytes', () => {
    expect(() => decoder('91 cd 0100').bytes()).toThrow('expected a byte, got 256');
    expect(() => decoder('83 01 02 03 04 05 06').bytes()).toThrow(/expected bytes or a string/);
  });

  it('reads bools as Go does', () => {
    expect(['c3', 'c2', '01', '00', 'c0'].map((text) => decoder(text).bool())).toEqual([
      true,
      false,
      true,
      false,
      false,
    ]);
    expect(() => decoder('02').bool()).toThrow('expected a bool, got 0x02');
  });

  it('gives bytes that share no memory with their source, be it a Buffer', () => {
    for (const source of [hex('a3 010203'), Buffer.from('a3010203', 'hex')]) {
      const read = Decoder.ofWhole(source).bytes();
      source.fill(0xff);
      expect(read).toEqual(hex('010203'));
      expect(read?.buffer.byteLength).toBe(3);
    }
  });

  it('gives copies that do not overlap, and keep little alive', () => {
    const sizes = [1, 64, 65, 500, 1024, 1025, 1024, 1024, 1024, 1024, 1024, 1024, 1024, 1024];
    const copies = sizes.map((size, i) => {
      const to = new Encoder();
      to.bytes(new Uint8Array(size).fill(i));
      return Decoder.ofWhole(to.finish()).bytes() ?? expect.fail('nil');
    });
    copies.forEach((copy, i) => {
      expect(copy.length).toBe(sizes[i]);
      expect(copy.every((byte) => byte === i)).toBe(true);
      expect(copy.buffer.byteLength).toBeLessThanOrEqual(8192);
    });
  });

  it('keeps the text of an error, replacing what is not UTF-8, but refuses such a name', () => {
    expect(decoder('a3 ef bb bf').text()).toBe('\ufeff');
    expect(decoder('a1 ff').text()).toBe('\ufffd');
    expect(() => decoder('a1 ff').name()).toThrow(/expected a name in UTF-8/);
  });

  it.each([
    ['d6 ff 62c8b414', 0x62c8b414, 0],
    ['d7 ff 38112640 62c8b414', 0x62c8b414, 235162000],
    ['c7 0c ff 0e044480 0000000062c8b414', 0x62c8b414, 235160704],
    ['c4 04 62c8b414', 0x62c8b414, 0],
    ['a8 38112640 62c8b414', 0x62c8b414, 235162000],
  ])('reads the newer time %s', (text, seconds, nanoseconds) => {
    const time = decoder(text).time();
    expect([time.unixSeconds, time.nanoseconds, time.zoneOffsetSeconds]).toEqual([
      seconds,
      nanoseconds,
      null,
    ]);
  });

  it.each([
    ['a3 010203', /4, 8, 12, 15 or 16 bytes, got 3/],
    ['d6 01 62c8b414', /an extension of type 1/],
    ['af 02 000000000000000000000000 ffff', /expected time version/],
    ['af 01 7fffffffffffffff 00000000 ffff', /expected a time within/],
    ['af 01 000000000000000e 3b9aca00 ffff', /at most 999999999 nanoseconds/],
    ['b0 02 000000000000000e 00000000 ffff e2', /zone offset/],
    ['07', /expected bytes or a string/],
  ])('refuses the time %s', (text, message) => {
    expect(() => decoder(text).time()).toThrow(message);
  });

  it('refuses a time of no bytes, also as the first that is read', async () => {
    vi.resetModules();
    const { decodeTime } = await import('./timestamp.ts');
    expect(() => decodeTime(new Uint8Array(0), 0, 0)).toThrow('8, 12, 15 or 16 bytes, got 0');
  });

  it('reads two times that differ in one byte as two', () => {
    const time = new Timestamp(1_700_000_000, 1, null);
    for (const next of [
      new Timestamp(1_700_000_000, 2, null),
      new Timestamp(1_700_000_001, 1, null),
    ]) {
      for (const written of [time, next, time, time]) {
        const to = new Encoder(1);
        to.time(written);
        expect(Decoder.ofWhole(to.finish()).time()).toEqual(written);
      }
    }
  });

  it('writes the older form of a time as Go does (test 144)', () => {
    const time = Timestamp.from(new Date('2006-01-02T15:04:05Z'));
    expect(encoded((to) => to.time(time))).toBe('af010000000ebb4b37e500000000ffff');
  });

  it('reads nil as the zero time', () => {
    expect(decoder('c0').time()).toBe(ZERO_TIME);
  });

  it('reads back any time in the old format, and any moment in the new one', () => {
    const seconds = fc.integer({ min: -62_135_596_800, max: 253_402_300_799 });
    const nanoseconds = fc.integer({ min: 0, max: 999_999_999 });
    const zone = fc.option(
      fc.integer({ min: -50_000, max: 50_000 }).filter((offset) => offset > -60 || offset <= -120),
    );
    fc.assert(
      fc.property(seconds, nanoseconds, zone, (s, ns, offset) => {
        const time = new Timestamp(s, ns, offset);
        for (const format of ['binary', 'compact'] as const) {
          const to = new Encoder(16, format);
          to.time(time);
          const read = Decoder.ofWhole(to.finish()).time();
          expect([read.unixSeconds, read.nanoseconds]).toEqual([s, ns]);
          if (format === 'binary') expect(read.zoneOffsetSeconds).toBe(offset);
        }
      }),
    );
  });
});

interface Thing {
  count: number;
  delta: number;
  isOn: boolean;
  data: Uint8Array | null;
  label: string;
}

const thing = new Struct<Thing>([
  uint('Count', 'count'),
  int('Delta', 'delta'),
  bool('IsOn', 'isOn'),
  bytes('Data', 'data'),
  name('Label', 'label'),
]);

function zeroThing(): Thing {
  return { count: 0, delta: 0, isOn: false, data: null, label: '' };
}

function readThing(text: string): Thing {
  return thing.read(decoder(text), zeroThing());
}

describe('Struct', () => {
  it('writes every field, sorted by name', () => {
    const bytes = encoded((to) => thing.write(to, { ...zeroThing(), count: 300, label: 'x' }));
    expect(bytes).toBe(
      '85a5436f756e74cd012ca444617461c0a544656c746100a449734f6ec2a54c6162656ca178',
    );
  });

  it('reads keys in any order and form, steps over unknown ones, keeps the last of two', () => {
    const label = 'a5 4c6162656c';
    const text = `84 d9 05 4c6162656c a1 78 c4 05 436f756e74 01 a1 3f 93 01 80 c2 ${label} a1 79`;
    expect(readThing(text)).toEqual({ ...zeroThing(), count: 1, label: 'y' });
  });

  it('reads an array in the order of declaration, short or long', () => {
    expect(readThing('92 05 fe')).toEqual({ ...zeroThing(), count: 5, delta: -2 });
    expect(readThing('97 05 fe c3 a1 01 a1 78 92 01 02 80')).toEqual({
      count: 5,
      delta: -2,
      isOn: true,
      data: hex('01'),
      label: 'x',
    });
  });

  it('leaves everything as it is for nil, an empty map and an empty array', () => {
    for (const text of ['c0', '80', '90', 'de 0000', 'dc 0000']) {
      expect(readThing(text)).toEqual(zeroThing());
    }
  });

  it('names the field in an error', () => {
    expect(() => readThing('81 a5 436f756e74 a1 78')).toThrow(
      'Count: expected a whole number, got 0xa1',
    );
    expect(() => readThing('07')).toThrow('expected a struct as a map or an array, got 0x07');
  });

  it('steps over 100 000 levels of nesting without recursion', () => {
    const deep = `81 a1 3f ${'91'.repeat(100_000)}c0`;
    expect(readThing(deep)).toEqual(zeroThing());
  });
});

describe('Scanner', () => {
  function scanWhole(text: string, values = 1): number {
    const scanner = new Scanner();
    scanner.expect(values);
    const all = hex(text);
    expect(scanner.scan(all, 0, all.length)).toBe(true);
    return scanner.position;
  }

  it.each([
    ['00', 1],
    ['ff', 1],
    ['c0', 1],
    ['ca 00000000', 5],
    ['cb 0000000000000000', 9],
    ['cc 00', 2],
    ['cd 0000', 3],
    ['ce 00000000', 5],
    ['cf 0000000000000000', 9],
    ['d0 00', 2],
    ['d1 0000', 3],
    ['d2 00000000', 5],
    ['d3 0000000000000000', 9],
    ['d4 00 00', 3],
    ['d5 00 0000', 4],
    ['d6 00 00000000', 6],
    ['d7 00 0000000000000000', 10],
    [`d8 00 ${'00'.repeat(16)}`, 18],
    ['c7 02 00 0000', 5],
    ['c8 0002 00 0000', 6],
    ['c9 00000002 00 0000', 8],
    ['a2 0000', 3],
    ['d9 02 0000', 4],
    ['da 0002 0000', 5],
    ['db 00000002 0000', 7],
    ['c4 02 0000', 4],
    ['c5 0002 0000', 5],
    ['c6 00000002 0000', 7],
    ['92 00 c0', 3],
    ['dc 0002 00 c0', 5],
    ['dd 00000002 00 c0', 7],
    ['81 00 c0', 3],
    ['de 0001 00 c0', 5],
    ['df 00000001 00 c0', 7],
    ['92 81 a1 61 90 82 00 00 00 00', 10],
  ])('finds the end of %s', (text, length) => {
    expect(scanWhole(`${text} ff ff ff`)).toBe(length);
    const scanner = new Scanner();
    scanner.expect(1);
    const all = hex(text);
    // Every byte by itself, so that every header is cut everywhere.
    for (let end = 0; end < all.length; end += 1) expect(scanner.scan(all, 0, end)).toBe(false);
    expect(scanner.scan(all, 0, all.length)).toBe(true);
    expect(scanner.position).toBe(length);
  });

  it('finds the end of two values', () => {
    expect(scanWhole('a0 c0 07', 2)).toBe(2);
  });

  it('refuses the byte that starts nothing', () => {
    expect(() => scanWhole('c1')).toThrow('expected the first byte of a value, got 0xc1');
  });

  it.each([
    ['db ffffffff', `expected at most ${MAX_RAW_BYTES} bytes in a row, got 4294967295`],
    ['c6 08000001', `expected at most ${MAX_RAW_BYTES} bytes in a row, got ${MAX_RAW_BYTES + 1}`],
    ['c9 ffffffff', 'in a row, got 4294967295'],
    ['dd ffffffff', `expected a message of at most ${MAX_MESSAGE_BYTES} bytes`],
    ['df 7fffffff', `expected a message of at most ${MAX_MESSAGE_BYTES} bytes`],
  ])('refuses the length of %s as soon as it is there', (text, message) => {
    expect(() => scanWhole(text)).toThrow(message);
  });

  it('looks at each byte a bounded number of times, however it is cut', () => {
    const entry = '83 a1 61 c0 a1 62 da 0003 010203 a1 63 ce 00000001';
    const all = hex(`dc 0400 ${entry.repeat(1024)}`);
    let reads = 0;
    const counted = new Proxy(all, {
      get(target, key) {
        reads += 1;
        return Reflect.get(target, key);
      },
    });
    const scanner = new Scanner();
    scanner.expect(1);
    for (let end = 1; end < all.length; end += 1) expect(scanner.scan(counted, 0, end)).toBe(false);
    expect(scanner.scan(counted, 0, all.length)).toBe(true);
    expect(reads).toBeLessThan(3 * all.length);
  });
});
