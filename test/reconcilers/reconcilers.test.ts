// Reconcilers against real clusters: each repairs what was broken behind its back, and leaves alone what it should.
import { sql } from 'kysely';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { type DatabaseId, newId } from '../../catalog/ids.ts';
import { namesOf } from '../../catalog/names.ts';
import { listReconcilers } from '../../catalog/reconcilers.ts';
import { startCreateDatabase } from '../../control-plane/operations/start/start-create-database.ts';
import { startDeleteTenant } from '../../control-plane/operations/start/start-delete-tenant.ts';
import { allReconcilers } from '../../control-plane/reconcilers/all-reconcilers.ts';
import { createOrphanDatabases } from '../../control-plane/reconcilers/orphan-databases.ts';
import type { ReconcilerDeps } from '../../control-plane/reconcilers/reconciler.ts';
import { createScheduler, type Scheduler } from '../../control-plane/reconcilers/scheduler.ts';
import { openSession } from '../../platform/postgres/session.ts';
import { expectCleanSlate } from '../support/clean-slate.ts';
import { createInstallation, type Installation } from '../support/installation.ts';
import { caller, needTenant } from '../support/operation-scenarios.ts';
import { superuserSql } from '../support/superuser-sql.ts';
import { waitUntil } from '../support/wait-until.ts';

let house: Installation;
let deps: ReconcilerDeps;
let scheduler: Scheduler;
beforeAll(async () => {
  house = await createInstallation();
  deps = { ...house.deps, clusters: house.connections.clusters, wakeAgain: async (id) => void house.woken.add(id) };
  const reconcilers = allReconcilers.map((reconciler) =>
    reconciler.name === 'orphan-databases' ? createOrphanDatabases({ rowMs: 0, orphanMs: 0 }) : reconciler,
  );
  scheduler = createScheduler({ ...deps, reconcilers, holder: 'test' });
});
afterAll(async () => {
  await scheduler.close();
  await house.close();
});

const db = () => house.catalog.db;

test('P03 stuck-operations wakes what lost its nudge and what its worker left, and nothing else', async () => {
  const lost = await startCreateDatabase(db(), house.clusters[0].id, caller);
  const dead = await startCreateDatabase(db(), house.clusters[0].id, caller);
  const alive = await startCreateDatabase(db(), house.clusters[0].id, caller);
  await sql`update operations set next_attempt_at = now() - interval '1 minute'`.execute(db());
  await sql`update operations set lease_holder = 'x', lease_until = now() - interval '1 second' where id = ${dead.id}`.execute(
    db(),
  );
  await sql`update operations set lease_holder = 'x', lease_until = now() + interval '1 minute' where id = ${alive.id}`.execute(
    db(),
  );
  expect(await scheduler.runNow('stuck-operations')).toEqual({ woken: 2 });
  expect(house.woken).toEqual(new Set([lost.id, dead.id]));
  await sql`update operations set lease_until = now() where id = ${alive.id}`.execute(db());
  await house.runAll();
  await expectCleanSlate(house);
});

test('warm-databases keeps the minimum, follows demand to the maximum, and drops what a drained cluster holds', async () => {
  const [one, two] = house.clusters;
  await db().updateTable('clusters').set({ warm_min: 1, warm_max: 3 }).execute();
  await scheduler.runNow('warm-databases');
  await house.runAll();
  const stock = async (id: string) =>
    (
      await db()
        .selectFrom('databases')
        .select('id')
        .where('state', '=', 'warm')
        .where('cluster_id', '=', id as never)
        .execute()
    ).length;
  expect([await stock(one.id), await stock(two.id)]).toEqual([3, 1]); // one had three from before
  for (let i = 0; i < 9; i++)
    await db().insertInto('warm_demand').values({ cluster_id: two.id, warm: false }).execute();
  expect(await scheduler.runNow('warm-databases')).toMatchObject({ started: 2 });
  expect(await scheduler.runNow('warm-databases')).toMatchObject({ started: 0 }); // those that are being built count
  await house.runAll();
  expect(await stock(two.id)).toBe(3);
  await db().updateTable('clusters').set({ state: 'draining' }).where('id', '=', two.id).execute();
  await db().updateTable('clusters').set({ warm_min: 0, warm_max: 1 }).where('id', '=', one.id).execute();
  await scheduler.runNow('warm-databases');
  await house.runAll();
  expect([await stock(one.id), await stock(two.id)]).toEqual([1, 0]);
  await db().updateTable('clusters').set({ state: 'active', warm_min: 0, warm_max: 8 }).execute();
  await expectCleanSlate(house);
}, 60_000);

