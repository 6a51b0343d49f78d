// What a tenant's application login reaches outside of its own database, and what it may do with the server.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { DatabaseId } from '../../catalog/ids.ts';
import { newId } from '../../catalog/ids.ts';
import { namesOf } from '../../catalog/names.ts';
import { readLane } from '../../control-plane/migration-files/read-folder.ts';
import { openSession, type Session } from '../../platform/postgres/session.ts';
import { tenantCluster, waitUntil } from '../support/clusters.ts';
import { loginStateOf, sqlstateOf } from '../support/sqlstate.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import {
  laneFolder,
  openTenantCluster,
  type TenantCluster,
  testLimits,
  verifiersOf,
} from '../support/tenant-cluster.ts';

let cluster: TenantCluster;
let mine: DatabaseId;
let theirs: DatabaseId;
let app: Session;
let reader: Session;

beforeAll(async () => {
  cluster = await openTenantCluster(tenantCluster('a'), await readLane('tenant', laneFolder('tenant')));
  mine = await cluster.makeDatabase();
  theirs = await cluster.makeDatabase();
  app = await openSession(cluster.addressOf(mine, 'app_a'), { applicationName: 'attack' });
  reader = await openSession(cluster.addressOf(mine, 'ro'), { applicationName: 'attack' });
});

afterAll(async () => {
  await app?.close();
  await reader?.close();
  await cluster?.close();
});

describe.each(['mig', 'app_a', 'app_b', 'ro'] as const)('as %s', (login) => {
  test('D01 no other database lets the login in', async () => {
    const others = [namesOf(theirs).database, 'postgres', 'template1', 'freehold_admin'];
    const states: string[] = [];
    // One after the other: the migrator may hold three sessions, and too many is refused before the database is looked at.
    for (const database of others) states.push(await loginStateOf({ ...cluster.addressOf(mine, login), database }));
    expect(states).toEqual(others.map(() => '42501'));
    // The template is closed to everybody, whatever their rights.
    expect(await loginStateOf({ ...cluster.addressOf(mine, login), database: 'freehold_template' })).toBe('55000');
    expect(await loginStateOf(cluster.addressOf(mine, login))).toBe('00000');
  });
});

test('D02 a database is closed from CREATE until its rights are set', async () => {
  const id = newId('database');
  await cluster.makeRoles(id);
  const seen = new Set<string>();
  let created = false;
  const knock = (async () => {
    while (!created)
      seen.add(await loginStateOf({ ...cluster.addressOf(mine, 'app_a'), database: namesOf(id).database }));
  })();
  await cluster.admin.createDatabase(id);
  created = true;
  await knock;
  // 3D000: not there yet; 55000: closed. Never in, and never refused by right alone.
  expect([...seen].filter((state) => !['3D000', '55000', '42501'].includes(state))).toEqual([]);
  expect(await loginStateOf(cluster.addressOf(id, 'app_a'))).toBe('55000');
  await cluster.admin.openDatabase(id);
  expect(await loginStateOf(cluster.addressOf(id, 'app_a'))).toBe('00000');
  expect(await loginStateOf({ ...cluster.addressOf(mine, 'app_a'), database: namesOf(id).database })).toBe('42501');
});

describe('D03 what all databases share cannot be listed', () => {
  test.each([
    'pg_database',
    'pg_roles',
    'pg_authid',
    'pg_auth_members',
    'pg_user',
    'pg_db_role_setting',
    'pg_shdescription',
    'pg_shdepend',
    'pg_stat_activity',
    'pg_stat_database',
    'pg_locks',
    'pg_prepared_xacts',
    'pg_replication_slots',
    'pg_tablespace',
    'pg_stat_replication',
    'pg_stat_ssl',
    'pg_subscription',
    'pg_stat_progress_vacuum',
  ])('%s', async (name) => {
    expect(await sqlstateOf(app, `select * from ${name}`)).toBe('42501');
    expect(await sqlstateOf(reader, `select * from ${name}`)).toBe('42501');
  });
  test.each([
    'pg_stat_get_activity(null)',
    'pg_lock_status()',
    'pg_prepared_xact()',
    'pg_get_replication_slots()',
    'pg_stat_get_db_xact_commit(1)',
    'pg_stat_get_backend_idset()',
    'pg_stat_get_wal_senders()',
  ])('%s', async (call) => {
    expect(await sqlstateOf(app, `select ${call}`)).toBe('42501');
  });
});

