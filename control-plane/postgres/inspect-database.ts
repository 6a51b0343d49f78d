// Owns what fsck reads inside one tenant database: identity row, ledger, who owns every object and who may do what with it.
// As the read-only login, so nothing can be changed by looking; as the migration login where that one cannot get in or see.
import type { DatabaseId } from '../../catalog/ids.ts';
import { namesOf } from '../../catalog/names.ts';
import type { LaneVersions } from '../../catalog/schema.ts';
import { ConnectionLostError, PostgresError } from '../../platform/postgres/errors.ts';
import type { Session } from '../../platform/postgres/session.ts';
import { versionsOf } from '../migration-files/lane-hash.ts';
import { type ClusterAddress, openClusterSession } from './cluster-slots.ts';
import type { AppliedFile } from './plan-migration.ts';

export type ObjectKind = 'schema' | 'table' | 'column' | 'sequence' | 'function' | 'type';
/** PUBLIC is spelled so. Rights of the owner itself are left out. */
export type ObjectGrant = { grantee: string; privileges: string[] };
export type InspectedObject = { kind: ObjectKind; schema: string; name: string; owner: string; grants: ObjectGrant[] };
/** As in pg_default_acl; schema null: in all schemas. */
export type DefaultRights = {
  role: string;
  schema: string | null;
  kind: 'table' | 'sequence' | 'function' | 'other';
  grants: ObjectGrant[];
};

export type DatabaseInspection = {
  /** None before the core lane was applied, or when somebody has removed it. */
  identity: { databaseId: string; tenantId: string | null } | undefined;
  lanes: LaneVersions;
  /** node-pg-migrate's table: schema.table. */
  bookkeeping: string;
  /** Everything outside PostgreSQL's own schemas that does not belong to an extension. */
  objects: InspectedObject[];
  defaultRights: DefaultRights[];
  /** What the template takes from PUBLIC and PUBLIC has here. */
  openToPublic: string[];
};

export type AddressOfLogin = (id: DatabaseId, login: 'ro' | 'mig') => Promise<ClusterAddress>;

/** One session of its own, closed at the end: no prewarmed session is taken or pushed out. About 15 ms. */
export async function inspectDatabase(addressOf: AddressOfLogin, id: DatabaseId): Promise<DatabaseInspection> {
  try {
    return await inspectAs(addressOf, id, 'ro');
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return inspectAs(addressOf, id, 'mig');
  }
}

async function inspectAs(addressOf: AddressOfLogin, id: DatabaseId, login: 'ro' | 'mig'): Promise<DatabaseInspection> {
  const address = await addressOf(id, login);
  const parameters = { statement_timeout: String(statementTimeoutMs), default_transaction_read_only: 'on' };
  const session = await openClusterSession(address, { applicationName: 'freehold-fsck', parameters });
  try {
    if (login === 'mig') await session.query(`set role ${namesOf(id).owner}`);
    const identity = await rowsOrNone<{ databaseId: string; tenantId: string | null }>(session, identitySql);
    const ledger = await rowsOrNone<AppliedFile>(session, ledgerSql);
    const bookkeeping = await rowsOrNone<{ name: string }>(session, bookkeepingSql);
    const { rows: objects } = await session.query<InspectedObject>(objectsSql);
    const { rows: defaultRights } = await session.query<DefaultRights>(defaultRightsSql);
    const { rows: open } = await session.query<{ what: string }>(openToPublicSql);
    return {
      identity: identity[0],
      lanes: versionsOf(ledger),
      bookkeeping: bookkeeping[0]?.name ?? 'public.pgmigrations',
      objects,
      defaultRights,
      openToPublic: open.map((row) => row.what),
    };
  } finally {
    await session.close();
  }
}

/** Reads of catalogs of one database; ten times what the largest schema seen takes. */
const statementTimeoutMs = 10_000;

function isRefusal(error: unknown): boolean {
  const sqlstate = error instanceof ConnectionLostError || error instanceof PostgresError ? error.sqlstate : undefined;
  // The login is refused, is full, or may not read: the other one may do better.
  return sqlstate !== undefined && /^(28...|42501|53300)$/.test(sqlstate);
}

async function rowsOrNone<R>(session: Session, sql: string): Promise<R[]> {
  try {
    return (await session.query<R>(sql)).rows;
  } catch (error) {
    if (error instanceof PostgresError && /^(42P01|3F000|42703)$/.test(error.sqlstate)) return [];
    throw error;
  }
}

