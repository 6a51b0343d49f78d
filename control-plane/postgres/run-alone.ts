// Owns one file outside of a transaction, from the lock to its row in the ledger. The lock is the session's: there is no
// transaction that could hold it, and it goes with the backend when that is killed.
import { PostgresError } from '../../platform/postgres/errors.ts';
import type { Session } from '../../platform/postgres/session.ts';
import { placeError } from './describe-migration-error.ts';
import type { BringInput } from './migrate-database.ts';
import {
  type MigrationFrame,
  type MigrationPlan,
  migrationLockId,
  progressName,
  recordAlone,
  searchPathOf,
} from './plan-migration.ts';
import { readLedger } from './read-ledger.ts';
import { runStatements } from './run-statements.ts';

/** @throws PostgresError ZF010 when another worker was faster */
export async function runAlone(
  session: Session,
  alone: NonNullable<MigrationPlan['alone']>,
  expected: number,
  { frame, direction, signal }: Pick<BringInput, 'frame' | 'direction' | 'signal'>,
): Promise<void> {
  const clean = cleanSession(frame, alone.lane);
  await session.script(clean);
  await session.query(`select pg_catalog.pg_advisory_lock(${migrationLockId})`, [], { signal });
  try {
    if ((await readLedger(session)).applied.length !== expected)
      throw new PostgresError({ message: 'the ledger has moved on', code: 'ZF010' });
    const { statements } = (direction === 'up' ? alone.file.up : alone.file.down) ?? { statements: [] };
    const script = { lane: alone.lane, name: progressName(alone.file, direction), statements, clean };
    await runStatements(session, script, { signal });
    await session.script(recordAlone(alone, direction, frame, expected));
  } catch (error) {
    placeError(error, { lane: alone.lane, file: alone.file.name });
    throw error;
  } finally {
    if (session.usable) await session.query(`select pg_catalog.pg_advisory_unlock(${migrationLockId})`);
  }
}

/** As cleanState of plan-migration.ts, for the session. */
function cleanSession(frame: MigrationFrame, lane: string): string {
  return `reset all; set role ${frame.owner};
set lock_timeout = ${Math.trunc(frame.lockTimeoutMs)}; set statement_timeout = ${Math.trunc(frame.statementTimeoutMs)};
set search_path = ${searchPathOf(lane)};`;
}
