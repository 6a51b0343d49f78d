// Owns where node-pg-migrate's own table of the tenant lane stands, and how it gets to another place. Its command line finds there
// what we applied (`-t <table> --migrations-schema <schema>`), and we find what it applied.
import { literal } from './sql-literal.ts';

export type BookkeepingTable = { readonly schema: string; readonly table: string };

/** Where node-pg-migrate looks for it unless it is told otherwise. */
export const defaultBookkeeping: BookkeepingTable = { schema: 'public', table: 'pgmigrations' };

/** `table` or `schema.table`. @throws Error that says what is allowed */
export function parseBookkeeping(text: string): BookkeepingTable {
  const [table = '', schema = 'public', ...more] = text.split('.').reverse();
  const allowed = [table, schema].every((name) => /^[a-z_][a-z0-9_]{0,62}$/.test(name));
  if (!allowed || more.length > 0 || /^(pg_.*|freehold|information_schema)$/.test(schema))
    throw new TypeError('must be a table or schema.table in small letters, not in a schema of PostgreSQL or Freehold');
  return { schema, table };
}

export function nameOf({ schema, table }: BookkeepingTable): string {
  return `"${schema}"."${table}"`;
}

export function isSameTable(a: BookkeepingTable, b: BookkeepingTable): boolean {
  return a.schema === b.schema && a.table === b.table;
}

/**
 * Where the place is taken by a table that the command line made there, the rows of ours join it and ours goes: two books would
 * contradict each other. In a schema with default rights a new table is open to the applications, so what they have is taken back.
 */
export function moveBookkeeping(from: BookkeepingTable, to: BookkeepingTable): string {
  const [old, wanted] = [literal(nameOf(from)), literal(nameOf(to))];
  return `create schema if not exists "${to.schema}";
do $move$
declare
  database text := current_database();
begin
  if to_regclass(${wanted}) is null then
    ${from.schema === to.schema ? '' : `alter table ${nameOf(from)} set schema "${to.schema}";`}
    ${from.table === to.table ? '' : `alter table "${to.schema}"."${from.table}" rename to "${to.table}";`}
  elsif to_regclass(${old}) is not null then
    insert into ${nameOf(to)} (name, run_on) select o.name, o.run_on from ${nameOf(from)} o
      where not exists (select from ${nameOf(to)} n where n.name = o.name) order by o.id;
    drop table ${nameOf(from)};
  end if;
  execute format('revoke all on ${nameOf(to)} from %I, %I, %I', database || '_app_a', database || '_app_b', database || '_ro');
  execute format('revoke all on sequence %s from %I, %I, %I', pg_get_serial_sequence(${wanted}, 'id'),
    database || '_app_a', database || '_app_b', database || '_ro');
end $move$;
update freehold.bookkeeping set schema_name = ${literal(to.schema)}, table_name = ${literal(to.table)};
`;
}