test('D04 what can be guessed by oid is an opaque name', async () => {
  const { rows } = await app.query<{ name: string }>(
    'select pg_get_userbyid(oid::oid) as name from generate_series(16384, 16384 + 20000) as oid',
  );
  const known = rows.map((row) => row.name).filter((name) => !name.startsWith('unknown (OID='));
  expect(known.length).toBeGreaterThan(0);
  const allowed = /^(t_[0-7][0-9a-hjkmnp-tv-z]{25}(_own|_mig|_app_a|_app_b|_ro)?|freehold_[a-z]+)$/;
  // Other tests make roles of their own on this server; nothing of ours has another form.
  expect(known.filter((name) => /acme|tenant_|tnt_/i.test(name))).toEqual([]);
  expect(known.some((name) => allowed.test(name))).toBe(true);
});

describe('D05 nothing outside of the database can be touched', () => {
  test.each([
    "copy (select 1) to program 'true'",
    "copy public.customers from '/etc/passwd'",
    "copy (select 1) to '/tmp/freehold-d05'",
    "select pg_read_file('/etc/passwd')",
    "select pg_ls_dir('.')",
    "select lo_import('/etc/passwd')",
    'create extension hstore',
    'create extension dblink',
    'create extension postgres_fdw',
    "create subscription s connection 'host=127.0.0.1' publication p",
    'create publication p',
    'create publication p for all tables',
    'create server s foreign data wrapper w',
    'create function f() returns int language sql as $$ select 1 $$',
    'create function pg_temp.f() returns int language sql as $$ select 1 $$',
    'create temp table t (a int)',
  ])('%s', async (sql) => {
    expect(await sqlstateOf(app, sql)).toMatch(/^(42501|42704)$/);
    expect(await sqlstateOf(app, sql)).not.toBe('00000');
  });
  test('do blocks and event triggers', async () => {
    expect(await sqlstateOf(app, 'do $$ begin perform 1; end $$')).toBe('42501');
    expect(await sqlstateOf(app, 'create event trigger e on ddl_command_start execute function now()')).toBe('42501');
  });
});

test('D06 no way to the owner, and no rights to give away', async () => {
  const { database, owner, logins } = namesOf(mine);
  const foreign = namesOf(theirs);
  for (const sql of [
    `set role ${owner}`,
    `set role ${logins.mig}`,
    `set role ${logins.app_b}`,
    `set role ${database}`,
    'set role freehold_tenants',
    `set role ${foreign.owner}`,
    `set session authorization ${owner}`,
    'set session authorization postgres',
    "alter system set work_mem = '1GB'",
    `alter database ${database} set work_mem = '1GB'`,
    `comment on database ${database} is 'mine'`,
    `comment on role ${database} is 'mine'`,
    `drop database ${foreign.database}`,
    `alter database ${database} owner to ${logins.app_a}`,
    'create schema mine',
    'create table public.mine (a int)',
    'create table freehold.mine (a int)',
    'alter table public.customers add column x int',
    'drop table public.customers',
    'truncate public.customers',
    'create role r',
    `grant ${owner} to ${logins.app_a}`,
  ]) {
    expect([sql, await sqlstateOf(app, sql)]).toEqual([sql, '42501']);
  }
  const acl = () => superuserSql(cluster.server, 'select datacl::text from pg_database where datname = $1', [database]);
  const before = await acl();
  await sqlstateOf(app, `grant connect on database ${database} to public`);
  expect(await acl()).toEqual(before);
});