test('warm-databases starts nothing while somebody waits', async () => {
  await db().updateTable('clusters').set({ warm_min: 3 }).execute();
  const id = await needTenant(house, 'active');
  const { operation } = await startDeleteTenant(db(), id, caller, { graceMs: 0 });
  await sql`update operations set next_attempt_at = now() - interval '1 second' where id = ${operation.id}`.execute(
    db(),
  );
  expect(await scheduler.runNow('warm-databases')).toMatchObject({ started: 0, held: 'foreground work waits' });
  await house.runAll();
  await db().updateTable('clusters').set({ warm_min: 0 }).execute();
  await expectCleanSlate(house);
});

test('expired-tenants purges what is over, and keeps what is not', async () => {
  const expired = await needTenant(house, 'deleted');
  const kept = await needTenant(house, 'active');
  await house.run((await startDeleteTenant(db(), kept, caller, { graceMs: 3_600_000 })).operation.id);
  expect(await scheduler.runNow('expired-tenants')).toMatchObject({ purging: 1 });
  await house.runAll();
  const states = await db()
    .selectFrom('tenants')
    .select(['id', 'state', 'name', 'labels'])
    .where('id', 'in', [expired, kept])
    .execute();
  expect(new Map(states.map((row) => [row.id, row.state]))).toEqual(
    new Map([
      [expired, 'purged'],
      [kept, 'deleted'],
    ]),
  );
  expect(states.find((row) => row.id === expired)).toMatchObject({ name: 'purged', labels: {} });
  await expectCleanSlate(house);
});

test('P15 orphan-databases removes what has no row, recounts slots, and tells what is not ours', async () => {
  const [one] = house.clusters;
  const made = await startCreateDatabase(db(), one.id, caller);
  await house.run(made.id);
  const orphan = (await operationOf(made.id)).database_id as DatabaseId;
  await forgetRows(orphan);
  const foreign = namesOf(newId('database'));
  await superuserSql(one.server.address, `create database ${foreign.database}`);
  await superuserSql(one.server.address, `create role ${foreign.owner}`);
  await db().updateTable('clusters').set({ databases_used: 40 }).where('id', '=', one.id).execute();
  const result = await scheduler.runNow('orphan-databases');
  expect(result).toMatchObject({ adopted: 1, foreign: expect.arrayContaining([foreign.database, foreign.owner]) });
  expect(result).toHaveProperty(['recounted', one.id]);
  await house.runAll();
  expect(await databaseNames()).toEqual(expect.not.arrayContaining([namesOf(orphan).database]));
  expect(await databaseNames()).toContain(foreign.database);
  await superuserSql(one.server.address, `drop database ${foreign.database}`);
  await superuserSql(one.server.address, `drop role ${foreign.owner}`);
  await expectCleanSlate(house);
});

test('P15 an orphan that holds a tenant, or cannot be looked into, is never dropped', async () => {
  const [one] = house.clusters;
  const tenantId = newId('tenant');
  const ids: DatabaseId[] = [];
  for (let i = 0; i < 2; i++) {
    const made = await startCreateDatabase(db(), one.id, caller);
    await house.run(made.id);
    ids.push((await operationOf(made.id)).database_id as DatabaseId);
  }
  const [held, closed] = ids as [DatabaseId, DatabaseId];
  await house.connections.databases.stampIdentity(held, tenantId);
  await house.connections.databases.forget(held);
  await house.connections.databases.forget(closed);
  await house.connections.clusters.of(one.id).fenceDatabase(closed);
  for (const id of ids) await forgetRows(id);
  await scheduler.runNow('orphan-databases');
  await house.runAll();
  for (const id of ids) {
    expect(await databaseNames()).toContain(namesOf(id).database);
    const drop = await db()
      .selectFrom('operations')
      .selectAll()
      .where('database_id', '=', id)
      .executeTakeFirstOrThrow();
    expect(drop).toMatchObject({ kind: 'drop-database', state: 'failed', error: { code: 'identity_mismatch' } });
  }
  // Held for a person: not begun again.
  expect(await scheduler.runNow('orphan-databases')).toMatchObject({ retired: 0, adopted: 0 });
  for (const id of ids) await house.connections.clusters.of(one.id).dropDatabase(id);
  for (const id of ids) await house.connections.clusters.of(one.id).dropRoles(id);
  await sql`update operations set state = 'pending' where kind = 'drop-database' and state = 'failed'`.execute(db());
  await house.runAll();
  await expectCleanSlate(house);
});

