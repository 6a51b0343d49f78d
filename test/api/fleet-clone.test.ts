// A release tried on a copy of one tenant's database: what only real rows show, and a copy that nobody else gets into, that ends
// whatever happens to the process that made it, and that the audit log tells.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { systemCaller } from '../../catalog/caller.ts';
import type { DatabaseId } from '../../catalog/ids.ts';
import { namesOf } from '../../catalog/names.ts';
import type { DryRunLineView } from '../../control-plane/client.ts';
import { runFsck } from '../../control-plane/fsck/run-fsck.ts';
import { createOrphanDatabases } from '../../control-plane/reconcilers/orphan-databases.ts';
import { createScratchDatabases } from '../../control-plane/rollouts/scratch/scratch-databases.ts';
import { registerRelease } from '../../control-plane/rollouts/start/register-release.ts';
import { openSession } from '../../platform/postgres/session.ts';
import { startClone } from '../support/clone-process.ts';
import { type ControlPlane, startControlPlane } from '../support/control-plane.ts';
import { appliedIn, createFleetTenants, type FleetTenant, laneWith } from '../support/fleet.ts';
import { startCli } from '../support/run-cli.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { waitUntil } from '../support/wait-until.ts';

let plane: ControlPlane;
/** Suspended, and active. */
let full: FleetTenant;
let busy: FleetTenant;
const home = fs.mkdtempSync(path.join(os.tmpdir(), 'freehold-clone-'));
const rows = 1_000;

beforeAll(async () => {
  plane = await startControlPlane();
  const { installation } = plane;
  const { db } = installation.catalog;
  for (const lane of installation.lanes) await registerRelease(db, { lane }, systemCaller('test'));
  [full, busy] = (await createFleetTenants(installation, 2)) as [FleetTenant, FleetTenant];
  const insert = `insert into customers (name, email, country) select 'c', 'c' || i || '@example.org', 'CH' from generate_series(1, ${rows}) i`;
  await inside(full.databaseId, insert);
  await plane.client('operator').tenants.suspend(full.tenantId, { waitSec: 30 });
});
afterAll(async () => {
  await plane.close();
  fs.rmSync(home, { recursive: true });
});

const serverOf = (tenant: FleetTenant) => plane.installation.clusters[tenant.cluster].server.address;
const serverWith = async (id: DatabaseId) => {
  const rowOf = plane.installation.catalog.db.selectFrom('databases').select('cluster_id').where('id', '=', id);
  const { cluster_id } = await rowOf.executeTakeFirstOrThrow();
  return plane.installation.clusters.find((each) => each.id === cluster_id)?.server.address as ReturnType<
    typeof serverOf
  >;
};
/** As the owner of what is in it. */
async function inside<R>(id: DatabaseId, sql: string, owner: DatabaseId = id): Promise<R[]> {
  const address = { ...(await serverWith(id)), database: namesOf(id).database };
  const role = `-c role=${namesOf(owner).owner}`;
  return superuserSql<R>({ ...address, options: role } as typeof address, sql);
}
async function release(name: string, ...statements: string[]) {
  await registerRelease(
    plane.installation.catalog.db,
    { lane: await laneWith(...statements), name },
    systemCaller('test'),
  );
}
const dryRun = (body: object): Promise<DryRunLineView[]> => Array.fromAsync(plane.client('dba').fleet.dryRun(body));
const copies = () =>
  plane.installation.catalog.db
    .selectFrom('databases')
    .select(['id', 'state', 'clone_of'])
    .where('clone_of', 'is not', null)
    .where('state', '<>', 'dropped')
    .execute();
const fsck = async () => (await runFsck(plane.installation.deps)).findings;
const allGone = () => waitUntil(async () => (await copies()).length === 0, { what: 'the copy to go' });
/** What a cluster still has of copies that the catalog says are dropped. */
async function leftOnServer(tenant: FleetTenant): Promise<unknown[]> {
  const { db } = plane.installation.catalog;
  const dropped = await db.selectFrom('databases').select('id').where('clone_of', 'is not', null).execute();
  const names = dropped.map(({ id }) => namesOf(id).database);
  return superuserSql(
    serverOf(tenant),
    `select rolname from pg_roles, unnest($1::text[]) name where starts_with(rolname, name)
     union all select datname from pg_database where datname = any ($1::text[])`,
    [names],
  );
}

const wider = [
  'alter table customers alter column country type text using upper(country)',
  'create index customers_name on customers (name)',
];
test('the size of what is locked, and the tables of which every row is written again', async () => {
  await release('wider', ...wider);
  const lines = await dryRun({ release: 'wider', clone_tenant: full.tenantId });
  const files = lines.filter((line) => line.type === 'file');
  const customers = { relation: 'public.customers', rows, bytes: expect.toSatisfy((bytes: number) => bytes > 100_000) };
  expect(files[0]?.locks).toContainEqual({ ...customers, mode: 'AccessExclusiveLock' });
  expect(files.map(({ rewritten }) => rewritten)).toEqual([[customers], []]);
  expect(files[1]?.locks).toContainEqual(expect.objectContaining({ relation: 'public.customers', mode: 'ShareLock' }));
  await allGone();
});

