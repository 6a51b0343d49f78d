// Owns what can be told of a statement outside of a transaction that was sent once and whose end nobody saw: whether it is so
// already (M03), and what a failed CONCURRENTLY has left behind that must go before it is sent again (M04).
import { PostgresError } from '../../platform/postgres/errors.ts';
import type { Session } from '../../platform/postgres/session.ts';
import type { SqlStatement } from '../migration-files/parse-sql.ts';

/** Only for what can be told from the catalog; everything else goes again, see saysAlreadySo. */
export async function isDone(session: Session, { kind, node }: SqlStatement): Promise<boolean> {
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

/** CREATE INDEX CONCURRENTLY IF NOT EXISTS would skip the broken index in silence, REINDEX would leave it for ever. */
export async function removeLeftovers(session: Session, statement: SqlStatement, sentBefore: boolean): Promise<void> {
  const { kind, node } = statement;
  if (kind === 'IndexStmt' && node.concurrent === true) {
    const name = indexOf(node);
    if ((await indexState(session, name)) === 'invalid') await session.script(`drop index concurrently ${name}`);
  }
  if (kind === 'ReindexStmt' && sentBefore && isConcurrent(statement) && node.relation !== undefined) {
    const { rows } = await session.query<{ name: string }>(copiesSql, [relationOf(node)]);
    for (const { name } of rows) await session.script(`drop index concurrently ${name}`);
  }
}

/** What fails half way leaves something behind only where it is made of several transactions. */
export function isConcurrent({ kind, node }: SqlStatement): boolean {
  if (kind === 'IndexStmt' || kind === 'DropStmt') return node.concurrent === true;
  if (kind === 'ReindexStmt') return /"concurrently"/.test(JSON.stringify(node.params ?? []));
  return kind === 'AlterTableStmt' && /"concurrent":true/.test(JSON.stringify(node.cmds ?? []));
}

/** For a detachment that was cut off between its two transactions: the second one. */
export async function finishedForm(session: Session, { kind, node, text }: SqlStatement): Promise<string> {
  if (kind !== 'AlterTableStmt' || !/"concurrent":true/.test(JSON.stringify(node.cmds ?? []))) return text;
  const { rows } = await session.query(
    'select from pg_catalog.pg_inherits where inhparent = to_regclass($1) and inhdetachpending',
    [relationOf(node)],
  );
  return rows.length === 0 ? text : text.replace(/concurrently\s*$/i, 'finalize');
}

/**
 * One statement outside of a transaction happens whole or not at all. One that was sent once and now finds its object there, or
 * gone, is the one that made or dropped it.
 */
export function saysAlreadySo(error: unknown): boolean {
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

/** The names that PostgreSQL gives to the copies it builds, of an index or of all indexes of a table. */
const copiesSql = `select i.indexrelid::regclass::text as name from pg_catalog.pg_index i
  join pg_catalog.pg_class c on c.oid = i.indexrelid
  where not i.indisvalid and c.relname ~ '_cc(new|old)[0-9]*$'
    and i.indrelid = coalesce((select indrelid from pg_catalog.pg_index where indexrelid = to_regclass($1)), to_regclass($1))`;

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

function relationOf(node: SqlStatement['node']): string {
  const { schemaname, relname } = (node.relation ?? {}) as { schemaname?: string; relname?: string };
  return quoted([...(schemaname === undefined ? [] : [schemaname]), relname ?? '']);
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