test('cluster-health notices an outage at the second failure, and the return', async () => {
  const [, two] = house.clusters;
  const health = async () =>
    (await db().selectFrom('clusters').select('health').where('id', '=', two.id).executeTakeFirstOrThrow()).health;
  await two.server.stop('immediate');
  await scheduler.runNow('cluster-health');
  expect(await health()).toBe('healthy');
  await scheduler.runNow('cluster-health');
  expect(await health()).toBe('unreachable');
  await two.server.start();
  await sql`update clusters set health_detail = health_detail - 'next_check_at'`.execute(db());
  await scheduler.runNow('cluster-health');
  expect(await health()).toBe('healthy');
});

test('one process runs a reconciler at a time, on time, and the rows tell of it', async () => {
  let running = 0;
  let most = 0;
  const run = vi.fn(async () => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 50));
    running--;
    return { seen: 1 };
  });
  const slow = { name: 'slow', everyMs: 100, run };
  const broken = { name: 'broken', everyMs: 60_000, run: async () => Promise.reject(new Error('on purpose')) };
  const schedulers = ['a', 'b'].map((holder) => createScheduler({ ...deps, reconcilers: [slow, broken], holder }));
  for (const one of schedulers) one.start();
  await waitUntil(() => run.mock.calls.length >= 3, { what: 'three runs', timeoutMs: 15_000 });
  await Promise.all(schedulers.map((one) => one.close()));
  expect(most).toBe(1);
  const rows = new Map((await listReconcilers(db())).map((row) => [row.name, row]));
  expect(rows.get('slow')).toMatchObject({ last_result: { seen: 1 }, last_error: null, lease_holder: null });
  expect(rows.get('broken')).toMatchObject({ runs: 1, last_error: { message: 'on purpose' } });
});

test('D08 D09 overdue-sessions ends what outlives the plan though the login has undone its timeouts, and nothing that is within', async () => {
  const tenantId = await needTenant(house, 'active');
  await sql`insert into plans (id, title, limits) values ('short', 'Short', ${JSON.stringify({ statement_timeout_ms: 100, transaction_timeout_ms: 1_000 })}::jsonb)`.execute(
    db(),
  );
  await sql`update tenants set plan_id = 'short' where id = ${tenantId}`.execute(db());
  const { id } = await db()
    .selectFrom('databases')
    .select('id')
    .where('tenant_id', '=', tenantId)
    .executeTakeFirstOrThrow();
  const open = async (login: 'app_a' | 'ro' | 'mig') => {
    const { slots: _, ...address } = await house.connections.addressOf(id, login);
    return openSession(address, { applicationName: 'freehold-test' });
  };
  const [sleeper, keeper, quiet, migrator] = [
    await open('app_a'),
    await open('ro'),
    await open('app_a'),
    await open('mig'),
  ];
  const reaped = sleeper.script('set statement_timeout = 0; select pg_sleep(3600)').catch((error: unknown) => error);
  await keeper.script('set idle_in_transaction_session_timeout = 0; begin; select 1');
  const migrating = migrator.query('select pg_sleep(3600)').catch((error: unknown) => error);
  const ended: unknown[] = [];
  await waitUntil(
    async () => {
      ended.push(...((await scheduler.runNow('overdue-sessions')) as { ended: unknown[] }).ended);
      return !sleeper.usable && !keeper.usable;
    },
    { what: 'both to be ended', timeoutMs: 20_000, intervalMs: 100 },
  );
  const { database, logins } = namesOf(id);
  expect(ended).toEqual(
    expect.arrayContaining([
      { database, login: logins.app_a, over: 'statement' },
      { database, login: logins.ro, over: 'transaction' },
    ]),
  );
  expect(ended).toHaveLength(2);
  expect(await reaped).toMatchObject({ sqlstate: '57P01' });
  expect([quiet.usable, migrator.usable]).toEqual([true, true]);
  const told = await sql<{
    detail: unknown;
  }>`select detail from audit_entries where action = 'database.end_session' and target_id = ${id}`.execute(db());
  expect(told.rows.map((row) => (row.detail as { login: string }).login).sort()).toEqual(['app_a', 'ro']);
  await Promise.all([quiet.close(), migrator.close()]);
  await migrating;
});

async function operationOf(id: string) {
  return db()
    .selectFrom('operations')
    .selectAll()
    .where('id', '=', id as never)
    .executeTakeFirstOrThrow();
}

/** As if the catalog had been restored from before the database was made. */
async function forgetRows(id: DatabaseId): Promise<void> {
  await sql`delete from operations where database_id = ${id}`.execute(db());
  await sql`delete from database_secrets where database_id = ${id}`.execute(db());
  await sql`delete from databases where id = ${id}`.execute(db());
}

async function databaseNames(): Promise<string[]> {
  const rows = await superuserSql<{ datname: string }>(
    house.clusters[0].server.address,
    'select datname from pg_database',
  );
  return rows.map((row) => row.datname);
}
