// Owns bringing a database back to its version statement by statement, as its owner: each by itself, because an index is made
// without locking anybody out, and one that fails says nothing of the others. Never beside a migration: it takes the same lock.
import { catalogFault } from '../../catalog/errors.ts';
import { PostgresError } from '../../platform/postgres/errors.ts';
import type { Session } from '../../platform/postgres/session.ts';
import { migrationLockId } from './plan-migration.ts';

export type RepairOutcome = { statement: string; error: { sqlstate: string; message: string } | null };

/** The session must be the owner's. @throws Fault migration_at_work */
export async function runRepairs(session: Session, statements: readonly string[]): Promise<RepairOutcome[]> {
  const { rows } = await session.query<{ held: boolean }>(
    `select pg_catalog.pg_try_advisory_lock(${migrationLockId}) as held`,
  );
  if (rows[0]?.held !== true)
    throw catalogFault('migration_at_work', 'A migration is at work in this database; nothing was repaired.');
  const outcomes: RepairOutcome[] = [];
  try {
    await session.script(`set lock_timeout = ${lockTimeoutMs}; set search_path = pg_catalog`);
    for (const statement of statements) {
      try {
        await session.script(statement);
        outcomes.push({ statement, error: null });
      } catch (error) {
        if (!(error instanceof PostgresError)) throw error;
        outcomes.push({ statement, error: { sqlstate: error.sqlstate, message: error.message } });
      }
    }
    return outcomes;
  } finally {
    if (session.usable) await session.query(`select pg_catalog.pg_advisory_unlock(${migrationLockId})`);
  }
}

/** A repair that waits holds up everybody behind it. */
const lockTimeoutMs = 2_000;
