// Owns colour and what may reach a terminal. Colour follows the stream, NO_COLOR and FORCE_COLOR (util.styleText knows them).
// Texts of the server are printed without control characters, so that a name cannot move the cursor or rewrite a line.
import { styleText } from 'node:util';

export type Paint = (format: Parameters<typeof styleText>[0], text: string) => string;

export function createPaint(stream: NodeJS.WriteStream): Paint {
  return (format, text) => styleText(format, text, { stream });
}

/** Control characters, lone surrogates and the marks that turn the direction of text, each as one visible sign. */
export function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cs}\u202A-\u202E\u2066-\u2069]/gu, '\uFFFD');
}

/** The same for text of several lines. */
export function printableLines(text: string): string[] {
  return text.split(/\r?\n/).map((line) => printable(line.replaceAll('\t', '  ')));
}

const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
/** Characters that terminals draw two columns wide: East Asian wide and fullwidth forms, and emoji. */
const wide =
  /[\u1100-\u115F\u2E80-\u303E\u3041-\uA4CF\uA960-\uA97F\uAC00-\uD7A3\uF900-\uFAFF\uFE30-\uFE6F\uFF00-\uFF60\uFFE0-\uFFE6\u{1F300}-\u{1F64F}\u{1F680}-\u{1F6FF}\u{1F900}-\u{1FAFF}\u{20000}-\u{3FFFD}]/u;

/** Columns on a terminal; `text` without colours. */
export function displayWidth(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const { segment } of graphemes.segment(text)) width += wide.test(segment) ? 2 : 1;
  return width;
}

/** At most `width` columns, with … where something was cut off. */
export function cutToWidth(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let cut = '';
  let used = 0;
  for (const { segment } of graphemes.segment(text)) {
    const next = used + (wide.test(segment) ? 2 : 1);
    if (next > width - 1) break;
    cut += segment;
    used = next;
  }
  return `${cut}…`;
}
