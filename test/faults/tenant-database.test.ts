// Lanes and the identity row of one database: repeated, disturbed, contested.
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type DatabaseId, newId } from '../../catalog/ids.ts';
import { namesOf } from '../../catalog/names.ts';
import type { Lane } from '../../control-plane/migration-files/migration-file.ts';
import { readLane } from '../../control-plane/migration-files/read-folder.ts';
import { migrationLockId } from '../../control-plane/postgres/plan-migration.ts';
import { createTenantDatabases } from '../../control-plane/postgres/tenant-database.ts';
import { openSession } from '../../platform/postgres/session.ts';
import { tenantCluster } from '../support/clusters.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { laneFolder, openTenantCluster, quietLog, type TenantCluster } from '../support/tenant-cluster.ts';

let cluster: TenantCluster;
let core: Lane;
let product: Lane;

beforeAll(async () => {
  core = await readLane('core', laneFolder('core'));
  product = await readLane('tenant', laneFolder('tenant'));
  cluster = await openTenantCluster(tenantCluster('b'), product);
});
afterAll(() => cluster?.close());

const inside = (id: DatabaseId, sql: string, params: unknown[] = []) =>
  superuserSql({ ...cluster.server, database: namesOf(id).database }, sql, params);
const withLane = (lane: Lane) =>
  createTenantDatabases({
    addressOf: async (id, login) => cluster.addressOf(id, login),
    heads: async () => [core, lane],
    log: quietLog,
  });

async function emptyDatabase(): Promise<DatabaseId> {
  const id = newId('database');
  await cluster.makeRoles(id);
  await cluster.admin.createDatabase(id);
  await cluster.admin.openDatabase(id);
  return id;
}

test('a new database has no versions and no identity; after the lanes it has both, owned by the owner', async () => {
  const id = await emptyDatabase();
  expect(await cluster.databases.probeLanes(id)).toEqual({});
  expect(await cluster.databases.readIdentity(id)).toBeUndefined();
  const head = {
    core: { version: core.version, hash: core.hash },
    tenant: { version: product.version, hash: product.hash },
  };
  expect(await cluster.databases.applyLanes(id)).toEqual(head);
  expect(await cluster.databases.applyLanes(id)).toEqual(head);
  expect(await cluster.databases.probeLanes(id)).toEqual(head);
  expect(await cluster.databases.readIdentity(id)).toEqual({ databaseId: id, tenantId: null });
  const owners = await inside(
    id,
    `select distinct pg_get_userbyid(relowner) as owner from pg_class where relnamespace in ('public'::regnamespace, 'freehold'::regnamespace)`,
  );
  expect(owners).toEqual([{ owner: namesOf(id).owner }]);
  const ledger = await inside(
    id,
    'select count(*)::int as files, count(distinct run)::int as runs, min(applied_by) as by from freehold.ledger',
  );
  expect(ledger).toEqual([{ files: core.files.length + product.files.length, runs: 1, by: namesOf(id).logins.mig }]);
});

test('two workers apply the same lanes at once: each file once', async () => {
  const id = await emptyDatabase();
  // Not more: the migration login has three connections, one of which is for a person.
  const workers = [withLane(product), withLane(product)];
  const outcomes = await Promise.all(workers.map((worker) => worker.applyLanes(id)));
  expect(outcomes[0]).toEqual(outcomes[1]);
  expect(
    await inside(id, 'select count(*)::int as files, count(distinct run)::int as runs from freehold.ledger'),
  ).toEqual([{ files: core.files.length + product.files.length, runs: 1 }]);
  await Promise.all(workers.map((worker) => worker.close()));
});

test('a file that fails leaves nothing of any file, and the error names file and line', async () => {
  const id = await emptyDatabase();
  const bad = {
    name: '20990101000000000_bad',
    hash: 'b'.repeat(64),
    up: { transaction: true, statements: ['create table one (a int);\nselect nonsense from one;'] },
    down: null,
    program: null,
    contractRequires: null,
  };
  const worker = withLane({ ...product, files: [...product.files, bad] });
  await expect(worker.applyLanes(id)).rejects.toThrow(/tenant\/20990101000000000_bad\.sql line 2: .*nonsense/);
  expect(await worker.probeLanes(id)).toEqual({});
  expect(await inside(id, `select to_regclass('app.one') as one, to_regnamespace('freehold') as schema`)).toEqual([
    { one: null, schema: null },
  ]);
  await worker.close();
  await cluster.databases.applyLanes(id); // the session was not spoiled, the database neither
});

test('an edited file is told, not skipped', async () => {
  const id = await cluster.makeDatabase();
  const [first, ...rest] = product.files;
  const worker = withLane({
    ...product,
    files: [{ ...(first as Lane['files'][number]), hash: 'e'.repeat(64) }, ...rest],
  });
  await expect(worker.applyLanes(id)).rejects.toMatchObject({
    code: 'migration_invalid',
    message: expect.stringContaining('edited'),
  });
  await worker.close();
});

test('D11 a person who holds the migration lock delays, never hangs', async () => {
  const id = await emptyDatabase();
  const sitter = await openSession(
    { ...cluster.server, database: namesOf(id).database },
    { applicationName: 'sitter' },
  );
  await sitter.query(`select pg_advisory_lock(${migrationLockId})`);
  await expect(cluster.databases.applyLanes(id)).rejects.toMatchObject({ sqlstate: '55P03' });
  await sitter.close();
  await cluster.databases.applyLanes(id);
});

test('the identity row is stamped once, cleared only by its holder, and never for another database', async () => {
  const id = await cluster.makeDatabase();
  const [ann, bob] = [newId('tenant'), newId('tenant')];
  const mismatch = { code: 'identity_mismatch' };
  await cluster.databases.stampIdentity(id, ann);
  await cluster.databases.stampIdentity(id, ann);
  await expect(cluster.databases.stampIdentity(id, bob)).rejects.toMatchObject(mismatch);
  await expect(cluster.databases.clearIdentity(id, bob)).rejects.toMatchObject(mismatch);
  expect(await cluster.databases.readIdentity(id)).toEqual({ databaseId: id, tenantId: ann });
  await cluster.databases.clearIdentity(id, ann);
  await cluster.databases.clearIdentity(id, ann);
  const stamps = await Promise.allSettled([ann, bob].map((tenant) => cluster.databases.stampIdentity(id, tenant)));
  expect(stamps.map((stamp) => stamp.status).sort()).toEqual(['fulfilled', 'rejected']);
  await inside(id, 'update freehold.identity set database_id = $1, tenant_id = null, claimed_at = null', [
    newId('database'),
  ]);
  await expect(cluster.databases.stampIdentity(id, ann)).rejects.toMatchObject(mismatch);
});

test("node-pg-migrate's own command line sees what was applied", async () => {
  const id = await cluster.makeDatabase();
  const { user, password, host, port, database } = cluster.addressOf(id, 'mig');
  const root = new URL('../..', import.meta.url).pathname;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [
      path.join(root, 'node_modules/node-pg-migrate/bin/node-pg-migrate.js'),
      ...['up', '-m', laneFolder('tenant')],
      ...['--ignore-pattern', '(\\..*|schema\\.sql)'],
    ],
    {
      cwd: root,
      env: {
        PATH: process.env.PATH ?? '',
        DATABASE_URL: `postgres://${user}:${password}@${host}:${port}/${database}?options=-c%20role%3D${namesOf(id).owner}`,
      },
    },
  );
  expect(stdout).toContain('No migrations to run!');
});
