// Owns one reading statement over many tenants: it is parsed before anybody is asked, and every tenant either answers or is named
// with the reason why not.
import { catalogFault } from '../../../catalog/errors.ts';
import type { KnownDatabase } from '../../../catalog/schema-checks.ts';
import { parseSql, type SqlStatement, SqlSyntaxError } from '../../migration-files/parse-sql.ts';
import type { ReadAnswer, ReadLimits, ReadOnlyStatement } from '../../postgres/fleet-query.ts';
import { byCluster } from './by-cluster.ts';
import { describeUnanswered, type Unanswered } from './describe-unanswered.ts';

export type QueryLine = { database: KnownDatabase } & ({ answer: ReadAnswer } | { error: Unanswered });

export async function* runFleetQuery(
  read: (id: KnownDatabase['databaseId'], statement: ReadOnlyStatement, limits: ReadLimits) => Promise<ReadAnswer>,
  databases: readonly KnownDatabase[],
  statement: ReadOnlyStatement,
  { concurrency, signal, ...limits }: { concurrency: number } & ReadLimits,
): AsyncGenerator<QueryLine> {
  const ask = async (database: KnownDatabase): Promise<QueryLine> => {
    if (database.closed)
      return { database, error: { code: 'closed', message: 'The database is closed to everybody.' } };
    try {
      return { database, answer: await read(database.databaseId, statement, { ...limits, signal }) };
    } catch (error) {
      return { database, error: describeUnanswered(error) };
    }
  };
  yield* byCluster(databases, concurrency, ask, signal);
}

/** @throws Fault statement_refused: not one statement, not a reading one, or not SQL */
export async function readOnlyStatement(sql: string): Promise<ReadOnlyStatement> {
  const statements = await parse(sql);
  const [statement] = statements;
  if (statement === undefined || statements.length > 1) {
    throw refused(`A fleet query is one statement; this text has ${statements.length}.`);
  }
  const { kind, node, text } = statement;
  if (kind === 'SelectStmt') refuseChanges(node);
  else if (kind === 'ExplainStmt') {
    const [inner, tree] = Object.entries((node.query ?? {}) as object)[0] ?? ['', {}];
    if (inner !== 'SelectStmt') throw refused('EXPLAIN takes a SELECT or VALUES here.');
    refuseChanges(tree as object);
  } else if (kind !== 'VariableShowStmt') {
    throw refused(
      `Line ${statement.line}: a fleet query is a SELECT, VALUES, SHOW or EXPLAIN, not ${kind.replace(/Stmt$/, '')}.`,
    );
  }
  return { text, fetchable: kind === 'SelectStmt' };
}

async function parse(sql: string): Promise<SqlStatement[]> {
  try {
    return await parseSql(sql);
  } catch (error) {
    if (!(error instanceof SqlSyntaxError)) throw error;
    throw refused(`Line ${error.line}, column ${error.column}: ${error.message}.`);
  }
}

/** The read-only transaction would refuse them too, tenant by tenant. */
function refuseChanges(tree: object): void {
  for (const [name, value] of Object.entries(tree)) {
    if (/^(Insert|Update|Delete|Merge)Stmt$/.test(name))
      throw refused(`A fleet query only reads; WITH holds ${name.slice(0, -4).toUpperCase()}.`);
    if (name === 'intoClause') throw refused('SELECT INTO makes a table; a fleet query only reads.');
    if (name === 'lockingClause') throw refused('FOR UPDATE and FOR SHARE lock rows; a fleet query only reads.');
    if (typeof value === 'object' && value !== null) refuseChanges(value);
  }
}

function refused(message: string) {
  return catalogFault('statement_refused', message);
}
