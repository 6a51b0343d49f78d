// Owns the question whether two databases offer the same schema to the same login. What is built from a schema (REST, GraphQL) is kept
// by this fingerprint, so ten thousand tenants on one version share one, and a database that was changed by hand gets its own
// and shows its names to nobody else. No id of a role, no oid and no name of a database is part of it.
import type { QueryOptions, Session } from '../platform/postgres/session.ts';

/** 5 ms on the sample schema; asked once for each tenant and version, not for each request. */
export async function schemaFingerprint(session: Session, options: QueryOptions): Promise<string> {
  const { rows } = await session.query<{ fingerprint: string }>(fingerprintSql, [], options);
  return (rows[0] as { fingerprint: string }).fingerprint;
}

/** The schema that the data APIs show; everything else in the database is Freehold's or a migration's own. */
export const exposedSchema = 'public';

const fingerprintSql = `
with lines as (
  select concat_ws(' ', 'column', c.relname, c.relkind, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
    a.attidentity, (select pg_get_expr(d.adbin, d.adrelid) from pg_catalog.pg_attrdef d where d.adrelid = c.oid and d.adnum = a.attnum), a.attgenerated, pg_relation_is_updatable(c.oid, true),
    has_column_privilege(c.oid, a.attnum, 'select'), has_column_privilege(c.oid, a.attnum, 'insert'),
    has_column_privilege(c.oid, a.attnum, 'update'),
    c.relkind <> 'c' and has_table_privilege(c.oid, 'delete'), c.relrowsecurity, col_description(c.oid, a.attnum)) as line
  from pg_catalog.pg_class c join pg_catalog.pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  where c.relnamespace = '${exposedSchema}'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'f', 'c')
  union all
  select concat_ws(' ', 'constraint', n.conrelid::regclass, n.contypid::regtype, n.conname, pg_get_constraintdef(n.oid),
    obj_description(n.oid, 'pg_constraint'))
  from pg_catalog.pg_constraint n where n.connamespace = '${exposedSchema}'::regnamespace
  union all
  select concat_ws(' ', 'index', pg_get_indexdef(i.indexrelid), i.indisvalid)
  from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indrelid
  where c.relnamespace = '${exposedSchema}'::regnamespace
  union all
  select concat_ws(' ', 'function', p.proname, pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), p.provolatile,
    p.proisstrict, p.prosecdef, has_function_privilege(p.oid, 'execute'), obj_description(p.oid, 'pg_proc'))
  from pg_catalog.pg_proc p where p.pronamespace = '${exposedSchema}'::regnamespace
  union all
  select concat_ws(' ', 'type', t.typname, t.typtype, t.typnotnull, format_type(t.typbasetype, t.typtypmod), t.typdefault,
    (select string_agg(e.enumlabel, ',' order by e.enumsortorder) from pg_catalog.pg_enum e where e.enumtypid = t.oid),
    obj_description(t.oid, 'pg_type'))
  from pg_catalog.pg_type t where t.typnamespace = '${exposedSchema}'::regnamespace and t.typtype in ('e', 'd', 'r', 'c')
  union all
  select concat_ws(' ', 'relation', c.relname, obj_description(c.oid, 'pg_class'))
  from pg_catalog.pg_class c where c.relnamespace = '${exposedSchema}'::regnamespace
)
select md5(coalesce(string_agg(line, chr(10) order by line), '')) as fingerprint from lines`;
