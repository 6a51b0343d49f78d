// Owns migrations that must stand outside of a transaction: their statements one by one, each with its intent written before it
// and its end after it, so that whatever dies between is found. A statement that was intended and not ended is asked "is it
// already so?" before it goes again (M03). One that the server refused whole is not intended any more.
import { PostgresError } from '../../platform/postgres/errors.ts';
import type { QueryOptions, Session } from '../../platform/postgres/session.ts';
import { parseSql, type SqlStatement } from '../migration-files/parse-sql.ts';
import { finishedForm, isConcurrent, isDone, removeLeftovers, saysAlreadySo } from './already-so.ts';
import { placeStatement } from './place-error.ts';

/** `name` is what the progress is kept under. `clean` is sent before each statement: the session is as the file expects it. */
export type AloneScript = {
  lane: string;
  /** As in the ledger; `name` is what its progress is kept under. */
  file: string;
  name: string;
  /** Each with as many empty lines before it as its file has, so that a position gives the line of the file. */
  statements: readonly string[];
  /** False where the SQL was made by a program: it has no lines that anybody could look up. */
  hasLines: boolean;
  clean: string;
};

/** The caller holds the migration lock on this session and records the file when this returns. */
export async function runStatements(session: Session, script: AloneScript, options: QueryOptions): Promise<void> {
  const progress = await readProgress(session, script);
  for (const [position, text] of script.statements.entries()) {
    const before = progress.get(position);
    if (before === 'done') continue;
    const [statement] = await parseSql(text);
    if (statement === undefined) continue;
    try {
      await runStatement(session, script, { position, text, statement, before }, options);
    } catch (error) {
      placeStatement(error, script, text);
      throw error;
    }
  }
}

type State = 'intended' | 'done';
type Step = { position: number; text: string; statement: SqlStatement; before: State | undefined };

async function runStatement(session: Session, script: AloneScript, step: Step, options: QueryOptions): Promise<void> {
  const { position, text, statement } = step;
  const sentBefore = step.before === 'intended';
  await session.script(script.clean);
  if (sentBefore && (await isDone(session, statement))) return mark(session, script, position, 'done');
  await removeLeftovers(session, statement, sentBefore);
  const sent = sentBefore ? await finishedForm(session, { ...statement, text }) : text;
  await mark(session, script, position, 'intended');
  try {
    await session.script(sent, options);
  } catch (error) {
    if (!sentBefore || !saysAlreadySo(error)) {
      await unmarkRefused(session, script, position, statement, error);
      throw error;
    }
  }
  await session.script(script.clean); // what the statement itself has set
  await mark(session, script, position, 'done');
}

/**
 * An answer says that nothing happened. Were it still intended, a table that somebody else had made would be taken for ours the
 * next time. What CONCURRENTLY may leave behind stays intended, unless its name was taken.
 */
async function unmarkRefused(
  session: Session,
  { lane, name, clean }: AloneScript,
  position: number,
  statement: SqlStatement,
  error: unknown,
): Promise<void> {
  if (!(error instanceof PostgresError) || !session.usable) return;
  if (isConcurrent(statement) && !saysAlreadySo(error)) return;
  await session.script(clean);
  await session.query('delete from freehold.progress where lane = $1 and name = $2 and statement = $3', [
    lane,
    name,
    position,
  ]);
}

async function readProgress(session: Session, { lane, name }: AloneScript): Promise<Map<number, State>> {
  const { rows } = await session.query<{ statement: number; state: State }>(
    'select statement, state from freehold.progress where lane = $1 and name = $2',
    [lane, name],
  );
  return new Map(rows.map((row) => [row.statement, row.state]));
}

async function mark(session: Session, { lane, name }: AloneScript, statement: number, state: State): Promise<void> {
  await session.query(
    `insert into freehold.progress (lane, name, statement, state) values ($1, $2, $3, $4)
     on conflict (lane, name, statement) do update set state = excluded.state, started_at = now()`,
    [lane, name, statement, state],
  );
}
