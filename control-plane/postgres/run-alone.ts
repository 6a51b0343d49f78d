// Owns one file that cannot be part of a message, because it must stand outside of a transaction or asks the database, from the lock
// to its row in the ledger. The lock is the session's: there is no transaction that could hold it, and it goes with the backend.
import type { Session } from '../../platform/postgres/session.ts';
import { guardError, ledgerMovedOn } from './guards.ts';
import { placeError } from './place-error.ts';
import {
  type MigrationFrame,
  type MigrationPlan,
  migrationLockId,
  progressName,
  recordAlone,
  searchPathOf,
} from './plan-migration.ts';
import { readLedger } from './read-ledger.ts';
import { runAsking } from './run-asking.ts';
import { runStatements } from './run-statements.ts';

/** @throws PostgresError ZF010 when another worker was faster */
export async function runAlone(
  session: Session,
  alone: NonNullable<MigrationPlan['alone']>,
  expected: number,
  { frame, direction, signal }: { frame: MigrationFrame; direction: 'up' | 'down'; signal: AbortSignal | undefined },
): Promise<void> {
  const clean = cleanSession(frame, alone.lane);
  await session.script(clean);
  await session.query(`select pg_catalog.pg_advisory_lock(${migrationLockId})`, [], { signal });
  try {
    if ((await readLedger(session, frame.bookkeeping)).applied.length !== expected) throw ledgerMovedOn();
    if (alone.file.program?.[direction] === true) {
      const asking = { ...alone, direction, frame, clean, signal };
      return await runAsking(session, asking, recordAlone(alone, direction, frame, expected));
    }
    const script = direction === 'up' ? alone.file.up : alone.file.down;
    if (script !== null) {
      const { lane, file } = alone;
      const name = progressName(file, direction);
      const { statements, made } = script;
      const hasLines = made !== true;
      await runStatements(session, { lane, file: file.name, name, statements, hasLines, clean }, { signal });
    }
    await session.script(recordAlone(alone, direction, frame, expected));
  } catch (thrown) {
    const error = guardError(thrown);
    placeError(error, { lane: alone.lane, file: alone.file.name });
    // Else the unlock below would fail too, and its error would be told instead of this one.
    if (session.usable && session.transactionStatus !== 'idle') await session.rollback();
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
