import { describe, expect, it } from 'vitest';
import { Timestamp, ZERO_TIME, ZONE_UTC } from './timestamp.ts';

describe('Timestamp', () => {
  it('is a Date that keeps the nanoseconds and the zone (S200)', () => {
    const moment = new Timestamp(1_700_000_000, 123_456_789, 3600);
    expect(moment).toBeInstanceOf(Date);
    expect(moment.toISOString()).toBe('2023-11-14T22:13:20.123Z');
    expect([moment.unixSeconds, moment.nanoseconds]).toEqual([1_700_000_000, 123_456_789]);
    expect(moment.zoneOffsetSeconds).toBe(3600);
    expect(new Timestamp(0, 0).zoneOffsetSeconds).toBe(ZONE_UTC);
  });

  it('tells UTC from an offset of 0, as Go does', () => {
    expect(new Timestamp(0, 0, 0).zoneOffsetSeconds).not.toBe(ZONE_UTC);
  });

  it('counts whole seconds downwards before 1970', () => {
    const moment = new Timestamp(-2, 500_000_000);
    expect([moment.getTime(), moment.unixSeconds]).toEqual([-1500, -2]);
  });

  it('is made of any Date', () => {
    const moment = Timestamp.from(new Date(-1));
    expect([moment.unixSeconds, moment.nanoseconds]).toEqual([-1, 999_000_000]);
    expect(Timestamp.from(moment)).toBe(moment);
  });
});

describe('ZERO_TIME', () => {
  it('is the first moment of year one, and nothing else is', () => {
    expect(ZERO_TIME.toISOString()).toBe('0001-01-01T00:00:00.000Z');
    expect(ZERO_TIME.isZero).toBe(true);
    expect(new Timestamp(ZERO_TIME.unixSeconds, 1).isZero).toBe(false);
    expect(new Timestamp(0, 0).isZero).toBe(false);
  });
});
