// Where node-pg-migrate's table stands is the installation's choice, for new databases and for those that have it elsewhere; its
// own command line works on such a database before and after.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DatabaseId } from '../../catalog/ids.ts';
import { namesOf } from '../../catalog/names.ts';
import type { Lane } from '../../control-plane/migration-files/migration-file.ts';
import { readLane } from '../../control-plane/migration-files/read-folder.ts';
import {
  type BookkeepingTable,
  defaultBookkeeping,
  parseBookkeeping,
} from '../../control-plane/postgres/bookkeeping-table.ts';
import {
  createTenantDatabases,
  type MigrateOptions,
  type TenantDatabasesDeps,
} from '../../control-plane/postgres/tenant-database.ts';
import { tenantCluster } from '../support/clusters.ts';
import { migrateOptions } from '../support/lanes.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { laneFolder, openTenantCluster, quietLog, type TenantCluster } from '../support/tenant-cluster.ts';

let cluster: TenantCluster;
let core: Lane;
const folder = mkdtempSync(path.join(os.tmpdir(), 'freehold-folder-'));
const elsewhere = parseBookkeeping('ops.schema_versions');

beforeAll(async () => {
  for (const n of [1, 2, 3, 4]) {
    const text = `-- Up Migration\ncreate table made_${n} (id int);\n-- Down Migration\ndrop table made_${n};\n`;
    writeFileSync(path.join(folder, `00${n}_made.sql`), text);
  }
  core = await readLane('core', laneFolder('core'));
  cluster = await openTenantCluster(tenantCluster('b'));
}, 60_000);
afterAll(async () => {
  await cluster?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** One lane to a target, as a process with this setting; its sessions end with it. */
async function bring(id: DatabaseId, bookkeeping: BookkeepingTable, target: Lane, more: Partial<MigrateOptions> = {}) {
  const addressOf: TenantDatabasesDeps['addressOf'] = async (of, login) => cluster.addressOf(of, login);
  const databases = createTenantDatabases({ addressOf, heads: async () => [core], bookkeeping, log: quietLog });
  try {
    return await databases.migrate(id, target, migrateOptions(more));
  } finally {
    await databases.close();
  }
}

async function upTo(files: number): Promise<Lane> {
  const lane = await readLane('tenant', folder);
  const some = lane.files.slice(0, files);
  return { ...lane, files: some };
}

async function commandLine(id: DatabaseId, ...words: string[]): Promise<string> {
  const root = path.resolve(import.meta.dirname, '../..');
  const program = path.join(root, 'node_modules/node-pg-migrate/bin/node-pg-migrate.js');
  const { user, password, host, port, database } = cluster.addressOf(id, 'mig');
  const DATABASE_URL = `postgres://${user}:${password}@${host}:${port}/${database}?options=-c%20role%3D${namesOf(id).owner}`;
  const env = { PATH: process.env.PATH ?? '', DATABASE_URL };
  return (await promisify(execFile)(process.execPath, [program, ...words, '-m', folder], { cwd: root, env })).stdout;
}
const there = ['-t', elsewhere.table, '--migrations-schema', elsewhere.schema];

const inside = (id: DatabaseId, sql: string) =>
  superuserSql({ ...cluster.server, database: namesOf(id).database }, sql);
const booked = async (id: DatabaseId, { schema, table }: BookkeepingTable) =>
  (await inside(id, `select name from ${schema}.${table} order by run_on, id`)).map((row) => row.name);
const mayTouch = (id: DatabaseId, { schema, table }: BookkeepingTable) =>
  inside(
    id,
    `select login from unnest(array['app_a', 'app_b', 'ro']) as login
     where has_table_privilege(current_database() || '_' || login, '${schema}.${table}', 'insert,update,delete,truncate')
        or has_sequence_privilege(current_database() || '_' || login, pg_get_serial_sequence('${schema}.${table}', 'id'), 'usage,update')`,
  );

test('a new database has it where it was chosen; the command line goes on there and back, and so do we', async () => {
  const id = await cluster.makeDatabase();
  await bring(id, elsewhere, await upTo(2));
  expect(await booked(id, elsewhere)).toEqual(['001_made', '002_made']);
  expect(await inside(id, `select to_regclass('public.pgmigrations') as old`)).toEqual([{ old: null }]);
  expect(await mayTouch(id, elsewhere)).toEqual([]);
  await commandLine(id, 'up', '1', ...there);
  const outcome = await bring(id, elsewhere, await upTo(4));
  expect(outcome.adopted).toEqual(['003_made']);
  expect((await booked(id, elsewhere)).at(-1)).toBe('004_made');
  expect(await commandLine(id, 'up', ...there)).toContain('No migrations to run!');
  const { files } = await upTo(4);
  await bring(id, elsewhere, await upTo(1), { direction: 'down', undo: files });
  expect(await booked(id, elsewhere)).toEqual(['001_made']);
  expect((await cluster.databases.inspect(id)).bookkeeping).toBe('ops.schema_versions');
});

test('a database that has it elsewhere gets it moved with its rows, forth and back, and nothing runs twice', async () => {
  const id = await cluster.makeDatabase();
  await bring(id, defaultBookkeeping, await upTo(2));
  for (const at of [elsewhere, parseBookkeeping('schema_versions'), defaultBookkeeping]) {
    const outcome = await bring(id, at, await upTo(2));
    expect(outcome.outcome).toBe('noop');
    expect(await booked(id, at)).toEqual(['001_made', '002_made']);
    expect(await mayTouch(id, at)).toEqual([]);
  }
  expect(await commandLine(id, 'up', '1')).not.toContain('002_made');
  expect((await bring(id, defaultBookkeeping, await upTo(3))).adopted).toEqual(['003_made']);
});

test('where the command line has made the table already, both books become one, closed to the applications', async () => {
  const id = await cluster.makeDatabase();
  const at = parseBookkeeping('history');
  await commandLine(id, 'up', '2', '-t', at.table);
  expect((await mayTouch(id, at)).length).toBe(2); // a table like any other, so far
  const outcome = await bring(id, at, await upTo(3));
  expect(outcome.adopted).toEqual(['001_made', '002_made']);
  expect(await booked(id, at)).toEqual(['001_made', '002_made', '003_made']);
  expect(await mayTouch(id, at)).toEqual([]);
  expect(await inside(id, `select to_regclass('public.pgmigrations') as old`)).toEqual([{ old: null }]);
});

test('a database whose core lane cannot tell yet is left alone, and works where the table is', async () => {
  const old = { ...core, files: core.files.slice(0, 2) };
  const id = await cluster.makeDatabase();
  await bring(id, defaultBookkeeping, old, { direction: 'down', undo: core.files });
  await expect(bring(id, elsewhere, await upTo(1))).rejects.toMatchObject({
    error: { code: 'migration_invalid', state_of_database: 'unchanged' },
  });
  expect((await bring(id, defaultBookkeeping, await upTo(1))).outcome).toBe('done');
  expect((await bring(id, elsewhere, core)).outcome).toBe('done');
  await bring(id, elsewhere, await upTo(2));
  expect(await booked(id, elsewhere)).toEqual(['001_made', '002_made']);
});

test.each(['Public.x', 'a.b.c', 'x"; drop', 'freehold.x', 'pg_catalog.x', '', '.x'])(
  '%j is refused as a table',
  (text) => {
    expect(() => parseBookkeeping(text)).toThrow('schema.table');
  },
);
