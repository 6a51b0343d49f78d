// Owns tables for people: aligned columns, two spaces between, one line a row. On a terminal the columns that may shrink are cut
// so that no line wraps; into a pipe or a file everything is written in full. Ids are never cut.
import { cutToWidth, displayWidth, type Paint, printable } from './paint.ts';

export type Cell = string | number | boolean | null | undefined;

export type Column<R> = {
  title: string;
  cell: (row: R) => Cell;
  align?: 'left' | 'right';
  /** May be cut on a narrow terminal. */
  shrinks?: boolean;
  /** Colour of the finished cell. */
  paint?: (text: string, row: R, paint: Paint) => string;
};

export type TableOptions = {
  paint: Paint;
  /** Columns of the terminal; undefined writes everything in full. */
  width: number | undefined;
};

const gap = '  ';
/** Below this a cut text says nothing. */
const shrunkWidthMin = 8;

export function renderTable<R>(rows: readonly R[], columns: readonly Column<R>[], options: TableOptions): string {
  const texts = rows.map((row) => columns.map((column) => cellText(column.cell(row))));
  const natural = columns.map((column, i) =>
    texts.reduce((widest, row) => Math.max(widest, displayWidth(row[i] as string)), displayWidth(column.title)),
  );
  const widths = shrink(natural, columns, options.width);
  const line = (cells: readonly string[], paintCell: (text: string, i: number) => string) =>
    cells
      .map((text, i) => {
        const width = widths[i] as number;
        const cut = cutToWidth(text, width);
        const pad = ' '.repeat(Math.max(0, width - displayWidth(cut)));
        const painted = paintCell(cut, i);
        if (columns[i]?.align === 'right') return pad + painted;
        return i === columns.length - 1 ? painted : painted + pad;
      })
      .join(gap)
      .trimEnd();
  const header = line(
    columns.map((column) => column.title),
    (text) => options.paint('dim', text),
  );
  const body = rows.map((row, r) =>
    line(texts[r] as string[], (text, i) => columns[i]?.paint?.(text, row, options.paint) ?? text),
  );
  return `${[header, ...body].join('\n')}\n`;
}

/** Names on the left, values on the right: one thing in full. */
export function renderFields(fields: readonly (readonly [name: string, value: Cell])[], paint: Paint): string {
  const width = fields.reduce((widest, [name]) => Math.max(widest, name.length), 0);
  return fields.map(([name, value]) => `${paint('dim', name.padEnd(width))}${gap}${cellText(value)}\n`).join('');
}

/** To the second, as in the API: sorts, and can be pasted into a query. */
export function timeCell(time: string | null | undefined): string {
  return time === null || time === undefined ? '-' : time.replace(/\.\d+Z$/, 'Z');
}

/** `a=1 b=2`, in the order of the names. */
export function labelsCell(labels: Readonly<Record<string, unknown>>): string {
  const entries = Object.entries(labels).sort(([a], [b]) => (a < b ? -1 : 1));
  return entries.length === 0 ? '-' : entries.map(([name, value]) => `${name}=${String(value)}`).join(' ');
}

/** Green for what is well, yellow for what is under way, red for what needs somebody. */
export function paintState(text: string, state: string, paint: Paint): string {
  if (/^(active|succeeded|healthy|ready|ok|done|live)$/.test(state)) return paint('green', text);
  if (/^(failed|halted|unreachable|revoked|error|not_ready|stopping)$/.test(state)) return paint('red', text);
  if (/^(suspended|deleted|purged|retired|cancelled|gone|undone|notice|skipped|aborted|noop)$/.test(state))
    return paint('dim', text);
  return paint('yellow', text);
}

function cellText(cell: Cell): string {
  return cell === null || cell === undefined || cell === '' ? '-' : printable(String(cell));
}

/** Takes from the widest shrinking column first, until the line fits or nothing may shrink any more. */
function shrink(
  natural: readonly number[],
  columns: readonly { shrinks?: boolean }[],
  width: number | undefined,
): number[] {
  const widths = [...natural];
  if (width === undefined) return widths;
  let excess = widths.reduce((sum, each) => sum + each, gap.length * (widths.length - 1)) - width;
  while (excess > 0) {
    let widest = -1;
    for (const [i, each] of widths.entries()) {
      const may = columns[i]?.shrinks === true && each > shrunkWidthMin;
      if (may && (widest < 0 || each > (widths[widest] as number))) widest = i;
    }
    if (widest < 0) return widths;
    widths[widest] = (widths[widest] as number) - 1;
    excess--;
  }
  return widths;
}
