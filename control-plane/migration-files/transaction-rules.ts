// Owns the question whether a statement may stand in a transaction with others. A file that ends the transaction itself breaks
// out of its bookkeeping (V12), one that must be outside of a transaction would fail in every database.
import type { SqlStatement } from './parse-sql.ts';

export type TransactionProblem = { line: number; problem: string; controlsTransaction: boolean };

/** The first statement that cannot run with others in one transaction, or undefined. */
export function transactionProblem(statements: readonly SqlStatement[]): TransactionProblem | undefined {
  for (const statement of statements) {
    const { kind, line } = statement;
    if (kind === 'TransactionStmt') {
      const word = /^\w+/.exec(statement.text)?.[0].toUpperCase();
      return { line, problem: `it controls the transaction itself (${word})`, controlsTransaction: true };
    }
    const what = outsideOnly(statement);
    if (what !== undefined) return { line, problem: `${what} cannot run in a transaction`, controlsTransaction: false };
  }
  return undefined;
}

/** What PostgreSQL itself refuses inside of a transaction, by name. */
export function outsideOnly({ kind, node }: SqlStatement): string | undefined {
  if (kind === 'IndexStmt' && node.concurrent === true) return 'CREATE INDEX CONCURRENTLY';
  if (kind === 'DropStmt' && node.concurrent === true) return 'DROP INDEX CONCURRENTLY';
  if (kind === 'ReindexStmt' && /"concurrently"/.test(JSON.stringify(node.params ?? []))) return 'REINDEX CONCURRENTLY';
  if (kind === 'AlterTableStmt' && /"concurrent":true/.test(JSON.stringify(node.cmds ?? [])))
    return 'DETACH PARTITION CONCURRENTLY';
  if (kind === 'ReindexStmt') return reindexed[String(node.kind)];
  if (kind === 'ClusterStmt') return node.relation === undefined ? 'CLUSTER without a table' : undefined;
  if (kind === 'DiscardStmt') return node.target === 'DISCARD_ALL' ? 'DISCARD ALL' : undefined;
  if (kind === 'VacuumStmt') return node.is_vacuumcmd === true ? 'VACUUM' : undefined;
  return always[kind];
}

/** An index or a table may be rebuilt in a transaction; these are rebuilt in one for each table. */
const reindexed: Readonly<Record<string, string>> = {
  REINDEX_OBJECT_SCHEMA: 'REINDEX SCHEMA',
  REINDEX_OBJECT_SYSTEM: 'REINDEX SYSTEM',
  REINDEX_OBJECT_DATABASE: 'REINDEX DATABASE',
};

const always: Readonly<Record<string, string>> = {
  CreatedbStmt: 'CREATE DATABASE',
  DropdbStmt: 'DROP DATABASE',
  CreateTableSpaceStmt: 'CREATE TABLESPACE',
  DropTableSpaceStmt: 'DROP TABLESPACE',
  AlterSystemStmt: 'ALTER SYSTEM',
  // With some options they may; with the others they speak to another server, which no rollback reaches.
  CreateSubscriptionStmt: 'CREATE SUBSCRIPTION',
  AlterSubscriptionStmt: 'ALTER SUBSCRIPTION',
  DropSubscriptionStmt: 'DROP SUBSCRIPTION',
};
