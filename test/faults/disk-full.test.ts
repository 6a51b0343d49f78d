// A disk that is full in the middle of a migration: a real one, too small for what the file writes. The log of the server stands
// on another disk, as it should: where that one is full the whole cluster stops, and its tenants wait (rollout-engine.test.ts).
import fs from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DatabaseId } from '../../catalog/ids.ts';
import { namesOf } from '../../catalog/names.ts';
import { DatabaseMigrationFailed } from '../../control-plane/postgres/tenant-database.ts';
import { createTestFolder, type PrivateCluster, startPrivateCluster } from '../support/clusters.ts';
import { describeUnless } from '../support/components.ts';
import { laneOfTexts, migrateOptions } from '../support/lanes.ts';
import { mountSmallDisk } from '../support/small-disk.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { openTenantCluster, type TenantCluster } from '../support/tenant-cluster.ts';

/** A database that has nothing yet takes some 10 MiB. */
const smallMib = 24;
const folder = createTestFolder();
const disk = mountSmallDisk(folder, smallMib);
afterAll(() => {
  disk?.unmount();
  fs.rmSync(folder, { recursive: true });
});

const missing = disk === undefined ? 'only root may mount a small disk, and not everywhere' : undefined;
describeUnless(missing, 'a disk that is full', () => {
  let server: PrivateCluster;
  let cluster: TenantCluster;
  let onSmallDisk: DatabaseId;
  let other: DatabaseId;
  beforeAll(async () => {
    server = await startPrivateCluster();
    cluster = await openTenantCluster(server.address);
    [onSmallDisk, other] = [await cluster.makeDatabase(), await cluster.makeDatabase()];
    await cluster.databases.forget(onSmallDisk);
    await superuserSql(server.address, `create tablespace small location '${disk?.folder}'`);
    await superuserSql(server.address, `alter database ${namesOf(onSmallDisk).database} set tablespace small`);
  }, 60_000);
  afterAll(async () => {
    await cluster?.databases.close();
    await server?.remove();
  });

  const inside = (sql: string) =>
    superuserSql({ ...server.address, database: namesOf(onSmallDisk).database }, sql) as Promise<unknown[]>;

  test('M10 53100: the file is taken back whole, the others go on, and with more room it goes again', async () => {
    const lane = await laneOfTexts([
      'create table small_one (id int);',
      `create table big (id int, what text);\ninsert into big select n, repeat('x', 500) from generate_series(1, 50000) as n;`,
    ]);
    const failed = await cluster.databases
      .migrate(onSmallDisk, lane, migrateOptions())
      .catch((error: unknown) => error);
    expect(failed).toBeInstanceOf(DatabaseMigrationFailed);
    expect((failed as DatabaseMigrationFailed).error).toMatchObject({
      code: 'migration_failed',
      sqlstate: '53100',
      file: lane.files[1]?.name,
      line: 2,
      statement: expect.stringContaining('insert into big'),
      hint: expect.any(String),
      state_of_database: 'unchanged',
      retryable: true,
    });
    expect(await inside(`select to_regclass('small_one') as a, to_regclass('big') as b`)).toEqual([
      { a: null, b: null },
    ]);
    expect((await cluster.databases.migrate(other, lane, migrateOptions())).outcome).toBe('done');
    disk?.grow(smallMib * 4);
    expect((await cluster.databases.migrate(onSmallDisk, lane, migrateOptions())).outcome).toBe('done');
    expect(await inside('select count(*)::int as n from big')).toEqual([{ n: 50_000 }]);
  });
});
