// Owns what is known of an error whose file had ended the transaction by itself: what it committed by then stands, though the file
// is not booked. A file that only rolled back, or only reset its settings, has left nothing.
import { PostgresError } from '../../platform/postgres/errors.ts';
import { parseSql } from '../migration-files/parse-sql.ts';

const kept = new WeakSet<object>();

/** Changes of this file may stand. */
export function markKept(error: unknown): void {
  if (typeof error === 'object' && error !== null) kept.add(error);
}

export function mayBeKept(error: unknown): boolean {
  return typeof error === 'object' && error !== null && kept.has(error);
}

/** For a message that failed: those of its statements that were answered count; all of them where nobody answered. */
export async function markKeptOf(error: unknown, message: string): Promise<void> {
  const answered = error instanceof PostgresError ? error.statementsBefore : undefined;
  if (await commits(message, answered)) markKept(error);
}

/** A procedure cannot commit inside a message: the server refuses it (2D000). */
export async function commits(text: string, answered?: number): Promise<boolean> {
  if (!/\b(?:commit|end)\b/i.test(text)) return false;
  const statements = await parseSql(text).catch(() => []); // newer than our parser, or refused as a whole
  return statements.slice(0, answered).some(({ node }) => node.kind === 'TRANS_STMT_COMMIT');
}
