const BEGIN = '<!-- measured: written by npm run bench:publish -->';
const END = '<!-- end of what was measured -->';

/** The page with another text between its two marks. @throws Error when the marks are not there */
export function withMeasured(page: string, text: string): string {
  const start = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (start < 0 || end < start) throw new Error(`expected ${BEGIN} and behind it ${END}`);
  return `${page.slice(0, start)}${BEGIN}\n\n${text.trim()}\n\n${page.slice(end)}`;
}