test('D07 sessions of others cannot be ended', async () => {
  const other = await openSession(cluster.addressOf(theirs, 'app_a'), { applicationName: 'victim' });
  const migrator = await openSession(cluster.addressOf(mine, 'mig'), { applicationName: 'victim' });
  const otherLogin = await openSession(cluster.addressOf(mine, 'app_b'), { applicationName: 'victim' });
  for (const victim of [other, migrator, otherLogin]) {
    expect(await sqlstateOf(app, `select pg_terminate_backend(${victim.backendPid})`)).toBe('42501');
    expect(await sqlstateOf(app, `select pg_cancel_backend(${victim.backendPid})`)).toBe('42501');
    expect((await victim.query('select 1')).rowCount).toBe(1);
    await victim.close();
  }
});

test('D08 what a login changes about itself is told by the inventory and undone by setLimits and setVerifier', async () => {
  const { logins } = namesOf(theirs);
  const session = await openSession(cluster.addressOf(theirs, 'app_b'), { applicationName: 'attack' });
  expect(await sqlstateOf(session, 'alter role current_user set statement_timeout = 0')).toBe('00000');
  const inDatabase = `alter role current_user in database ${namesOf(theirs).database} set search_path = nowhere`;
  expect(await sqlstateOf(session, inDatabase)).toBe('00000');
  expect(await sqlstateOf(session, "alter role current_user password 'taken'")).toBe('00000');
  expect(await sqlstateOf(session, 'alter role current_user set temp_file_limit = -1')).toBe('42501');
  expect(await sqlstateOf(session, 'alter role current_user reset temp_file_limit')).toBe('42501');
  expect(await sqlstateOf(session, 'alter role current_user connection limit -1')).toBe('42501');
  await session.close();
  const role = (await cluster.admin.inventory()).roles.find((candidate) => candidate.name === logins.app_b);
  expect(role?.settings).toContain('statement_timeout=0');
  expect(role?.settings).toContain('temp_file_limit=10240');
  expect(await loginStateOf(cluster.addressOf(theirs, 'app_b'))).toBe('28P01');
  await cluster.admin.setLimits(theirs, testLimits);
  await cluster.admin.setVerifier(theirs, 'app_b', verifiersOf(theirs).app_b);
  expect(await loginStateOf(cluster.addressOf(theirs, 'app_b'))).toBe('00000');
  const healed = (await cluster.admin.inventory()).roles.find((candidate) => candidate.name === logins.app_b);
  expect(healed?.settings).toEqual([
    'idle_in_transaction_session_timeout=60s',
    'search_path=public, pg_temp',
    'statement_timeout=20000',
    'temp_file_limit=10240',
  ]);
});

describe('D10 what the whole server shares cannot be used up', () => {
  test.each([
    'select pg_advisory_lock(1)',
    'select pg_advisory_xact_lock(1)',
    'select pg_try_advisory_lock(1, 2)',
    'select pg_try_advisory_xact_lock_shared(1)',
    'select pg_advisory_unlock(1)',
    'select lo_create(0)',
    'select lo_creat(-1)',
    "select lo_from_bytea(0, 'x')",
    "select pg_notify('a', 'b')",
    'select pg_export_snapshot()',
    "select pg_logical_emit_message(false, 'a', 'b')",
    'create temp table t (a int)',
    'create table public.t (a int)',
  ])('%s', async (sql) => {
    expect(await sqlstateOf(app, sql)).toBe('42501');
  });
  test('resetting a session still works', async () => {
    expect(await sqlstateOf(app, 'select pg_advisory_unlock_all()')).toBe('00000');
  });
});

test('D15 a login that uses up its connection limit shuts out only itself', async () => {
  const sessions: Session[] = [];
  try {
    for (let i = 0; i < 5; i += 1)
      sessions.push(await openSession(cluster.addressOf(theirs, 'ro'), { applicationName: 'attack' }));
    expect(await loginStateOf(cluster.addressOf(theirs, 'ro'))).toBe('53300');
    expect(await loginStateOf(cluster.addressOf(theirs, 'app_a'))).toBe('00000');
    expect(await loginStateOf(cluster.addressOf(mine, 'ro'))).toBe('00000');
  } finally {
    await Promise.all(sessions.map((session) => session.close()));
  }
  await waitUntil(async () => (await loginStateOf(cluster.addressOf(theirs, 'ro'))) === '00000', {
    what: 'a free slot',
  });
});

