/** Seconds from 0001-01-01T00:00:00Z, where Go's zero time lies, to the Unix epoch. */
export const SECONDS_FROM_YEAR_ONE_TO_UNIX_EPOCH = 62_135_596_800;

/** The zone of a timestamp that was taken in UTC; Go writes it as offset -1. */
export const ZONE_UTC = null;

/**
 * A moment that keeps what Go keeps: nanoseconds and the zone in which it was taken. To its user it
 * is an ordinary `Date`; the extra digits only matter when it is written back to a wire or a disk.
 */
export class Timestamp extends Date {
  /** 0 to 999,999,999: the whole fraction of the second, milliseconds included. */
  readonly nanoseconds: number;
  /** Offset from UTC in seconds, or `null` for UTC itself (which Go tells apart from offset 0). */
  readonly zoneOffsetSeconds: number | null;

  constructor(unixSeconds: number, nanoseconds: number, zoneOffsetSeconds: number | null = null) {
    super(unixSeconds * 1000 + Math.floor(nanoseconds / 1e6));
    this.nanoseconds = nanoseconds;
    this.zoneOffsetSeconds = zoneOffsetSeconds;
  }

  /** Whole seconds since the Unix epoch, rounded down. */
  get unixSeconds(): number {
    return Math.floor(this.getTime() / 1000);
  }

  /** True for Go's zero time, which means "never set". */
  get isZero(): boolean {
    return this.unixSeconds === -SECONDS_FROM_YEAR_ONE_TO_UNIX_EPOCH && this.nanoseconds === 0;
  }

  /** Keeps a `Timestamp` as it is and reads any other `Date` as UTC with millisecond precision. */
  static from(date: Date): Timestamp {
    if (date instanceof Timestamp) return date;
    const ms = date.getTime();
    const seconds = Math.floor(ms / 1000);
    return new Timestamp(seconds, (ms - seconds * 1000) * 1e6);
  }
}

/** Go's zero time: 0001-01-01T00:00:00Z. */
export const ZERO_TIME = new Timestamp(-SECONDS_FROM_YEAR_ONE_TO_UNIX_EPOCH, 0);