const identitySql = 'select database_id as "databaseId", tenant_id as "tenantId" from freehold.identity';
const ledgerSql = "select lane, name, hash from freehold.ledger where lane <> 'exec' order by lane, name";

const bookkeepingSql = "select schema_name || '.' || table_name as name from freehold.bookkeeping";

const grantsOf = (acl: string, owner: string) => `coalesce((select json_agg(json_build_object('grantee', g.grantee,
    'privileges', g.privileges) order by g.grantee)
  from (select case when a.grantee = 0 then 'PUBLIC' else pg_get_userbyid(a.grantee)::text end as grantee,
      json_agg(distinct a.privilege_type order by a.privilege_type) as privileges
    from aclexplode(${acl}) a where a.grantee <> ${owner} group by 1) g), '[]'::json) as grants`;

/** Types carry USAGE for PUBLIC by default, which gives nothing without a table: their owner alone is looked at. */
const objectsSql = `with found as (
    select 'schema' as kind, oid, 'pg_namespace'::regclass as class, nspname as schema, nspname::text as name, nspowner as owner,
      coalesce(nspacl, acldefault('n', nspowner)) as acl from pg_namespace
    union all
    select case relkind when 'S' then 'sequence' else 'table' end, c.oid, 'pg_class'::regclass, nspname, nspname || '.' || relname,
      relowner, coalesce(relacl, acldefault(case relkind when 'S' then 's' else 'r' end::"char", relowner))
      from pg_class c join pg_namespace n on n.oid = relnamespace where relkind in ('r', 'p', 'v', 'm', 'f', 'S')
    union all
    select 'column', c.oid, 'pg_class'::regclass, nspname, nspname || '.' || relname || '.' || attname, relowner, attacl
      from pg_attribute join pg_class c on c.oid = attrelid join pg_namespace n on n.oid = relnamespace where attacl is not null
    union all
    select 'function', p.oid, 'pg_proc'::regclass, nspname,
      nspname || '.' || proname || '(' || pg_get_function_identity_arguments(p.oid) || ')',
      proowner, coalesce(proacl, acldefault('f', proowner)) from pg_proc p join pg_namespace n on n.oid = pronamespace
    union all
    select 'type', t.oid, 'pg_type'::regclass, nspname, nspname || '.' || typname, typowner, null
      from pg_type t join pg_namespace n on n.oid = typnamespace where typtype in ('d', 'e', 'r')
  )
  select kind, schema::text, name, pg_get_userbyid(owner)::text as owner, ${grantsOf('acl', 'owner')}
  from found where schema !~ '^pg_' and schema <> 'information_schema'
    and not exists (select from pg_depend d where d.classid = class and d.objid = oid and d.objsubid = 0 and d.deptype = 'e')
  order by kind, name`;

const defaultRightsSql = `select pg_get_userbyid(defaclrole)::text as role, nullif(defaclnamespace, 0)::regnamespace::text as schema,
    case defaclobjtype when 'r' then 'table' when 'S' then 'sequence' when 'f' then 'function' else 'other' end as kind,
    ${grantsOf('defaclacl', 'defaclrole')}
  from pg_default_acl order by 2, 3`;

/** The tallest fences of sql/template.sql, not all of them: who could take these down could take down any. */
const openToPublicSql = `select p.oid::regprocedure::text as what from pg_proc p
    where p.pronamespace = 'pg_catalog'::regnamespace and (p.proacl is null or exists (select from aclexplode(p.proacl) where grantee = 0))
      and (p.proname ~ '^pg_(try_)?advisory_' and p.proname <> 'pg_advisory_unlock_all'
        or p.proname in ('lo_create', 'lo_import', 'loread', 'lowrite', 'pg_notify', 'pg_export_snapshot', 'pg_logical_emit_message'))
  union all
  select c.oid::regclass::text from pg_class c
    where c.relnamespace = 'pg_catalog'::regnamespace
      and (c.relisshared and c.relkind = 'r' or c.relname in ('pg_roles', 'pg_stat_activity', 'pg_locks'))
      and exists (select from aclexplode(c.relacl) where grantee = 0)
  union all
  select 'language ' || lanname from pg_language l
    where lanname = 'plpgsql' and exists (select from aclexplode(coalesce(l.lanacl, acldefault('l', l.lanowner))) where grantee = 0)
  order by 1`;