test('a file that fails on data alone passes on empty tables and fails on the copy, by SQLSTATE and line; the tenant is untouched', async () => {
  await release(
    'region',
    ...wider,
    'alter table customers add column region text',
    'select 1;\nalter table customers alter region set not null',
  );
  expect((await dryRun({ release: 'region' })).at(-1)).toMatchObject({ passed: 1, failed: 0 });
  const lines = await dryRun({ release: 'region', clone_tenant: full.slug });
  expect(lines[0]).toMatchObject({
    starts: [{ tenants: [full.slug] }],
    clone: { tenant_id: full.tenantId, slug: full.slug },
  });
  const failed = lines.find((line) => line.type === 'failed');
  expect(failed).toMatchObject({ error: { sqlstate: '23502', line: 2, state_of_database: 'unchanged' } });
  expect(lines.filter(({ type }) => type === 'file')).toHaveLength(3);
  expect(lines.at(-1)).toMatchObject({ starts: 1, passed: 0, failed: 1 });
  await allGone();
  expect(await leftOnServer(full)).toEqual([]);
  expect(await fsck()).toEqual([]);
  const { data } = await plane.client('owner').audit.page({ action: 'tenant.clone' });
  const entry = { actor: plane.keys.dba.id, target_id: full.tenantId };
  expect(data).toMatchObject([entry, entry]);
});

test('nobody’s login but its own gets into a copy, and its own gets nowhere else', async () => {
  const { catalog, connections, sealer, log, clusters } = plane.installation;
  const scratch = createScratchDatabases({ ...connections, catalog: catalog.db, sealer, wake: async () => {}, log });
  const source = { databaseId: busy.databaseId, clusterId: clusters[busy.cluster].id, bytes: 0, timeoutMs: null };
  await scratch.withClone(source, 'test', async (id) => {
    for (const login of ['mig', 'app_a', 'app_b', 'ro'] as const) {
      const address = { ...(await connections.addressOf(busy.databaseId, login)), database: namesOf(id).database };
      await expect(openSession(address, { applicationName: 'test' })).rejects.toThrow(/permission denied for database/);
      const back = { ...(await connections.addressOf(id, login)), database: namesOf(busy.databaseId).database };
      await expect(openSession(back, { applicationName: 'test' })).rejects.toThrow(/permission denied for database/);
    }
    const [row] = await inside<{ database_id: string }>(
      id,
      'select database_id from freehold.identity',
      busy.databaseId,
    );
    expect(row).toEqual({ database_id: busy.databaseId });
    const provisioner = `select r.rolname from pg_auth_members m join pg_roles r on r.oid = m.roleid
      where m.member = 'freehold_provisioner'::regrole and r.rolname ^@ 't_'`;
    expect(await superuserSql(serverOf(busy), provisioner)).toEqual([]);
    expect((await fsck()).filter(({ databaseId }) => databaseId === id || databaseId === busy.databaseId)).toEqual([]);
  });
  await plane.installation.runAll();
  expect(await copies()).toEqual([]);
});

describe('P09 killed with -9', () => {
  const orphans = createOrphanDatabases({ rowMs: 0 });
  const sourceOf = (tenant: FleetTenant) => {
    const clusterId = plane.installation.clusters[tenant.cluster].id;
    return { databaseId: tenant.databaseId, clusterId, bytes: 0, timeoutMs: null };
  };
  async function reap(): Promise<void> {
    const { installation } = plane;
    const { address } = installation.catalog;
    await superuserSql(
      address,
      `update databases set scratch_until = now() - interval '1 second' where clone_of is not null`,
    );
    await orphans.run({ ...installation.deps, clusters: installation.connections.clusters, wakeAgain: async () => {} });
    await installation.runAll();
  }
  async function expectNothingLeft(tenant: FleetTenant): Promise<void> {
    expect(await copies()).toEqual([]);
    expect(await leftOnServer(tenant)).toEqual([]);
    expect(await fsck()).toEqual([]);
  }

  test('while the copy is in use: the reaper drops it, and the tenant keeps everything', async () => {
    const clone = startClone(plane.installation.catalog.address, sourceOf(full));
    const id = await clone.copied;
    await clone.kill();
    expect(await copies()).toMatchObject([{ id, state: 'creating', clone_of: full.databaseId }]);
    await reap();
    await expectNothingLeft(full);
  });

  test('while the server copies: what it finishes without anybody is dropped too', async () => {
    const address = { ...serverOf(busy), database: namesOf(busy.databaseId).database };
    // CREATE DATABASE waits for it, up to five seconds.
    const guest = await openSession(address, { applicationName: 'test-guest' });
    const clone = startClone(plane.installation.catalog.address, sourceOf(busy));
    const copying = `select from pg_stat_activity where query ~* '^\\s*create database.*template t_'`;
    await waitUntil(async () => (await superuserSql(serverOf(busy), copying)).length > 0, { what: 'CREATE DATABASE' });
    await clone.kill();
    await guest.close();
    await waitUntil(async () => (await superuserSql(serverOf(busy), copying)).length === 0, { what: 'its end' });
    const [copy] = await copies();
    const there = `select from pg_database where datname = '${namesOf(copy?.id as DatabaseId).database}'`;
    expect(await superuserSql(serverOf(busy), there)).toHaveLength(1);
    await reap();
    await expectNothingLeft(busy);
  });
});

