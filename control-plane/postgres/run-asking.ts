// Owns a program that asks the database while it runs, from its first question to its row in the ledger: one transaction, unless it
// says that what it makes must stand outside of one. The caller holds the migration lock on this session.
import type { Session } from '../../platform/postgres/session.ts';
import type { MigrationFile } from '../migration-files/migration-file.ts';
import { type ProgramDatabase, runProgram } from '../migration-files/run-program.ts';
import { guardError, sameTransaction } from './guards.ts';
import { commits, markKept, markKeptOf } from './kept-changes.ts';
import { placeInMessage, placeStatement } from './place-error.ts';
import { cleanState, type MigrationFrame, progressName } from './plan-migration.ts';
import { runStatements } from './run-statements.ts';

export type Asking = {
  lane: string;
  file: MigrationFile;
  direction: 'up' | 'down';
  frame: MigrationFrame;
  /** Puts the session back, outside of a transaction. */
  clean: string;
  signal: AbortSignal | undefined;
};

/** @param record what makes it an applied one, or one that is undone */
export async function runAsking(session: Session, asking: Asking, record: string): Promise<void> {
  const left = { kept: false };
  try {
    await session.begin();
    await session.script(cleanState(asking.frame, asking.lane));
    const made = await runProgram(asking.file, asking.direction, databaseOf(session, asking, left));
    const booking = cleanState(asking.frame, 'core') + record;
    if (made.transaction) await runTogether(session, asking, made.statements, booking);
    else await runOutside(session, asking, made.statements, booking, left);
  } catch (thrown) {
    const error = guardError(thrown);
    if (left.kept) markKept(error);
    throw error;
  }
}

/** `kept`: what the program asked may stand, whatever becomes of the rest. */
type Left = { kept: boolean };

function databaseOf(session: Session, { lane, file, signal }: Asking, left: Left): ProgramDatabase {
  const told = async <T>(text: string, act: () => Promise<T>): Promise<T> => {
    // It has ended the transaction by itself: what it asks now is one of its own.
    const isAlone = session.transactionStatus === 'idle';
    try {
      const answer = await act();
      if (isAlone || (await commits(text))) left.kept = true;
      return answer;
    } catch (error) {
      placeStatement(error, { lane, file: file.name, hasLines: false }, text);
      await markKeptOf(error, text);
      throw error;
    }
  };
  return {
    query: (text, params) => told(text, () => session.query<unknown>(text, params, { signal })),
    script: (text) => told(text, () => session.script(text, { signal })),
  };
}

async function runTogether(
  session: Session,
  { lane, file, signal }: Asking,
  statements: readonly string[],
  booking: string,
): Promise<void> {
  const text = statements.join('\n;\n');
  const message = `${text}\n;\n${sameTransaction}${booking}`;
  try {
    await session.script(message, { signal });
  } catch (error) {
    const files = [{ lane, name: file.name, text, offset: 0, hasLines: false }];
    await placeInMessage(error, { files, message, alone: undefined, more: false });
    throw error;
  }
  await session.commit();
}

async function runOutside(
  session: Session,
  { lane, file, direction, clean, signal }: Asking,
  statements: readonly string[],
  booking: string,
  left: Left,
): Promise<void> {
  await session.script(sameTransaction);
  const { rows } = await session.query<{ wrote: boolean }>(
    'select pg_catalog.pg_current_xact_id_if_assigned() is not null as wrote',
  );
  await session.commit();
  if (rows[0]?.wrote === true) left.kept = true;
  const name = progressName(file, direction);
  await runStatements(session, { lane, file: file.name, name, statements, hasLines: false, clean }, { signal });
  await session.script(booking);
}
