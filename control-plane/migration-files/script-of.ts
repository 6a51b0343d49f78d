// Owns turning the text of one direction into what a database is sent, with everything refused that could only fail later in
// every database: syntax, transaction control, what must stand outside of a transaction and is not marked so.
import type { MigrationScript } from './migration-file.ts';
import { parseSql, type SqlStatement, SqlSyntaxError } from './parse-sql.ts';
import { transactionProblem } from './transaction-rules.ts';

/** Characters, all statements together: 1,000 statements over 2,000 lines stay far below. */
const linesMax = 4_000_000;

/** Undefined where the text holds no statement. @throws Error that names line and remedy; the caller knows the file */
export async function scriptOf(text: string, noTransaction: boolean): Promise<MigrationScript | undefined> {
  const statements = await parsedStatements(text);
  if (statements.length === 0) return undefined;
  const problem = transactionProblem(statements);
  if (problem?.controlsTransaction)
    throw new Error(`line ${problem.line}: ${problem.problem}; leave that to the migrator`);
  const nameless = statements.find(
    ({ kind, node }) => kind === 'IndexStmt' && node.concurrent === true && !node.idxname,
  );
  if (nameless !== undefined) {
    throw new Error(`line ${nameless.line}: give the index a name, so that one left invalid by a failure can be found`);
  }
  if (noTransaction) {
    // Each carries its line as empty ones before it.
    if (statements.reduce((lines, { line }) => lines + line, 0) > linesMax)
      throw new Error('it is too long for a file that runs statement by statement; split it');
    const placed = statements.map(({ line, text }) => '\n'.repeat(line - 1) + text);
    return { transaction: false, statements: placed };
  }
  if (problem !== undefined) {
    throw new Error(
      `line ${problem.line}: ${problem.problem}; mark the file with "-- freehold: no-transaction" and give it nothing else`,
    );
  }
  return { transaction: true, statements: [text] };
}

async function parsedStatements(text: string): Promise<SqlStatement[]> {
  try {
    return await parseSql(text);
  } catch (error) {
    if (!(error instanceof SqlSyntaxError)) throw error;
    throw new Error(`line ${error.line}, column ${error.column}: ${error.message}`, { cause: error });
  }
}
