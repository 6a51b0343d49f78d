// Owns migrations that must stand outside of a transaction: their statements one by one, each with its intent written before it
// and its end after it, so that whatever dies between is found. A statement that was intended and not ended is asked "is it
// already so?" before it goes again (M03); an index that a failed CREATE INDEX CONCURRENTLY left invalid is removed first (M04).
import { PostgresError } from '../../platform/postgres/errors.ts';
import type { QueryOptions, Session } from '../../platform/postgres/session.ts';
import { parseSql, type SqlStatement } from '../migration-files/parse-sql.ts';

/** `name` is what the progress is kept under. `clean` is sent before each statement: the session is as the file expects it. */
export type AloneScript = { lane: string; name: string; statements: readonly string[]; clean: string };

/** The caller holds the migration lock on this session and records the file when this returns. */
export async function runStatements(session: Session, script: AloneScript, options: QueryOptions): Promise<void> {
  const { lane, name } = script;
  const progress = await readProgress(session, lane, name);
  for (const [position, text] of script.statements.entries()) {
    const before = progress.get(position);
    if (before === 'done') continue;
    const [statement] = await parseSql(text);
    if (statement === undefined) continue;
    await session.script(script.clean);
    if (before === 'intended' && (await isDone(session, statement))) {
      await mark(session, lane, name, position, 'done');
      continue;
    }
    await removeInvalidIndex(session, statement);
    await mark(session, lane, name, position, 'intended');
    try {
      await session.script(text, options);
    } catch (error) {
      if (before !== 'intended' || !saysAlreadySo(error)) throw error;
    }
    await session.script(script.clean); // what the statement itself has set
    await mark(session, lane, name, position, 'done');
  }
}

type State = 'intended' | 'done';

async function readProgress(session: Session, lane: string, name: string): Promise<Map<number, State>> {
  const { rows } = await session.query<{ statement: number; state: State }>(
    'select statement, state from freehold.progress where lane = $1 and name = $2',
    [lane, name],
  );
  return new Map(rows.map((row) => [row.statement, row.state]));
}

async function mark(session: Session, lane: string, name: string, statement: number, state: State): Promise<void> {
  await session.query(
    `insert into freehold.progress (lane, name, statement, state) values ($1, $2, $3, $4)
     on conflict (lane, name, statement) do update set state = excluded.state, started_at = now()`,
    [lane, name, statement, state],
  );
}

/** Only for what can be told from the catalog; everything else goes again, see saysAlreadySo. */
async function isDone(session: Session, { kind, node }: SqlStatement): Promise<boolean> {
  if (kind === 'IndexStmt') return (await indexState(session, indexOf(node))) === 'valid';
  if (kind === 'DropStmt' && node.concurrent === true) {
    const names = droppedNames(node);
    const states = await Promise.all(names.map((name) => indexState(session, name)));
    return states.every((state) => state === 'absent');
  }
  if (kind === 'AlterEnumStmt' && typeof node.newVal === 'string') {
    const { rows } = await session.query(
      'select from pg_catalog.pg_enum where enumtypid = to_regtype($1) and enumlabel = $2',
      [quoted(stringsOf(node.typeName)), node.newVal],
    );
    return rows.length > 0;
  }
  return false;
}

async function removeInvalidIndex(session: Session, { kind, node }: SqlStatement): Promise<void> {
  if (kind !== 'IndexStmt' || node.concurrent !== true) return;
  const name = indexOf(node);
  if ((await indexState(session, name)) === 'invalid') await session.script(`drop index concurrently ${name}`);
}

async function indexState(session: Session, name: string): Promise<'valid' | 'invalid' | 'absent'> {
  const { rows } = await session.query<{ valid: boolean }>(
    'select indisvalid and indisready as valid from pg_catalog.pg_index where indexrelid = to_regclass($1)',
    [name],
  );
  if (rows[0] === undefined) return 'absent';
  return rows[0].valid ? 'valid' : 'invalid';
}

/** An index lives in the schema of its table. */
function indexOf(node: SqlStatement['node']): string {
  const { schemaname } = (node.relation ?? {}) as { schemaname?: string };
  return quoted([...(schemaname === undefined ? [] : [schemaname]), String(node.idxname)]);
}

function droppedNames(node: SqlStatement['node']): string[] {
  const objects = (node.objects ?? []) as { List?: { items?: unknown } }[];
  return objects.map((object) => quoted(stringsOf(object.List?.items)));
}

function stringsOf(list: unknown): string[] {
  return ((list ?? []) as { String?: { sval?: string } }[]).map((item) => item.String?.sval ?? '');
}

function quoted(parts: readonly string[]): string {
  return parts.map((part) => `"${part.replaceAll('"', '""')}"`).join('.');
}

/**
 * One statement outside of a transaction happens whole or not at all. One that was sent once and now finds its object there, or
 * gone, is the one that made or dropped it.
 */
function saysAlreadySo(error: unknown): boolean {
  return error instanceof PostgresError && alreadySo.has(error.sqlstate);
}

/** duplicate table, column, object, schema, function; undefined table, column, object. */
const alreadySo: ReadonlySet<string> = new Set([
  '42P07',
  '42701',
  '42710',
  '42P06',
  '42723',
  '42P01',
  '42703',
  '42704',
]);
