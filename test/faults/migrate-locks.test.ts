// A migration that meets a lock: how long it waits, whom it holds up meanwhile, whom it names, and what it does next.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { DatabaseId } from '../../catalog/ids.ts';
import { type Login, namesOf } from '../../catalog/names.ts';
import { lookForBlockers } from '../../control-plane/postgres/look-for-blockers.ts';
import { migrationLockId } from '../../control-plane/postgres/plan-migration.ts';
import { DatabaseMigrationFailed } from '../../control-plane/postgres/tenant-database.ts';
import { openSession, type Session } from '../../platform/postgres/session.ts';
import { tenantCluster, waitUntil } from '../support/clusters.ts';
import { laneOfTexts, migrateOptions } from '../support/lanes.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { openTenantCluster, type TenantCluster } from '../support/tenant-cluster.ts';

let cluster: TenantCluster;
let id: DatabaseId;
let other: DatabaseId;
beforeAll(async () => {
  cluster = await openTenantCluster(tenantCluster('a'));
  [id, other] = [await cluster.makeDatabase(), await cluster.makeDatabase()];
  await cluster.databases.migrate(id, await laneOfTexts(texts), migrateOptions());
}, 60_000);
afterAll(() => cluster?.close());

// Each test goes on from where the one before it ended.
const texts = ['create table held (id int); insert into held values (1);'];
const laneBehind = async (text: string) => laneOfTexts([...texts, text]);
const inside = (sql: string) => superuserSql({ ...cluster.server, database: namesOf(id).database }, sql);
const open = (login: Login, applicationName: string) => openSession(cluster.addressOf(id, login), { applicationName });
const failureOf = (work: Promise<unknown>) =>
  work.then(
    () => Promise.reject(new Error('it was migrated')),
    (error: unknown) => {
      if (error instanceof DatabaseMigrationFailed) return error;
      throw error;
    },
  );

async function reader(): Promise<Session> {
  const session = await open('app_a', 'long-reader');
  await session.begin();
  await session.query('select from held');
  return session;
}

test('M01 a reader holds the table: named with pid, role, application and age; nothing was changed', async () => {
  const sitter = await reader();
  const failed = await failureOf(
    cluster.databases.migrate(
      id,
      await laneBehind('alter table held add column a int'),
      migrateOptions({ lockTimeoutMs: 200, lockRetries: 2 }),
    ),
  );
  expect(failed.error).toMatchObject({
    sqlstate: '55P03',
    state_of_database: 'unchanged',
    retryable: true,
    hint: expect.stringContaining('holds a lock'),
    blocker: {
      pid: sitter.backendPid,
      role: namesOf(id).logins.app_a,
      application: 'long-reader',
      state: 'idle in transaction',
    },
  });
  expect(failed.error.blocker?.ageMs).toBeGreaterThanOrEqual(200);
  // Three tries of 200 ms; what lies behind the last look of each is not counted.
  expect(failed.lockWaitMs).toBeGreaterThanOrEqual(200);
  await sitter.close();
});

test('M01 readers behind the waiting ALTER wait no longer than the lock timeout; it gets its turn by trying again', async () => {
  const lane = await laneBehind('alter table held add column b int');
  const sitter = await reader();
  const options = migrateOptions({ lockTimeoutMs: 300, lockRetries: 50 });
  const migrating = cluster.databases.migrate(id, lane, options);
  const waiting = () => inside(`select from pg_stat_activity where wait_event_type = 'Lock' and query ~ 'column b'`);
  await waitUntil(async () => (await waiting()).length > 0, { what: 'the ALTER waits' });
  const behind = await open('app_b', 'behind');
  // Without the time-out this would wait for the reader, who does not go away: the server ends it, and the test.
  await behind.query('select from held', [], { timeoutMs: 5_000 });
  await behind.close();
  await sitter.close();
  const outcome = await migrating;
  expect(outcome.outcome).toBe('done');
  expect(outcome.lockWaitMs).toBeGreaterThan(0);
  texts.push('alter table held add column b int');
});

test('D11 someone sits on the lock of node-pg-migrate: named, and no longer waited for than a lock may take', async () => {
  const sitter = await open('mig', 'node-pg-migrate');
  await sitter.query(`set role ${namesOf(id).owner}`);
  await sitter.query(`select pg_advisory_lock(${migrationLockId})`);
  // Advisory locks are per database: nobody else is held up.
  expect((await cluster.databases.migrate(other, await laneOfTexts(texts), migrateOptions())).outcome).toBe('done');
  for (const text of ['create table d11 (id int)', '-- freehold: no-transaction\ncreate table d11 (id int)']) {
    const failed = await failureOf(
      cluster.databases.migrate(id, await laneBehind(text), migrateOptions({ lockTimeoutMs: 150 })),
    );
    expect(failed.error).toMatchObject({
      sqlstate: '55P03',
      state_of_database: 'unchanged',
      blocker: { pid: sitter.backendPid, application: 'node-pg-migrate', role: namesOf(id).logins.mig, state: 'idle' },
    });
  }
  await sitter.close();
});

test('who blocks is told of backends of that database that wait, and of no others', async () => {
  const provisioner = await openSession(cluster.provisioner, { applicationName: 'test' });
  const sitter = await reader();
  const waiter = await open('mig', 'waiter');
  await waiter.query(`set role ${namesOf(id).owner}`);
  await waiter.begin();
  const waiting = waiter.query('lock table held').catch((error: unknown) => error);
  const look = (of: DatabaseId, pid: number) => lookForBlockers(provisioner, namesOf(of).database, pid);
  await waitUntil(async () => (await look(id, waiter.backendPid)).length > 0, { what: 'it is seen to wait' });
  expect((await look(id, waiter.backendPid)).map((blocker) => blocker.pid)).toEqual([sitter.backendPid]);
  expect(await look(other, waiter.backendPid)).toEqual([]);
  expect(await look(id, sitter.backendPid)).toEqual([]);
  expect(await look(id, 1)).toEqual([]);
  await expect(lookForBlockers(provisioner, 'postgres', waiter.backendPid)).rejects.toMatchObject({
    sqlstate: 'ZF002',
  });
  const asTenant = waiter.close().then(() => sitter.query(`select * from pg_locks`));
  await expect(asTenant).rejects.toMatchObject({ sqlstate: '42501' });
  await waiting;
  await Promise.all([sitter.close(), provisioner.close()]);
});
