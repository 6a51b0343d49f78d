// Owns the reading of a tenant's schema for GraphQL, by a session of the tenant's own login, so that what is built from it
// holds what that login may use. The query is the one that graphile-build-pg expects the answer of; what it reads of catalogs
// that all databases of a server share is not readable here (template.sql), and is replaced by what can be known from inside.
import { makeIntrospectionQuery } from 'graphile-build-pg/pg-introspection';
import type { QueryOptions, Session } from '../../platform/postgres/session.ts';

/** JSON text, some hundred KiB. */
export async function introspectSchema(session: Session, options: QueryOptions): Promise<string> {
  const { rows } = await session.queryRaw(introspectionSql(), [], options);
  return rows[0]?.[0] as string;
}

function introspectionSql(): string {
  const replaced = readable.reduce((sql, [from, to]) => {
    // The package is pinned; whoever raises it must look at its query again.
    if (sql.split(from).length !== 2) throw new Error(`the introspection query has changed: ${from}`);
    return sql.replace(from, () => to);
  }, makeIntrospectionQuery());
  return replaced;
}

/** Every role that owns something here or is named in a right, and whoever asks: rights are looked up by role. */
const rolesSql = `
    select r.oid as _id, r.oid, pg_catalog.pg_get_userbyid(r.oid) as rolname, false as rolsuper, true as rolinherit,
      false as rolcreaterole, false as rolcreatedb, true as rolcanlogin, false as rolreplication, -1 as rolconnlimit,
      null as rolpassword, null as rolvaliduntil, false as rolbypassrls, null as rolconfig
    from (
      with owned as (
        select relowner as owner, relacl as acl from pg_catalog.pg_class
        union all select proowner, proacl from pg_catalog.pg_proc
        union all select typowner, typacl from pg_catalog.pg_type
        union all select nspowner, nspacl from pg_catalog.pg_namespace
        union all select lanowner, lanacl from pg_catalog.pg_language
        union all select 0, attacl from pg_catalog.pg_attribute where attacl is not null
      )
      select owner as oid from owned
      union select g.role from owned, aclexplode(acl) x, lateral (values (x.grantee), (x.grantor)) g (role)
      union select current_user::regrole::oid
    ) r
    where r.oid <> 0`;

const readable: readonly (readonly [string, string])[] = [
  [
    `select pg_database.oid as _id, *
    from pg_catalog.pg_database
    where datname = current_database()`,
    // The name of the database stays where it is.
    "select 0::oid as _id, 'tenant' as datname, current_user::regrole::oid as datdba, null::text[] as datacl",
  ],
  [
    `select pg_roles.oid as _id, *
    from pg_catalog.pg_roles`,
    rolesSql,
  ],
  [
    `select *
    from pg_catalog.pg_auth_members
    where roleid in (select roles._id from roles)`,
    'select 0::oid as roleid, 0::oid as member, 0::oid as grantor, false as admin_option where false',
  ],
];
