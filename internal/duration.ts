/** Drops trailing zeros of a fraction: "1.500" becomes "1.5", "2.000" becomes "2". */
function trimFraction(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

/** A duration as Go prints it: 500 → "500ms", 1500 → "1.5s", 90000 → "1m30s", 0 → "0s". */
export function formatDuration(milliseconds: number): string {
  const sign = milliseconds < 0 ? '-' : '';
  const ns = Math.round(Math.abs(milliseconds) * 1e6);
  if (ns === 0) return '0s';
  if (ns < 1e3) return `${sign}${ns}ns`;
  if (ns < 1e6) return `${sign}${trimFraction((ns / 1e3).toFixed(3))}µs`;
  if (ns < 1e9) return `${sign}${trimFraction((ns / 1e6).toFixed(6))}ms`;
  const totalSeconds = Math.floor(ns / 1e9);
  const fraction = trimFraction(((ns % 1e9) / 1e9).toFixed(9)).slice(1);
  const hours = Math.floor(totalSeconds / 3600);
  const minutes = Math.floor((totalSeconds % 3600) / 60);
  const seconds = `${totalSeconds % 60}${fraction}s`;
  if (hours > 0) return `${sign}${hours}h${minutes}m${seconds}`;
  if (minutes > 0) return `${sign}${minutes}m${seconds}`;
  return `${sign}${seconds}`;
}
