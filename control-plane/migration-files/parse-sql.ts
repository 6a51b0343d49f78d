// Owns reading SQL with PostgreSQL's own parser (libpg-query, version 18): where each statement stands and what it is. A text
// that does not parse is told with line and column before any database is touched.
import { hasSqlDetails, loadModule, parseSync } from 'libpg-query';

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

/** Both 1-based; columns count characters. */
export type Place = { readonly line: number; readonly column: number };

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

/** In order. @throws SqlSyntaxError */
export async function parseSql(text: string): Promise<SqlStatement[]> {
  await loadModule(); // 1.3 MB of WebAssembly, once in a process
  if (!/[^\s;]/.test(withoutComments(text))) return []; // the module does not take a text without a statement
  const bytes = Buffer.from(text, 'utf8');
  const { stmts = [] } = parsed(text, bytes);
  return stmts.map(({ stmt, stmt_location: start = 0, stmt_len: length }) => {
    const end = length === undefined ? bytes.length : start + length;
    const raw = bytes.toString('utf8', start, end);
    const lead = leadOf(raw);
    const [kind, node] = Object.entries(stmt ?? {})[0] ?? ['', {}];
    const before = bytes.toString('utf8', 0, start) + raw.slice(0, lead);
    return {
      kind,
      node: node as Record<string, unknown>,
      text: raw.slice(lead).trimEnd(),
      ...endOf(before),
      offset: before.length,
    };
  });
}

type Parsed = { stmts?: { stmt?: object; stmt_location?: number; stmt_len?: number }[] };

function parsed(text: string, bytes: Buffer): Parsed {
  try {
    return parseSync(text) as Parsed;
  } catch (error) {
    if (!hasSqlDetails(error)) throw error;
    const before = bytes.toString('utf8', 0, Math.max(0, error.sqlDetails?.cursorPosition ?? 0));
    const { line, column } = endOf(before);
    throw new SqlSyntaxError(error.message, line, column);
  }
}

/** Of a `location` in a node: the parser counts bytes. */
export function placeAt(text: string, location: number): Place {
  return endOf(Buffer.from(text, 'utf8').toString('utf8', 0, location));
}

function endOf(before: string): Place {
  return { line: before.split('\n').length, column: before.length - before.lastIndexOf('\n') };
}

/** The parser counts white space and comments before a statement to it. */
function leadOf(raw: string): number {
  return (
    /^(?:\s|--[^\n]*(?:\n|$)|\/\*(?:[^*/]|\*(?!\/)|\/(?!\*)|\/\*(?:[^*]|\*(?!\/))*\*\/)*\*\/)*/.exec(raw)?.[0].length ??
    0
  );
}

function withoutComments(text: string): string {
  return text.replace(/--[^\n]*|\/\*(?:[^*/]|\*(?!\/)|\/(?!\*)|\/\*(?:[^*]|\*(?!\/))*\*\/)*\*\//g, '');
}
