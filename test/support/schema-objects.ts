// Owns everything a migration can make, read from every catalog of a database: for comparing two of them. Names of the database
// and its roles are replaced, so that two databases with the same schema give the same list.
import type { ServerAddress } from './server-address.ts';
import { superuserSql } from './superuser-sql.ts';

/** Sorted lines: kind, identity, definition. */
export async function readSchemaObjects(address: ServerAddress): Promise<string[]> {
  const rows = (await superuserSql(address, query)) as { line: string }[];
  const lines = rows.map(({ line }) =>
    line.replaceAll(address.database, 't_x').replace(/(RI_ConstraintTrigger_[ac]_)\d+/, '$1x'),
  );
  return lines.sort();
}

const catalogs = [
  'pg_class',
  'pg_type',
  'pg_proc',
  'pg_operator',
  'pg_cast',
  'pg_constraint',
  'pg_attrdef',
  'pg_policy',
  'pg_trigger',
  'pg_namespace',
  'pg_extension',
  'pg_collation',
  'pg_rewrite',
];

const identities = catalogs
  .map(
    (name) =>
      `select concat_ws(' ', i.type, i.identity) as line from ${name} o, pg_identify_object('${name}'::regclass, o.oid, 0) i where o.oid >= 16384 and i.identity !~ 'pg_toast'`,
  )
  .join('\nunion all\n');

const query = `
${identities}
union all select concat_ws(' ', 'column', attrelid::regclass, attnum, attname, format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated, attacl)
  from pg_attribute where attrelid >= 16384 and attnum > 0 and not attisdropped and attrelid::regclass::text !~ 'pg_toast'
union all select concat_ws(' ', 'default', adrelid::regclass, adnum, pg_get_expr(adbin, adrelid)) from pg_attrdef
union all select concat_ws(' ', 'constraint', conname, pg_get_constraintdef(oid), convalidated, condeferrable) from pg_constraint where oid >= 16384
union all select concat_ws(' ', 'index', pg_get_indexdef(indexrelid), indisvalid) from pg_index where indexrelid >= 16384 and indrelid::regclass::text !~ 'pg_toast'
union all select concat_ws(' ', 'view', oid::regclass, pg_get_viewdef(oid)) from pg_class where relkind in ('v', 'm') and oid >= 16384
union all select concat_ws(' ', 'relation', oid::regclass, relkind, relowner::regrole, relacl, relrowsecurity, relpersistence) from pg_class where oid >= 16384 and relname !~ 'pg_toast'
union all select concat_ws(' ', 'function', pg_get_functiondef(oid), proowner::regrole, proacl) from pg_proc where oid >= 16384 and prokind = 'f'
union all select concat_ws(' ', 'trigger', pg_get_triggerdef(oid)) from pg_trigger where oid >= 16384 and not tgisinternal
union all select concat_ws(' ', 'policy', polname, polcmd, pg_get_expr(polqual, polrelid)) from pg_policy
union all select concat_ws(' ', 'enum', enumtypid::regtype, row_number() over (partition by enumtypid order by enumsortorder), enumlabel) from pg_enum where oid >= 16384
union all select concat_ws(' ', 'domain', oid::regtype, format_type(typbasetype, typtypmod), typnotnull, typdefault, typacl) from pg_type where typtype = 'd' and oid >= 16384
union all select concat_ws(' ', 'sequence', seqrelid::regclass, seqtypid::regtype, seqstart, seqincrement, seqmin, seqmax, seqcycle) from pg_sequence
union all select concat_ws(' ', 'comment', i.type, i.identity, d.description) from pg_description d, pg_identify_object(d.classoid, d.objoid, d.objsubid) i where d.objoid >= 16384
union all select concat_ws(' ', 'default rights', defaclrole::regrole, defaclnamespace::regnamespace, defaclobjtype, defaclacl) from pg_default_acl
union all select concat_ws(' ', 'applied', name) from public.pgmigrations`;
