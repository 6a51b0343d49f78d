// A team's folder, in every format of node-pg-migrate and with every feature of its builder that an owner of a database may use,
// gives the same schema by Freehold as by node-pg-migrate's own command line, and each sees what the other has done.
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { runner } from 'node-pg-migrate';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DatabaseId } from '../../catalog/ids.ts';
import { type Login, namesOf } from '../../catalog/names.ts';
import type { Lane } from '../../control-plane/migration-files/migration-file.ts';
import { readLane } from '../../control-plane/migration-files/read-folder.ts';
import { createTenantDatabases, type TenantDatabases } from '../../control-plane/postgres/tenant-database.ts';
import { tenantCluster } from '../support/clusters.ts';
import { migrateOptions } from '../support/lanes.ts';
import { readSchemaObjects } from '../support/schema-objects.ts';
import { laneFolder, openTenantCluster, quietLog, type TenantCluster } from '../support/tenant-cluster.ts';

const folder = path.resolve(import.meta.dirname, '../support/migrations-every-feature');
const root = path.resolve(import.meta.dirname, '../..');
/** Pairs of files are known to its runner, not to its command line. */
const withoutPairs = mkdtempSync(path.join(os.tmpdir(), 'freehold-folder-'));
let cluster: TenantCluster;
let core: Lane;
let lane: Lane;
const opened: TenantDatabases[] = [];

beforeAll(async () => {
  cpSync(folder, withoutPairs, { recursive: true, filter: (source) => !source.includes('009_pair') });
  core = await readLane('core', laneFolder('core'));
  lane = await readLane('tenant', folder);
  // Without a product's lane: a database made here has what node-pg-migrate needs and nothing else.
  cluster = await openTenantCluster(tenantCluster('a'));
}, 60_000);
afterAll(async () => {
  for (const databases of opened) await databases.close();
  await cluster?.close();
  rmSync(withoutPairs, { recursive: true, force: true });
});

function withLane(tenantLane: Lane): TenantDatabases {
  const addressOf = async (id: DatabaseId, login: Login) => cluster.addressOf(id, login);
  const databases = createTenantDatabases({ addressOf, heads: async () => [core, tenantLane], log: quietLog });
  opened.push(databases);
  return databases;
}

/** As the owner, by the login that Freehold itself uses. */
function urlOf(id: DatabaseId): string {
  const { user, password, host, port, database } = cluster.addressOf(id, 'mig');
  return `postgres://${user}:${password}@${host}:${port}/${database}?options=-c%20role%3D${namesOf(id).owner}`;
}

async function commandLine(id: DatabaseId, ...words: string[]): Promise<string> {
  const program = path.join(root, 'node_modules/node-pg-migrate/bin/node-pg-migrate.js');
  const { stdout } = await promisify(execFile)(process.execPath, [program, ...words, '-m', withoutPairs], {
    cwd: root,
    env: { PATH: process.env.PATH ?? '', DATABASE_URL: urlOf(id) },
  });
  return stdout;
}

const itsRunner = (id: DatabaseId, more: { direction?: 'up' | 'down'; count?: number } = {}) =>
  runner({
    databaseUrl: urlOf(id),
    dir: folder,
    direction: 'up',
    singleTransaction: true,
    migrationsTable: 'pgmigrations',
    migrationLoaderStrategies: [{ extensions: ['.sql'], loader: 'sql' }],
    log: () => {},
    ...more,
  });

const objectsOf = (id: DatabaseId) => readSchemaObjects({ ...cluster.server, database: namesOf(id).database });

test('every format and feature: the same schema as by the command line, and nothing left to run for it', async () => {
  const [ours, theirs] = [await cluster.makeDatabase(), await cluster.makeDatabase()];
  expect(await objectsOf(ours)).toEqual(await objectsOf(theirs));
  await withLane(await readLane('tenant', withoutPairs)).applyLanes(ours);
  await commandLine(theirs, 'up');
  const made = await objectsOf(ours);
  expect(made.length).toBeGreaterThan(100);
  expect(made).toEqual(await objectsOf(theirs));
  expect(await commandLine(ours, 'up')).toContain('No migrations to run!');
}, 60_000);

test('with pairs of files: the same schema as by its runner, which finds nothing left to do', async () => {
  const [ours, theirs] = [await cluster.makeDatabase(), await cluster.makeDatabase()];
  await withLane(lane).applyLanes(ours);
  expect(await itsRunner(theirs)).toHaveLength(lane.files.length);
  expect(await objectsOf(ours)).toEqual(await objectsOf(theirs));
  expect(await itsRunner(ours)).toEqual([]);
}, 60_000);

test('M14 the ways back: the same schema as by its runner, also where they ask the database', async () => {
  const [ours, theirs] = [await cluster.makeDatabase(), await cluster.makeDatabase()];
  const last = lane.files.findIndex((file) => file.name === '012_later-features') + 1;
  const kept = lane.files.findIndex((file) => file.down === null) + 1;
  const upTo = (files: number) => ({ ...lane, files: lane.files.slice(0, files) });
  const databases = withLane(lane);
  await databases.migrate(ours, upTo(last), migrateOptions());
  await databases.migrate(ours, upTo(kept), migrateOptions({ direction: 'down', undo: lane.files }));
  await itsRunner(theirs, { count: last });
  expect(await itsRunner(theirs, { direction: 'down', count: last - kept })).toHaveLength(last - kept);
  expect(await objectsOf(ours)).toEqual(await objectsOf(theirs));
}, 60_000);

test('files are read in its order, under the names it writes down, with the ways back that it knows', () => {
  expect(lane.files.map((file) => file.name)).toEqual([
    '001_shorthands-and-types',
    '002_tables',
    '003_columns-and-constraints',
    '004_indexes',
    '005_functions-and-triggers',
    '006_views-and-policies',
    '007_enum-values',
    '008_plain',
    '009_pair',
    '010_program',
    '011_asks-and-imports',
    '012_later-features',
    '1700000000000_epoch',
    '20260101000000000_utc',
  ]);
  const oneWay = lane.files.filter((file) => file.down === null).map((file) => file.name);
  expect(oneWay).toEqual(['007_enum-values', '1700000000000_epoch', '20260101000000000_utc']);
  const alone = lane.files.filter((file) => !file.up.transaction);
  expect(alone.map((file) => [file.name, file.up.statements.length])).toEqual([['007_enum-values', 2]]);
  expect(lane.version).toBe('20260101000000000');
});