test('D18 ledgers and identity are read, never written, by application logins', async () => {
  await reader.query('set default_transaction_read_only = off'); // a default only: the rights must hold without it
  for (const session of [app, reader]) {
    expect(await sqlstateOf(session, 'select * from freehold.ledger')).toBe('00000');
    expect(await sqlstateOf(session, 'select * from freehold.identity')).toBe('00000');
    for (const sql of [
      "update freehold.identity set tenant_id = 'tnt_0123456789ABCDEFGHJKMNPQRS'",
      'delete from freehold.identity',
      "insert into freehold.ledger (lane, name, hash, duration_ms, run) values ('x', 'x', repeat('a', 64), 0, gen_random_uuid())",
      'update freehold.ledger set hash = hash',
      'delete from freehold.ledger',
      'truncate freehold.ledger',
      'select * from public.pgmigrations',
      "insert into public.pgmigrations (name, run_on) values ('x', now())",
      'delete from public.pgmigrations',
    ]) {
      expect([sql, await sqlstateOf(session, sql)]).toEqual([sql, '42501']);
    }
  }
});

test('D18 the application login works with the product schema, the read-only login only reads', async () => {
  const rights = await superuserSql<{ app: boolean; ro_read: boolean; ro_write: boolean }>(
    { ...cluster.server, database: namesOf(mine).database },
    `select bool_and(has_table_privilege($1, c.oid, 'select') and has_table_privilege($1, c.oid, 'insert') and has_table_privilege($1, c.oid, 'update')
        and has_table_privilege($1, c.oid, 'delete')) as app, bool_and(has_table_privilege($2, c.oid, 'select')) as ro_read,
      bool_or(has_table_privilege($2, c.oid, 'insert,update,delete,truncate,references,trigger')) as ro_write
     from pg_class c where relnamespace = 'public'::regnamespace and relkind in ('r', 'p') and relname <> 'pgmigrations'`,
    [namesOf(mine).logins.app_a, namesOf(mine).logins.ro],
  );
  expect(rights).toEqual([{ app: true, ro_read: true, ro_write: false }]);
  // default_transaction_read_only is a default that the login can undo; the rights decide.
  expect(await sqlstateOf(reader, 'set default_transaction_read_only = on')).toBe('00000');
  expect(await sqlstateOf(reader, 'delete from public.customers')).toBe('25006');
  expect(await sqlstateOf(reader, 'set default_transaction_read_only = off')).toBe('00000');
  expect(await sqlstateOf(reader, 'delete from public.customers')).toBe('42501');
  expect(await sqlstateOf(app, 'select count(*) from customers')).toBe('00000');
});

test('D19 nobody can leave a prepared transaction behind', async () => {
  const migrator = await openSession(cluster.addressOf(mine, 'mig'), { applicationName: 'attack' });
  await migrator.begin();
  expect(await sqlstateOf(migrator, "prepare transaction 'left'")).toBe('55000');
  await migrator.close();
});

test('nobody but the migration login becomes the owner, and the owner is no login', async () => {
  const { owner, logins } = namesOf(mine);
  expect(await loginStateOf({ ...cluster.addressOf(mine, 'mig'), user: owner })).toMatch(/^28/);
  const migrator = await openSession(cluster.addressOf(mine, 'mig'), { applicationName: 'attack' });
  expect(await sqlstateOf(migrator, 'create table public.t (a int)')).toBe('42501'); // not before SET ROLE
  expect(await sqlstateOf(migrator, `set role ${owner}`)).toBe('00000');
  expect(await sqlstateOf(migrator, `drop database ${namesOf(theirs).database}`)).toBe('42501');
  expect(await sqlstateOf(migrator, `grant ${owner} to ${logins.app_a}`)).toBe('42501');
  await migrator.close();
});
