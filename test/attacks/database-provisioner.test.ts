// What somebody can do with a stolen provisioner password and without the sealing key: nothing to a database that exists.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DatabaseId, newId } from '../../catalog/ids.ts';
import { namesOf } from '../../catalog/names.ts';
import { openSession, type Session } from '../../platform/postgres/session.ts';
import { tenantCluster } from '../support/clusters.ts';
import { loginStateOf, sqlstateOf } from '../support/sqlstate.ts';
import { openTenantCluster, type TenantCluster, testLimits, verifiersOf } from '../support/tenant-cluster.ts';

let cluster: TenantCluster;
let id: DatabaseId;
let thief: Session;
const forged = `{${'f'.repeat(43)}}`;
const notOurs = 'ZF001';
const notOurName = 'ZF002';

beforeAll(async () => {
  cluster = await openTenantCluster(tenantCluster('a'));
  id = await cluster.makeDatabase();
  thief = await openSession(cluster.provisioner, { applicationName: 'thief' });
});

afterAll(async () => {
  await thief?.close();
  await cluster?.close();
});

test('holds no membership and reaches no tenant database', async () => {
  const { database, owner, logins } = namesOf(id);
  const role = (await cluster.admin.inventory()).roles.find((candidate) => candidate.name === 'freehold_provisioner');
  expect(role).toMatchObject({
    superuser: false,
    createRole: false,
    replication: false,
    bypassRls: false,
    memberOf: [],
  });
  expect(await loginStateOf({ ...cluster.provisioner, database })).toBe('42501');
  for (const sql of [
    `drop database ${database}`,
    `alter database ${database} allow_connections true`,
    `set role ${owner}`,
    `grant ${owner} to freehold_provisioner`,
    `alter role ${logins.app_a} password 'x'`,
    'create role r',
    'select * from pg_authid',
    "select pg_ls_dir('.')",
    'create table freehold.t (a int)',
    'create table public.t (a int)',
    'create or replace function freehold.checked_name(name text) returns text language sql as $$ select $1 $$',
  ]) {
    expect([sql, await sqlstateOf(thief, sql)]).toEqual([sql, '42501']);
  }
});

describe('the functions ask for the proof, which only the sealing key gives', () => {
  test.each([
    ['lend_owner($1, $2::text[])', []],
    ['set_verifier($1, $2::text[], $3, $4)', ['app_a', 'verifier']],
    ['set_limits($1, $2::text[], $3::text::jsonb)', ['limits']],
    ['make_roles($1, $2::text[], $3::text::jsonb, $4::text::jsonb)', ['verifiers', 'limits']],
    ['finish_database($1, $2::text[])', []],
    ['set_open($1, $2::text[], false)', []],
    ['terminate_sessions($1, $2::text[])', []],
    ['drop_roles($1, $2::text[])', []],
    ['lend_roles_in($1, $2::text[], $3)', ['postgres']],
  ])('%s', async (call, extra) => {
    const values: Record<string, string> = {
      verifier: verifiersOf(id).app_a,
      verifiers: JSON.stringify(verifiersOf(id)),
      limits: JSON.stringify(testLimits),
    };
    const rest = extra.map((word) => values[word] ?? word);
    const sql = `select freehold.${call}`;
    expect(await sqlstateOf(thief, sql, [namesOf(id).database, forged, ...rest])).toBe(notOurs);
    expect(await sqlstateOf(thief, sql, [namesOf(id).database, '{}', ...rest])).toMatch(/^(ZF001|ZF002)$/);
    // The mark itself is public and is no proof.
    const mark = await thief.query<{ mark: string }>(
      `select shobj_description(oid, 'pg_authid') as mark from pg_roles where rolname = $1`,
      [namesOf(id).database],
    );
    expect(await sqlstateOf(thief, sql, [namesOf(id).database, `{"${mark.rows[0]?.mark}"}`, ...rest])).toBe(notOurs);
    for (const name of [
      'postgres',
      'template1',
      'freehold_provisioner',
      `${namesOf(id).database}_own`,
      "t_'; drop role x; --",
    ]) {
      expect([name, await sqlstateOf(thief, sql, [name, forged, ...rest])]).toEqual([name, notOurName]);
    }
  });
});

test('the tenant is untouched', async () => {
  expect(await cluster.admin.probeDatabase(id)).toBe('open');
  expect(await cluster.admin.probeRoles(id)).toBe('ours');
  expect(await loginStateOf(cluster.addressOf(id, 'app_a'))).toBe('00000');
});

test('helper functions are for the functions only', async () => {
  for (const call of ["apply_verifier('postgres', 'x')", "apply_settings('x', '{}')", "check_roles('x', '{}')"]) {
    expect([call, await sqlstateOf(thief, `select freehold.${call}`)]).toEqual([call, '42501']);
  }
  expect(await cluster.admin.probeRoles(newId('database'))).toBe('absent');
});
