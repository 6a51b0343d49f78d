// What goes wrong on a cluster while databases are made and dropped, and what the next attempt finds.
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type DatabaseId, newId } from '../../catalog/ids.ts';
import { namesOf } from '../../catalog/names.ts';
import { rolesOf } from '../../control-plane/postgres/cluster-names.ts';
import { openSession } from '../../platform/postgres/session.ts';
import { tenantCluster } from '../support/clusters.ts';
import { loginStateOf, sqlstateOf } from '../support/sqlstate.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { openTenantCluster, type TenantCluster, testLimits, verifiersOf } from '../support/tenant-cluster.ts';

let cluster: TenantCluster;
const sql = (text: string, params: unknown[] = []) => superuserSql(cluster.server, text, params);

beforeAll(async () => {
  cluster = await openTenantCluster(tenantCluster('b'));
});
afterAll(() => cluster?.close());

async function expectGone(id: DatabaseId): Promise<void> {
  expect(await cluster.admin.probeDatabase(id)).toBe('absent');
  expect(await cluster.admin.probeRoles(id)).toBe('absent');
  const left = await sql('select 1 from pg_roles where rolname = any ($1)', [rolesOf(namesOf(id))]);
  expect(left).toEqual([]);
}

async function lentRoles(): Promise<string[]> {
  const { roles } = await cluster.admin.inventory();
  return roles.find((role) => role.name === 'freehold_provisioner')?.memberOf.map((entry) => entry.role) ?? ['missing'];
}

test('every act may be repeated, and undone acts leave nothing', async () => {
  const id = newId('database');
  expect(await cluster.admin.probeRoles(id)).toBe('absent');
  for (let i = 0; i < 2; i += 1) await cluster.makeRoles(id);
  expect(await cluster.admin.probeRoles(id)).toBe('ours');
  for (let i = 0; i < 2; i += 1) await cluster.admin.createDatabase(id);
  expect(await cluster.admin.probeDatabase(id)).toBe('closed');
  for (let i = 0; i < 2; i += 1) await cluster.admin.openDatabase(id);
  await cluster.admin.createDatabase(id);
  expect(await cluster.admin.probeDatabase(id)).toBe('open'); // a late repeat does not close what is in use
  for (let i = 0; i < 2; i += 1) expect(await cluster.admin.fenceDatabase(id)).toEqual({ terminated: 0, left: 0 });
  expect(await cluster.admin.probeDatabase(id)).toBe('closed');
  for (let i = 0; i < 2; i += 1) await cluster.admin.dropDatabase(id);
  for (let i = 0; i < 2; i += 1) await cluster.admin.dropRoles(id);
  await expectGone(id);
});

test('P05 four makers of one database at once: one wins, all succeed', async () => {
  const id = newId('database');
  const admins = await Promise.all([1, 2, 3, 4].map(() => openTenantCluster(cluster.server)));
  await Promise.all(admins.map((each) => each.admin.makeRoles(id, verifiersOf(id), testLimits)));
  await cluster.makeRoles(id);
  await Promise.all(admins.map((each) => each.admin.createDatabase(id)));
  expect(await cluster.admin.probeDatabase(id)).toBe('closed');
  const found = (await cluster.admin.inventory()).databases.find((database) => database.databaseId === id);
  expect(found).toMatchObject({
    owner: namesOf(id).owner,
    mark: 'ours',
    unfinished: false,
    grants: [{ grantee: namesOf(id).database, privileges: ['CONNECT'] }],
  });
  expect(await lentRoles()).not.toContain(namesOf(id).owner);
  await Promise.all(admins.map((each) => each.close()));
});

test('P06 rights of one database changed from many sides at once', async () => {
  const id = await cluster.makeDatabase();
  const { database } = namesOf(id);
  const meddling = Array.from({ length: 4 }, async () => {
    for (let i = 0; i < 25; i += 1) {
      await sql(`grant temp on database ${database} to public`).catch(() => {});
      await sql(`revoke temp on database ${database} from public`).catch(() => {});
    }
  });
  const acts = Array.from({ length: 20 }, () => cluster.admin.createDatabase(id));
  const outcomes = await Promise.allSettled([
    ...acts,
    ...Array.from({ length: 20 }, () => cluster.admin.openDatabase(id)),
  ]);
  await Promise.all(meddling);
  expect(outcomes.filter((outcome) => outcome.status === 'rejected')).toEqual([]);
  await cluster.admin.createDatabase(id);
  expect(
    (await sql('select datacl::text as acl from pg_database where datname = $1', [database]))[0]?.acl,
  ).not.toContain('{=');
});

