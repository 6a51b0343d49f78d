// Owns what fsck reads of a cluster: every database and role there is, ours or not, with the facts that decide whether it
// is as we made it. One query each, whatever their number. Marks are judged here; their text never leaves.
import type { DatabaseId } from '../../catalog/ids.ts';
import { databaseIdOf } from '../../catalog/names.ts';
import type { Session } from '../../platform/postgres/session.ts';
import type { ClusterMarks, MarkState } from './cluster-marks.ts';
import { templateDatabase } from './cluster-names.ts';

export type InventoryDatabase = {
  name: string;
  /** When the name is of our form; that alone does not make it ours. */
  databaseId: DatabaseId | undefined;
  owner: string;
  /** ours also for one without a mark whose owner role bears ours: `unfinished` says so. */
  mark: MarkState;
  unfinished: boolean;
  open: boolean;
  /** Half dropped (P09). */
  invalid: boolean;
  template: boolean;
  /** -1: any number. */
  connectionLimit: number;
  /** Who may do what with the database itself; PUBLIC is spelled so. Grants of the owner to itself are left out. */
  grants: { grantee: string; privileges: string[] }[];
  /** name=value, for all roles. */
  settings: string[];
};

export type InventoryRole = {
  name: string;
  databaseId: DatabaseId | undefined;
  mark: MarkState;
  login: boolean;
  superuser: boolean;
  createRole: boolean;
  createDatabase: boolean;
  replication: boolean;
  bypassRls: boolean;
  inherit: boolean;
  connectionLimit: number;
  validUntil: string | null;
  memberOf: { role: string; inherit: boolean; set: boolean; admin: boolean }[];
  /** name=value; one that holds in one database only is written `database: name=value`. */
  settings: string[];
};

export type ClusterInventory = {
  databases: InventoryDatabase[];
  roles: InventoryRole[];
  /** What proves which password a login of our form has; see freehold.password_fingerprints. Undefined: it has none. */
  passwords: ReadonlyMap<string, PasswordFingerprint>;
  /** Which text the functions and the template were made from; compare with installedStamps(). */
  stamps: { functions: string | null; template: string | null };
  /** Files of databases that are in no row, left by a crash inside CREATE DATABASE (P08). Told, never removed. */
  orphanDirectories: { oid: string; bytes: number; modifiedAt: Date }[];
};

/** Tells a known password from another one and is of no use for finding one out: ours have 256 random bits. */
export type PasswordFingerprint = { iterations: number; salt: string; digest: string };

export async function readInventory(session: Session, marks: ClusterMarks): Promise<ClusterInventory> {
  const databases = await session.query<DatabaseRow>(databasesSql);
  const roles = await session.query<RoleRow>(rolesSql);
  const directories = await session.query<{ oid: string; bytes: string; modified_at: Date }>(
    'select oid, bytes, modified_at from freehold.orphan_directories()',
  );
  const passwords = await session.query<PasswordFingerprint & { name: string }>(
    'select name, iterations, salt, digest from freehold.password_fingerprints()',
  );
  const stamps = await session.query<ClusterInventory['stamps']>(stampsSql);
  return {
    databases: databases.rows.map((row) => databaseOf(row, marks)),
    roles: roles.rows.map((row) => roleOf(row, marks)),
    passwords: new Map(passwords.rows.map(({ name, ...fingerprint }) => [name, fingerprint])),
    stamps: stamps.rows[0] ?? { functions: null, template: null },
    orphanDirectories: directories.rows.map((row) => ({
      oid: row.oid,
      bytes: Number(row.bytes),
      modifiedAt: row.modified_at,
    })),
  };
}

type DatabaseRow = Omit<InventoryDatabase, 'databaseId' | 'mark' | 'unfinished'> & {
  mark: string | null;
  owner_mark: string | null;
};
type RoleRow = Omit<InventoryRole, 'databaseId' | 'mark'> & { mark: string | null };

function databaseOf({ mark, owner_mark, ...row }: DatabaseRow, marks: ClusterMarks): InventoryDatabase {
  const databaseId = databaseIdOf(row.name);
  if (databaseId === undefined)
    return { ...row, databaseId, mark: mark === null ? 'none' : 'foreign', unfinished: false };
  const half = mark === null && row.owner === `${row.name}_own` && marks.read(databaseId, owner_mark) === 'ours';
  return { ...row, databaseId, mark: half ? 'ours' : marks.read(databaseId, mark), unfinished: half };
}

function roleOf({ mark, ...row }: RoleRow, marks: ClusterMarks): InventoryRole {
  const databaseId = databaseIdOf(row.name.replace(/_(own|mig|app_a|app_b|ro)$/, ''));
  const state = databaseId === undefined ? (mark === null ? 'none' : 'foreign') : marks.read(databaseId, mark);
  return { ...row, databaseId, mark: state };
}

const stampsSql = `select obj_description(to_regnamespace('freehold'), 'pg_namespace') as functions,
  (select shobj_description(oid, 'pg_database') from pg_database where datname = '${templateDatabase}') as template`;

const databasesSql = `select d.datname as name, r.rolname as owner, d.datallowconn as open, d.datconnlimit = -2 as invalid,
    d.datistemplate as template, d.datconnlimit as "connectionLimit", shobj_description(d.oid, 'pg_database') as mark, shobj_description(d.datdba, 'pg_authid') as owner_mark,
    coalesce((select json_agg(json_build_object('grantee', g.grantee, 'privileges', g.privileges) order by g.grantee) from (
      select coalesce(e.rolname, 'PUBLIC') as grantee, json_agg(distinct a.privilege_type order by a.privilege_type) as privileges
      from aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) a left join pg_roles e on e.oid = a.grantee
      where a.grantee <> d.datdba group by 1) g), '[]'::json) as grants,
    coalesce((select to_json(s.setconfig) from pg_db_role_setting s where s.setdatabase = d.oid and s.setrole = 0), '[]'::json) as settings
  from pg_database d join pg_roles r on r.oid = d.datdba order by d.datname`;

const rolesSql = `select r.rolname as name, r.rolcanlogin as login, r.rolsuper as superuser, r.rolcreaterole as "createRole",
    r.rolcreatedb as "createDatabase", r.rolreplication as replication, r.rolbypassrls as "bypassRls", r.rolinherit as inherit,
    r.rolconnlimit as "connectionLimit", r.rolvaliduntil::text as "validUntil", shobj_description(r.oid, 'pg_authid') as mark,
    coalesce(m.member_of, '[]'::json) as "memberOf", coalesce(s.settings, '[]'::json) as settings
  from pg_roles r
    left join (select member, json_agg(json_build_object('role', g.rolname, 'inherit', inherit_option, 'set', set_option,
        'admin', admin_option) order by g.rolname) as member_of
      from pg_auth_members join pg_roles g on g.oid = roleid group by member) m on m.member = r.oid
    left join (select setrole, json_agg(case when setdatabase = 0 then setting else coalesce(d.datname, '?') || ': ' || setting end
        order by setdatabase, setting) as settings
      from pg_db_role_setting left join pg_database d on d.oid = setdatabase, unnest(setconfig) as setting
      where setrole <> 0 group by setrole) s on s.setrole = r.oid
  where r.rolname !~ '^pg_' order by r.rolname`;
