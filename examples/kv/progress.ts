import { Presets, SingleBar } from 'cli-progress';

const PLAIN_INTERVAL_MS = 3000;
const BAR_INTERVAL_MS = 100;

/** Says how far a load is: a bar on a terminal, a plain line every few seconds elsewhere. */
export interface Progress {
  /** Says something without disturbing the bar. */
  say(line: string): void;
  /** Ends the bar at the last figure. */
  stop(): void;
}

const grouped = new Intl.NumberFormat('en-US', { maximumFractionDigits: 0 });

/** A number for people: 171075 is "171,075". */
export function shown(value: number): string {
  return grouped.format(value);
}

/** Shows `done()` out of `total` until stopped. */
export function showProgress(total: number, done: () => number): Progress {
  const startMs = performance.now();
  const rate = () => shown((done() / Math.max(performance.now() - startMs, 1)) * 1000);
  if (!process.stdout.isTTY) {
    const timer = setInterval(() => {
      if (done() === total) return;
      console.log(`  ${shown(done())} of ${shown(total)} records, ${rate()} a second`);
    }, PLAIN_INTERVAL_MS);
    return { say: (line) => console.log(line), stop: () => clearInterval(timer) };
  }
  const format = '  {bar} {percentage}% | {value} of {total} records | {rate} a second';
  const bar = new SingleBar({ format, stream: process.stdout }, Presets.shades_classic);
  bar.start(total, 0, { rate: '0' });
  const draw = () => bar.update(done(), { rate: rate() });
  const timer = setInterval(draw, BAR_INTERVAL_MS);
  return {
    say: (line) => {
      process.stdout.write(`\r\u001B[K${line}\n`);
      draw();
    },
    stop: () => {
      clearInterval(timer);
      draw();
      bar.stop();
    },
  };
}