test('an active tenant with nobody in its database is copied too, and is served again at once', async () => {
  const lines = await dryRun({ release: 'region', clone_tenant: busy.slug });
  expect(lines.at(-1)).toMatchObject({ starts: 1, passed: 1 });
  expect((await appliedIn(plane.installation, busy)).names).toHaveLength(6);
  await allGone();
});

describe('refused, with nothing made', () => {
  test.each([
    ['a tenant that is not', { clone_tenant: 'nobody' }, 'tenant_not_found'],
    ['a release that is not', { clone_tenant: 'fleet-0', release: 'never-made' }, 'release_not_found'],
    ['a selection beside the tenant', { clone_tenant: 'fleet-0', selection: { plans: ['team'] } }, 'invalid_body'],
    ['more than it may have', { clone_tenant: 'fleet-0', clone_max_bytes: 1_000 }, 'clone_too_large'],
    ['a filter that nobody matches', { selection: { filter: "slug like 'nobody%'" } }, 'selection_empty'],
    ['a group that is not', { selection: { group: 'gone' } }, 'target_group_not_found'],
  ])('%s', async (_, body, code) => {
    await expect(dryRun({ release: 'region', ...body })).rejects.toMatchObject({ code });
    expect(await copies()).toEqual([]);
  });

  test('an active tenant while somebody is in its database, with what to do', async () => {
    const guest = await openSession(await plane.installation.connections.addressOf(busy.databaseId, 'app_a'), {
      applicationName: 'test-guest',
    });
    const refused = dryRun({ release: 'region', clone_tenant: busy.slug });
    await expect(refused).rejects.toMatchObject({
      code: 'clone_source_in_use',
      message: expect.stringMatching(/Suspend/),
    });
    await guest.close();
  });

  test('a tenant whose files no release has, and one that is deleted', async () => {
    const { db } = plane.installation.catalog;
    const row = db.selectFrom('databases').select('lanes').where('id', '=', busy.databaseId);
    const { lanes } = await row.executeTakeFirstOrThrow();
    const set = (value: object) =>
      db
        .updateTable('databases')
        .set({ lanes: JSON.stringify(value) })
        .where('id', '=', busy.databaseId)
        .execute();
    await set({ ...lanes, tenant: { version: '20260101000000000', hash: 'f'.repeat(64) } });
    for (const of of [{ clone_tenant: busy.slug }, { selection: { slugs: [busy.slug] } }])
      await expect(dryRun({ release: 'region', ...of })).rejects.toMatchObject({ code: 'release_history_changed' });
    await set(lanes);
    const [other] = (await createFleetTenants(plane.installation, 1, 'goner')) as [FleetTenant];
    await plane.client('operator').tenants.delete(other.tenantId, { waitSec: 30 });
    await expect(dryRun({ release: 'region', clone_tenant: other.slug })).rejects.toMatchObject({
      code: 'wrong_state',
    });
  });

  test('a cluster that an older Freehold has prepared', async () => {
    const address = { ...serverOf(full), database: 'freehold_admin' };
    await superuserSql(address, 'alter function freehold.look_at_source(text, text[]) rename to not_yet_known');
    await expect(dryRun({ release: 'region', clone_tenant: full.slug })).rejects.toMatchObject({
      code: 'cluster_outdated',
    });
    await superuserSql(address, 'alter function freehold.not_yet_known(text, text[]) rename to look_at_source');
  });
});

test('on a terminal: sizes beside the locks, exit code 1 where it fails; without --dry-run it is a mistake', async () => {
  const freehold = (...args: string[]) =>
    startCli(home, args, { env: { FREEHOLD_URL: plane.url, FREEHOLD_API_KEY: plane.keys.dba.text } }).ended;
  const good = await freehold('fleet', 'dry-run', '--to', 'wider', '--clone-tenant', full.slug);
  expect(good).toMatchObject({ code: 0 });
  expect(good.stdout).toContain(`on a copy of ${full.slug}`);
  expect(good.stdout).toMatch(/every row written again of public\.customers \(1000 rows, [\d.]+ (kB|MB)\)/);
  const bad = await freehold('fleet', 'migrate', '--dry-run', '--to', 'region', '--clone-tenant', full.slug);
  expect(bad).toMatchObject({ code: 1, stdout: expect.stringContaining('[23502]') });
  const wrong = await freehold('fleet', 'migrate', '--clone-tenant', full.slug);
  expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining('--dry-run')]);
  await allGone();
});
