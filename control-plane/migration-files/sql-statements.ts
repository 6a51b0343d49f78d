// Owns cutting a migration into statements, just as far as needed to know how each begins. All pending files run as one
// transaction, so a file that ends the transaction, or needs to be outside of one, must be found before it runs (V12).

/** The words of each statement outside strings, quoted names and comments; lower case, in order. */
export function statementWords(sql: string): string[][] {
  const statements: string[][] = [];
  let words: string[] = [];
  // Inside BEGIN ATOMIC … END a semicolon does not end the statement; CASE … END nests in it.
  let depth = 0;
  for (const [token] of sql.matchAll(tokenPattern)) {
    if (token === ';') {
      if (depth > 0) continue;
      if (words.length > 0) statements.push(words);
      words = [];
    } else if (/^[a-z_]/i.test(token) && !/^[a-z]?&?'/i.test(token)) {
      const word = token.toLowerCase();
      if (word === 'atomic' && words.at(-1) === 'begin') depth = 1;
      else if (depth > 0 && word === 'case') depth += 1;
      else if (depth > 0 && word === 'end') depth -= 1;
      words.push(word);
    }
  }
  if (words.length > 0) statements.push(words);
  return statements;
}

/** Why the text cannot run with others in one transaction, or undefined. */
export function transactionProblem(sql: string): string | undefined {
  for (const words of statementWords(sql)) {
    const [first = '', second = ''] = words;
    if (
      transactionControl.has(first) ||
      (first === 'start' && second === 'transaction') ||
      (first === 'prepare' && second === 'transaction')
    ) {
      return `it controls the transaction itself (${first.toUpperCase()})`;
    }
    const concurrent = words.includes('concurrently') && ['create', 'drop', 'reindex', 'alter'].includes(first);
    if (
      concurrent ||
      first === 'vacuum' ||
      (['create', 'drop'].includes(first) && ['database', 'tablespace'].includes(second)) ||
      (first === 'alter' && second === 'system')
    ) {
      return `${words.slice(0, 3).join(' ').toUpperCase()} cannot run in a transaction`;
    }
  }
  return undefined;
}

const transactionControl = new Set(['begin', 'commit', 'end', 'rollback', 'abort', 'savepoint', 'release']);

/** Order matters: what may hide a semicolon comes first. Block comments nest in PostgreSQL; two levels are understood. */
const tokenPattern = new RegExp(
  [
    '--[^\\n]*',
    '/\\*(?:[^*/]|\\*(?!/)|/(?!\\*)|/\\*(?:[^*]|\\*(?!/))*\\*/)*\\*/',
    "[eE]'(?:[^'\\\\]|\\\\.|'')*'",
    "'(?:[^']|'')*'",
    '"(?:[^"]|"")*"',
    '\\$([A-Za-z_]\\w*)?\\$[\\s\\S]*?\\$\\1\\$',
    '[A-Za-z_][\\w$]*',
    ';',
  ].join('|'),
  'g',
);
