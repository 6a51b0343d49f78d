// Owns finding what reaches beyond the schema of the tenant: role and session, server, rights, the outside, the bookkeeping.
import { child, constantOf, items, locationOf, type Node, nodesOf, strings, text } from '../ast.ts';
import { findInCode } from './code.ts';
import type { Found, Look } from './look.ts';

export function findBoundaries(look: Look): Found[] {
  const { kind, node } = look.statement;
  return [
    ...inSettings(look),
    ...inKind(kind, node),
    ...inRights(kind, node),
    ...findInCode(kind, node),
    ...inOwn(look),
  ];
}

/** SET and set_config alike. */
function inSettings({ statement: { kind, node } }: Look): Found[] {
  if (kind === 'DiscardStmt' && node.target === 'DISCARD_ALL')
    return [{ rule: 'changes-role', message: 'DISCARD ALL resets role and settings of the session.' }];
  if (kind === 'VariableSetStmt') {
    if (node.kind === 'VAR_RESET_ALL')
      return [{ rule: 'changes-role', message: 'RESET ALL resets role and settings of the session.' }];
    const values = items(node, 'args').map((arg) => constantOf({ [arg.kind]: arg.node }));
    return setting(text(node, 'name'), values[0], undefined);
  }
  return nodesOf('FuncCall', node)
    .filter((call) => strings(call, 'funcname').at(-1) === 'set_config')
    .flatMap((call) => {
      const [name, value] = items(call, 'args').map((arg) => constantOf({ [arg.kind]: arg.node }));
      return setting((name ?? '').toLowerCase(), value, locationOf(call));
    });
}

function setting(name: string, value: string | undefined, location: number | undefined): Found[] {
  if (name === 'role' || name === 'session_authorization')
    return [{ rule: 'changes-role', message: `It sets ${name}.`, location }];
  if (name === 'search_path')
    return [{ rule: 'changes-search-path', message: 'It changes the search_path.', location }];
  if (name === 'lock_timeout' && raises(value))
    return [{ rule: 'changes-lock-timeout', message: `It sets lock_timeout to ${value ?? 'its default'}.`, location }];
  if (name === 'session_replication_role')
    return [{ rule: 'whole-server', message: 'session_replication_role needs a superuser.', location }];
  return [];
}

