// Owns reading SQL with PostgreSQL's own parser (libpg-query, version 18): where each statement stands and what it is. A text
// that does not parse is told with line and column before any database is touched.
import { hasSqlDetails, loadModule, parseSync } from 'libpg-query';
import { placesOf } from './text-places.ts';

export type SqlStatement = {
  /** The parser's name of it, as CreateStmt, IndexStmt, AlterTableStmt. */
  readonly kind: string;
  /** The fields of that node, as the parser has them. */
  readonly node: Readonly<Record<string, unknown>>;
  /** Without the semicolon and what stands before it. */
  readonly text: string;
  /** 1-based, of its first word. */
  readonly line: number;
  readonly column: number;
  /** 0-based, of its first word in the text. */
  readonly offset: number;
};

export class SqlSyntaxError extends Error {
  /** Both 1-based. */
  readonly line: number;
  readonly column: number;
  constructor(message: string, line: number, column: number) {
    super(message);
    this.name = 'SqlSyntaxError';
    this.line = line;
    this.column = column;
  }
}

/** A file of this size takes a second; one with more is data, and belongs elsewhere. */
const statementsMax = 20_000;
/** The parser's time grows with the square of how many comments are open at once: 0.3 s at 5,000. */
const openCommentsMax = 5_000;
/** The parser's message quotes what it did not understand, to the end of the text. */
const messageMax = 300;

/** In order. @throws SqlSyntaxError */
export async function parseSql(text: string): Promise<SqlStatement[]> {
  await loadModule(); // 1.3 MB of WebAssembly, once in a process
  if (endOfBlank(text, 0, true) === text.length) return []; // the module does not take a text without a statement
  refuseOpenComments(text);
  const { stmts = [] } = parsed(text);
  const places = placesOf(text);
  if (stmts.length > statementsMax) {
    const { line, column } = places.at(stmts[statementsMax]?.stmt_location ?? 0);
    throw new SqlSyntaxError(`more than ${statementsMax} statements; split the file`, line, column);
  }
  return stmts.map(({ stmt, stmt_location: start = 0, stmt_len: length }) => {
    const from = endOfBlank(text, places.offset(start), false);
    const end = length === undefined ? text.length : places.offset(start + length);
    const [kind, node] = Object.entries(stmt ?? {})[0] ?? ['', {}];
    const said = text.slice(from, end).trimEnd();
    return { kind, node: node as Record<string, unknown>, text: said, ...places.ofOffset(from), offset: from };
  });
}

type Parsed = { stmts?: { stmt?: object; stmt_location?: number; stmt_len?: number }[] };

function parsed(text: string): Parsed {
  try {
    return parseSync(text) as Parsed;
  } catch (error) {
    if (!hasSqlDetails(error)) throw error;
    const { line, column } = placesOf(text).at(Math.max(0, error.sqlDetails?.cursorPosition ?? 0));
    throw new SqlSyntaxError(error.message.slice(0, messageMax), line, column);
  }
}

/** Behind white space and comments, which the parser counts to the statement after them. By hand: a pattern takes for ever on some. */
function endOfBlank(text: string, from: number, alsoSemicolons: boolean): number {
  const blank = alsoSemicolons ? /[\s;]*/y : /\s*/y;
  for (let at = from; ; ) {
    blank.lastIndex = at;
    at += blank.exec(text)?.[0].length ?? 0;
    if (text.startsWith('--', at)) {
      const end = text.indexOf('\n', at);
      at = end < 0 ? text.length : end;
    } else if (text.startsWith('/*', at)) at = endOfComment(text, at);
    else return at;
  }
}

/** Strings are not told apart: so many of these marks stand in none. */
function refuseOpenComments(text: string): void {
  let open = 0;
  for (const { 0: mark, index } of text.matchAll(/\/\*|\*\//g)) {
    open = mark === '/*' ? open + 1 : Math.max(0, open - 1);
    if (open <= openCommentsMax) continue;
    const { line, column } = placesOf(text).ofOffset(index);
    throw new SqlSyntaxError('comments nest too deep, or do not end', line, column);
  }
}

/** They nest. One that does not end is the parser's to refuse. */
function endOfComment(text: string, from: number): number {
  const mark = /\/\*|\*\//g;
  mark.lastIndex = from;
  let depth = 0;
  for (let found = mark.exec(text); found !== null; found = mark.exec(text)) {
    depth += found[0] === '/*' ? 1 : -1;
    if (depth === 0) return mark.lastIndex;
  }
  return text.length;
}