test('P07 a template that is in use for a moment is waited for', async () => {
  const id = newId('database');
  await cluster.makeRoles(id);
  // Somebody opened the template by hand and sits in it.
  await sql('alter database freehold_template allow_connections true');
  const sitter = await openSession({ ...cluster.server, database: 'freehold_template' }, { applicationName: 'sitter' });
  await sql('alter database freehold_template allow_connections false');
  const creating = cluster.admin.createDatabase(id);
  // PostgreSQL gives up after 5 s with 55006; the sitter leaves only after that.
  await expect
    .poll(
      () =>
        sql(`select 1 from pg_stat_activity where query ~ $1 and state = 'active'`, [
          `^create database ${namesOf(id).database}`,
        ]),
      { timeout: 10_000 },
    )
    .toHaveLength(1);
  const started = Date.now();
  await expect.poll(() => Date.now() - started, { timeout: 8_000 }).toBeGreaterThan(5_500);
  await sitter.close();
  await creating;
  expect(await cluster.admin.probeDatabase(id)).toBe('closed');
});

test('P07 eight databases from one template at once', async () => {
  const ids = Array.from({ length: 8 }, () => newId('database'));
  await Promise.all(ids.map((id) => cluster.makeRoles(id)));
  await Promise.all(ids.map((id) => cluster.admin.createDatabase(id)));
  expect(await Promise.all(ids.map((id) => cluster.admin.probeDatabase(id)))).toEqual(ids.map(() => 'closed'));
});

test('P08 a crash between CREATE DATABASE and its rights: told, closed, completed by the next attempt, or dropped', async () => {
  for (const next of ['create', 'drop'] as const) {
    const id = newId('database');
    const { database, owner } = namesOf(id);
    await cluster.makeRoles(id);
    await sql(`create database ${database} template freehold_template owner ${owner} allow_connections false`);
    expect(await cluster.admin.probeDatabase(id)).toBe('unfinished');
    const found = (await cluster.admin.inventory()).databases.find((each) => each.databaseId === id);
    expect(found).toMatchObject({ mark: 'ours', unfinished: true, open: false });
    await expect(cluster.admin.openDatabase(id)).rejects.toMatchObject({ sqlstate: 'ZF003' });
    if (next === 'create') {
      await cluster.admin.createDatabase(id);
      expect(await cluster.admin.probeDatabase(id)).toBe('closed');
    }
    await cluster.admin.dropDatabase(id);
    await cluster.admin.dropRoles(id);
    await expectGone(id);
  }
});

test('P09 a half dropped database is found, refused to everything but drop, and dropped', async () => {
  const id = await cluster.makeDatabase();
  const { database } = namesOf(id);
  await sql('update pg_database set datconnlimit = -2 where datname = $1', [database]);
  expect(await cluster.admin.probeDatabase(id)).toBe('invalid');
  expect(await loginStateOf(cluster.addressOf(id, 'app_a'))).toBe('55000');
  await expect(cluster.admin.createDatabase(id)).rejects.toMatchObject({ code: 'wrong_state' });
  await expect(cluster.admin.openDatabase(id)).rejects.toMatchObject({ sqlstate: 'ZF003' });
  expect(await cluster.admin.fenceDatabase(id)).toMatchObject({ left: 0 });
  const found = (await cluster.admin.inventory()).databases.find((each) => each.databaseId === id);
  expect(found).toMatchObject({ invalid: true, mark: 'ours' });
  await cluster.admin.dropDatabase(id);
  await cluster.admin.dropRoles(id);
  await expectGone(id);
});

test('P14 a database of our name that is not ours is never adopted, opened, fenced or dropped', async () => {
  const id = newId('database');
  const { database } = namesOf(id);
  await sql(`create database ${database}`);
  try {
    await cluster.makeRoles(id);
    for (const mark of [null, 'freehold:x', `freehold:${id}:${'0'.repeat(64)}`]) {
      await sql(`comment on database ${database} is ${mark === null ? 'null' : `'${mark}'`}`);
      expect(await cluster.admin.probeDatabase(id)).toBe('foreign');
      for (const act of [
        'createDatabase',
        'openDatabase',
        'fenceDatabase',
        'dropDatabase',
        'terminateSessions',
      ] as const) {
        await expect(cluster.admin[act](id), act).rejects.toMatchObject({ code: 'not_our_object' });
      }
    }
    expect(await sql('select datallowconn from pg_database where datname = $1', [database])).toEqual([
      { datallowconn: true },
    ]);
    expect(await lentRoles()).toEqual([]);
  } finally {
    await sql(`drop database ${database}`);
  }
});

