// Owns one reviewed statement in one database, exactly once per run: the ledger has a row of it in the lane "exec" that is
// written in the same transaction.
import { createHash } from 'node:crypto';
import { isUniqueViolation } from '../../platform/postgres/errors.ts';
import type { Session } from '../../platform/postgres/session.ts';
import { execLane, guardError, sameTransaction } from './guards.ts';
import { markKeptOf } from './kept-changes.ts';
import { placeError } from './place-error.ts';
import { cleanState, type MigrationFrame } from './plan-migration.ts';
import { literal } from './sql-literal.ts';

/** False when this run has been here before. */
export async function execOnce(
  session: Session,
  frame: MigrationFrame,
  statement: string,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const { rows } = await session.query('select from freehold.ledger where lane = $1 and name = $2', [
    execLane,
    frame.run,
  ]);
  if (rows.length > 0) return false;
  const hash = createHash('sha256').update(statement).digest('hex');
  const values = [execLane, frame.run, hash].map(literal).join(', ');
  // The row comes first: a second worker with the same run waits here, and then meets a duplicate key.
  const message = `${cleanState(frame, 'tenant')}insert into freehold.ledger (lane, name, hash, duration_ms, run, actor)
values (${values}, 0, ${literal(frame.run)}, ${literal(frame.actor)});\n${statement}\n;\n${sameTransaction}${cleanState(frame, 'core')}
update freehold.ledger set duration_ms = extract(epoch from clock_timestamp() - now()) * 1000 where lane = '${execLane}' and name = ${literal(frame.run)};`;
  try {
    await session.script(message, { signal });
  } catch (thrown) {
    const error = guardError(thrown);
    if (isUniqueViolation(error, 'ledger_pkey')) return false;
    await markKeptOf(error, message);
    placeError(error, { lane: execLane, file: execLane, statement });
    throw error;
  }
  return true;
}
