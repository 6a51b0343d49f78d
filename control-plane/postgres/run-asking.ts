// Owns a program that asks the database while it runs, from its first question to its row in the ledger: one transaction, unless it
// says that what it makes must stand outside of one. The caller holds the migration lock on this session.
import type { Session } from '../../platform/postgres/session.ts';
import type { MigrationFile } from '../migration-files/migration-file.ts';
import { runProgram } from '../migration-files/run-program.ts';
import { sameTransaction } from './guards.ts';
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
  const { lane, file, direction, frame, clean, signal } = asking;
  const booking = cleanState(frame, 'core') + record;
  await session.begin();
  await session.script(cleanState(frame, lane));
  const placed = async <T>(text: string, act: () => Promise<T>): Promise<T> => {
    try {
      return await act();
    } catch (error) {
      placeStatement(error, { lane, file: file.name, hasLines: false }, text);
      throw error;
    }
  };
  const made = await runProgram(file, direction, {
    query: (text, params) => placed(text, () => session.query<unknown>(text, params, { signal })),
    script: (text) => placed(text, () => session.script(text, { signal })),
  });
  const { statements } = made;
  if (!made.transaction) {
    await session.script(sameTransaction);
    await session.commit();
    const name = progressName(file, direction);
    await runStatements(session, { lane, file: file.name, name, statements, hasLines: false, clean }, { signal });
    return session.script(booking);
  }
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