test('P14 a mark copied from another database is no mark', async () => {
  const [mine, other] = [newId('database'), await cluster.makeDatabase()];
  const { database } = namesOf(mine);
  await sql(`create role ${database}`);
  const copied = await sql(`select shobj_description(oid, 'pg_authid') as mark from pg_roles where rolname = $1`, [
    namesOf(other).database,
  ]);
  await sql(`comment on role ${database} is '${copied[0]?.mark}'`);
  try {
    expect(await cluster.admin.probeRoles(mine)).toBe('foreign');
    await expect(cluster.admin.makeRoles(mine, verifiersOf(mine), testLimits)).rejects.toMatchObject({
      code: 'not_our_object',
    });
    await expect(cluster.admin.setVerifier(mine, 'app_a', verifiersOf(mine).app_a)).rejects.toMatchObject({
      code: 'not_our_object',
    });
    await expect(cluster.admin.dropRoles(mine)).rejects.toMatchObject({ code: 'not_our_object' });
    expect(await sql('select rolcanlogin from pg_roles where rolname = $1', [database])).toEqual([
      { rolcanlogin: false },
    ]);
  } finally {
    await sql(`drop role ${database}`);
  }
});

test('roles of which some are missing are completed', async () => {
  const id = newId('database');
  await cluster.makeRoles(id);
  await sql(`drop role ${namesOf(id).logins.ro}`);
  expect(await cluster.admin.probeRoles(id)).toBe('partial');
  await expect(cluster.admin.setLimits(id, testLimits)).rejects.toMatchObject({ sqlstate: 'ZF003' });
  await cluster.makeRoles(id);
  expect(await cluster.admin.probeRoles(id)).toBe('ours');
});

test('P17 roles that own objects and hold rights in other databases are dropped with what they own there', async () => {
  const id = await cluster.makeDatabase();
  const other = await cluster.makeDatabase();
  const { owner, logins } = namesOf(id);
  const elsewhere = { ...cluster.server, database: namesOf(other).database };
  await superuserSql(elsewhere, `create table public.stray (a int); alter table public.stray owner to ${owner}`);
  await superuserSql(elsewhere, `grant select on freehold.identity to ${logins.app_a}`);
  await sql(`grant connect on database ${namesOf(other).database} to ${logins.app_a}`);
  await cluster.databases.forget(id);
  await cluster.admin.dropDatabase(id);
  await cluster.admin.dropRoles(id);
  await expectGone(id);
  expect(await superuserSql(elsewhere, `select to_regclass('public.stray') as stray`)).toEqual([{ stray: null }]);
  expect(await lentRoles()).toEqual([]);
  expect(await loginStateOf({ ...cluster.provisioner, database: namesOf(other).database })).toBe('42501');
  expect(await cluster.databases.readIdentity(other)).toEqual({ databaseId: other, tenantId: null });
});

test('P18 a database is dropped under the hands of its sessions, one of them in a transaction', async () => {
  const id = await cluster.makeDatabase();
  const sessions = await Promise.all(
    (['app_a', 'app_a', 'app_b', 'ro', 'mig'] as const).map((login) =>
      openSession(cluster.addressOf(id, login), { applicationName: 'busy' }),
    ),
  );
  await sessions[0]?.begin();
  await sessions[0]?.query('select * from freehold.identity');
  const sleeping = sqlstateOf(sessions[1] as never, 'select pg_sleep(30)').catch(() => 'lost');
  await cluster.admin.dropDatabase(id);
  expect(await sleeping).not.toBe('00000');
  await cluster.admin.dropRoles(id);
  await expectGone(id);
  await Promise.all(sessions.map((session) => session.close()));
});

test('P19 fencing ends every session and lets none in again', async () => {
  const id = await cluster.makeDatabase();
  const sessions = await Promise.all(
    [1, 2, 3].map(() => openSession(cluster.addressOf(id, 'app_a'), { applicationName: 'busy' })),
  );
  await cluster.databases.forget(id);
  const { terminated, left } = await cluster.admin.fenceDatabase(id);
  expect(terminated).toBeGreaterThanOrEqual(3);
  expect(left).toBe(0);
  expect(await loginStateOf(cluster.addressOf(id, 'app_a'))).toBe('55000');
  expect(await loginStateOf(cluster.addressOf(id, 'mig'))).toBe('55000');
  await Promise.all(sessions.map((session) => session.close()));
});