/** What a migrator waits for a lock at most by default, in ms. */
const lockTimeoutMaxMs = 2_000;
const unitMs: Readonly<Record<string, number>> = {
  us: 0.001,
  ms: 1,
  s: 1_000,
  min: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** 0 and the default are no limit at all. */
function raises(value: string | undefined): boolean {
  const [, count, unit = 'ms'] = /^\s*(\d+(?:\.\d+)?)\s*(us|ms|s|min|h|d)?\s*$/.exec(value ?? '') ?? [];
  const ms = Number(count ?? 0) * (unitMs[unit] ?? 1);
  return ms === 0 || ms > lockTimeoutMaxMs;
}

const wholeServer: Readonly<Record<string, string>> = {
  CreatedbStmt: 'CREATE DATABASE',
  DropdbStmt: 'DROP DATABASE',
  AlterDatabaseStmt: 'ALTER DATABASE',
  AlterDatabaseSetStmt: 'ALTER DATABASE … SET',
  AlterSystemStmt: 'ALTER SYSTEM',
  CreateTableSpaceStmt: 'CREATE TABLESPACE',
  DropTableSpaceStmt: 'DROP TABLESPACE',
  CreateEventTrigStmt: 'CREATE EVENT TRIGGER',
  CreatePLangStmt: 'CREATE LANGUAGE',
  CheckPointStmt: 'CHECKPOINT',
};
const ofRoles: Readonly<Record<string, string>> = {
  CreateRoleStmt: 'CREATE ROLE',
  AlterRoleStmt: 'ALTER ROLE',
  AlterRoleSetStmt: 'ALTER ROLE … SET',
  DropRoleStmt: 'DROP ROLE',
  GrantRoleStmt: 'GRANT or REVOKE of a role',
  ReassignOwnedStmt: 'REASSIGN OWNED',
  DropOwnedStmt: 'DROP OWNED',
};
const outside: Readonly<Record<string, string>> = {
  CreateForeignServerStmt: 'CREATE SERVER',
  CreateFdwStmt: 'CREATE FOREIGN DATA WRAPPER',
  CreateUserMappingStmt: 'CREATE USER MAPPING',
  CreateForeignTableStmt: 'CREATE FOREIGN TABLE',
  ImportForeignSchemaStmt: 'IMPORT FOREIGN SCHEMA',
  CreateSubscriptionStmt: 'CREATE SUBSCRIPTION',
  CreatePublicationStmt: 'CREATE PUBLICATION',
  LoadStmt: 'LOAD',
};

/** Functions that read or write files of the server, reach another one or touch the sessions of others. */
const reachingFunctions =
  /^(?:dblink(?:_\w+)?|lo_import|lo_export|pg_read_(?:binary_)?file|pg_ls_\w+|pg_stat_file|pg_file_\w+|pg_terminate_backend|pg_cancel_backend|pg_reload_conf|pg_rotate_logfile|pg_switch_wal)$/;

/** Trusted in PostgreSQL 18's own contrib: the owner of a database may make them. */
const trustedExtensions = new Set(
  'btree_gin btree_gist citext cube dict_int fuzzystrmatch hstore intarray isn lo ltree pgcrypto pg_trgm plpgsql seg tablefunc tcn tsm_system_rows tsm_system_time unaccent uuid-ossp'.split(
    ' ',
  ),
);

function inKind(kind: string, node: Node): Found[] {
  const server = wholeServer[kind];
  if (server !== undefined) return [{ rule: 'whole-server', message: `${server} concerns the whole server.` }];
  const role = ofRoles[kind];
  if (role !== undefined) return [{ rule: 'roles', message: `${role} concerns roles of the whole cluster.` }];
  const reaches = outside[kind];
  if (reaches !== undefined) return [{ rule: 'outside-world', message: `${reaches} reaches beyond this database.` }];
  if (kind === 'CopyStmt' && (node.is_program === true || text(node, 'filename') !== ''))
    return [{ rule: 'outside-world', message: 'COPY reaches a file or program of the server.' }];
  const called = nodesOf('FuncCall', node)
    .map((call) => strings(call, 'funcname').at(-1) ?? '')
    .find((name) => reachingFunctions.test(name));
  if (called !== undefined) return [{ rule: 'outside-world', message: `${called} reaches beyond this database.` }];
  const extension = text(node, 'extname');
  if (kind === 'CreateExtensionStmt' && !trustedExtensions.has(extension))
    return [{ rule: 'create-extension', message: `The extension ${extension} is not a trusted one.` }];
  return [];
}

/** A revoke from PUBLIC closes something; everything else in rights is Freehold's. */
function inRights(kind: string, node: Node): Found[] {
  const grant = kind === 'AlterDefaultPrivilegesStmt' ? child(node, 'action') : node;
  if (kind === 'GrantStmt' || kind === 'AlterDefaultPrivilegesStmt') {
    const strangers = items(grant, 'grantees').filter(({ node: role }) => isStranger(role, grant.is_grant === true));
    return strangers.map(({ node: role }) => ({
      rule: 'foreign-grant',
      message: `It ${grant.is_grant === true ? 'grants rights to' : 'revokes rights from'} ${roleName(role)}.`,
      location: locationOf(role),
    }));
  }
  const owners = [
    ...(kind === 'AlterOwnerStmt' ? [child(node, 'newowner')] : []),
    ...nodesOf('AlterTableCmd', node)
      .filter((command) => command.subtype === 'AT_ChangeOwner')
      .map((command) => child(command, 'newowner')),
  ];
  return owners
    .filter((role) => role.roletype === 'ROLESPEC_CSTRING')
    .map((role) => ({
      rule: 'foreign-grant',
      message: `It makes ${roleName(role)} the owner.`,
      location: locationOf(role),
    }));
}

function isStranger(role: Node, isGrant: boolean): boolean {
  return role.roletype === 'ROLESPEC_CSTRING' || (role.roletype === 'ROLESPEC_PUBLIC' && isGrant);
}

function roleName(role: Node): string {
  return role.roletype === 'ROLESPEC_PUBLIC' ? 'PUBLIC' : text(role, 'rolename');
}

/** The core lane is Freehold's own and makes them. */
function inOwn({ lane, statement: { node } }: Look): Found[] {
  if (lane === 'core') return [];
  const tables = [...nodesOf('RangeVar', node), child(node, 'relation')];
  const dropped = items(node, 'objects').map((object) => strings(object.node, 'items'));
  const touched =
    tables.some((table) => table.schemaname === 'freehold' || table.relname === 'pgmigrations') ||
    dropped.some((parts) => parts[0] === 'freehold' || parts.at(-1) === 'pgmigrations') ||
    items(node, 'objects').some((object) => text(object.node, 'sval') === 'freehold') ||
    text(node, 'schemaname') === 'freehold';
  return touched ? [{ rule: 'freehold-own', message: 'It names what Freehold keeps its books in.' }] : [];
}
